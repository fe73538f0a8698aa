"""A run → a web page that shows its network at work, in a folder that a browser opens from disk.

The page itself, HTML, CSS and plain JavaScript, is in cnn_mnist/explore. This module adds its
model.js: the weights of the run and of its epochs, and pictures from the test set.
"""

import base64
import json
import os
import shutil
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cnn_mnist.training.data import DIGITS, Split, Splits
from cnn_mnist.training.evaluation import predict_logits
from cnn_mnist.training.loop import start
from cnn_mnist.training.metrics import wrong_rows
from cnn_mnist.training.runs import checkpoint, run_folder
from cnn_mnist.training.runs.config import Config, load_config
from cnn_mnist.training.runs.run_folder import RunError

PAGE = Path(__file__).parents[2] / "explore"
NUM_EPOCHS = 11  # maximum shown, including the untrained and the finished network
NUM_MISTAKES = 100  # maximum shown
LEVELS = 127  # of a weight, on each side of zero, in all epochs except the last


@dataclass(frozen=True)
class Page:
    """The exported page.

    The bytes of the whole folder, and the accuracy of each epoch, measured with the page's weights.
    """

    size: int
    accuracies: dict[int, float]
    num_mistakes: int


def export(folder: Path, splits: Splits, out: Path) -> Page:
    """Write the page of a run, or of the released weights, to a new folder: all of it or nothing.

    Args:
        splits: the test split provides the accuracies, the examples and the mistakes.

    Raises:
        RunError: the folder is not a run's or is damaged, its network is not the one that the page
            draws, or `out` exists already or cannot be created.
    """
    if out.exists():
        raise RunError(f"{out} exists already; choose another --out")
    model = _model(folder, splits)
    temporary = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(PAGE, temporary, ignore=shutil.ignore_patterns("model.js"))
        run_folder.write(temporary / "model.js", f"const MODEL = {json.dumps(model)};\n".encode())
        size = sum(path.stat().st_size for path in temporary.iterdir())
        temporary.rename(out)
    except OSError as error:
        raise RunError(f"the page could not be written to {out}: {error.strerror}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    accuracies = {epoch["epoch"]: epoch["accuracy"] for epoch in model["epochs"]}
    return Page(size, accuracies, len(model["mistakes"]))


def _model(folder: Path, splits: Splits) -> dict[str, Any]:
    """The content of model.js.

    `data` holds, deflated and in base64: the last weights as float32, the earlier epochs' as int8,
    each as the difference from the epoch before, and the pictures.
    """
    config = load_config(folder)
    if config.recipe.model != "net":
        raise RunError(f"the page draws the network net, but {folder} is a {config.recipe.model}")
    if config.classes != DIGITS:
        raise RunError(
            f"the page is about the ten digits, but {folder} knows {', '.join(config.classes)}; "
            "export it with --format onnx"
        )
    test, norm = splits.test, config.recipe.test_norm
    final = checkpoint.load_model(folder)
    earlier, number = _earlier(folder, config)
    steps, codes = _quantize([*earlier.values(), final])
    accuracies = []
    for model, code in zip(earlier.values(), codes, strict=False):
        _set_weights(model, code, steps)
        accuracies.append(_accuracy(predict_logits(model, test, norm), test))
    logits = predict_logits(final, test, norm)
    examples, mistakes = _examples(logits, test), wrong_rows(logits, test.labels)[:NUM_MISTAKES]
    pictures = torch.cat([test.images[examples], test.images[mistakes]]).numpy()
    differences = np.diff(codes[:-1], axis=0, prepend=np.int8(0))  # modulo 256
    data = [_weights(final).astype("<f4").tobytes(), differences.tobytes(), pictures.tobytes()]
    return {
        "run": {"recipe": config.recipe.name, "seed": config.seed, "dataset": config.dataset}
        | {"num_train": config.num_train, "num_test": len(test)},
        "norm": norm,
        "tensors": [
            {"name": name, "size": tensor.numel(), "step": step}
            for (name, tensor), step in zip(final.state_dict().items(), steps, strict=True)
        ],
        "epochs": [
            {"epoch": epoch, "accuracy": accuracy}
            for epoch, accuracy in zip(
                [*earlier, number], [*accuracies, _accuracy(logits, test)], strict=True
            )
        ],
        "examples": test.labels[examples].tolist(),
        "mistakes": test.labels[mistakes].tolist(),
        "data": base64.b64encode(zlib.compress(b"".join(data), 9)).decode(),
    }


def _earlier(folder: Path, config: Config) -> tuple[dict[int, nn.Module], int]:
    """The untrained network, evenly spaced epochs before the last, and the last epoch's number.

    There are up to NUM_EPOCHS - 1 of these epochs, and none if the folder has no epochs.
    """
    saved = checkpoint.load_epochs(folder)
    if not saved:
        return {}, config.recipe.epochs
    last = max(saved)
    epochs = {0: start(config.recipe, config.seed).net} | saved
    numbers = sorted(epochs.keys() - {last})
    chosen = np.linspace(0, len(numbers) - 1, min(len(numbers), NUM_EPOCHS - 1)).round()
    return {numbers[int(i)]: epochs[numbers[int(i)]] for i in chosen}, last


def _weights(model: nn.Module) -> NDArray[np.float32]:
    """All weights as one vector, in the order of the model's state."""
    return torch.cat([tensor.flatten() for tensor in model.state_dict().values()]).numpy()


def _quantize(models: list[nn.Module]) -> tuple[list[float], NDArray[np.int8]]:
    """Steps, one per tensor, and codes E×P, so that code times step approximates a weight."""
    rows = torch.stack([torch.from_numpy(_weights(model)) for model in models])
    parts = rows.split([tensor.numel() for tensor in models[0].state_dict().values()], dim=1)
    steps = [max(float(part.abs().max()), 1e-12) / LEVELS for part in parts]
    codes = [(part / step).round() for part, step in zip(parts, steps, strict=True)]
    return steps, torch.cat(codes, dim=1).to(torch.int8).numpy()


def _set_weights(model: nn.Module, code: NDArray[np.int8], steps: list[float]) -> None:
    tensors = model.state_dict()
    parts = torch.from_numpy(code).split([tensor.numel() for tensor in tensors.values()])
    for tensor, part, step in zip(tensors.values(), parts, steps, strict=True):
        tensor.copy_((part * step).view_as(tensor))


def _accuracy(logits: Tensor, split: Split) -> float:
    return round(float((logits.argmax(dim=1) == split.labels).double().mean()), 6)


def _examples(logits: Tensor, split: Split) -> Tensor:
    """For each digit its first correctly classified image, or its first one."""
    right = logits.argmax(dim=1) == split.labels
    scores = torch.stack([(split.labels == digit) * (1 + right.int()) for digit in range(10)])
    return torch.from_numpy(scores.numpy().argmax(axis=1))  # the first of equals
