"""The released weights: train the reader, calibrate it, export it, and say what it is worth.

    python -m cnn_mnist.training.release --out src/cnn_mnist/weights

Temperature and threshold are chosen on the last training images, which this training holds out;
the test images are read once, when all is chosen.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from torch import Tensor

from cnn_mnist.training import checkpoint, data
from cnn_mnist.training.calibrate import fit_temperature, fit_threshold, rejection_rate
from cnn_mnist.training.checkpoint import RunError
from cnn_mnist.training.data import Split, Splits
from cnn_mnist.training.evaluate import predict_logits
from cnn_mnist.training.export import export
from cnn_mnist.training.loop import Run
from cnn_mnist.training.metrics import measure
from cnn_mnist.training.recipes import READER, Recipe
from cnn_mnist.training.train import begin, finish, go_on

NUM_VAL = 5_000  # training images held out of the release
FALSE_REJECTION = 0.003  # the share of validation digits that may be taken for none
IN_MODEL = ("recipe", "dataset", "seed", "versions", "temperature", "threshold", "val", "test")


def train(
    recipe: Recipe,
    splits: Splits,
    folder: Path,
    seed: int = 0,
    num_val: int = NUM_VAL,
    on_epoch: Callable[[Run], None] | None = None,
    teacher: Path | None = None,
) -> None:
    """Train without the last num_val training images, or go on where the folder's run stopped.

    Raises:
        RunError: the folder is of another recipe or seed or no run's, or cannot be written.
    """
    held = splits.hold_out(num_val)
    run = go_on(folder) if folder.exists() else begin(recipe, held, folder, seed, teacher=teacher)
    if (run.recipe, run.seed) != (recipe, seed):
        raise RunError(f"{folder} is of another recipe or seed; choose another --run")
    finish(run, held, folder, on_epoch)


def release(folder: Path, splits: Splits, out: Path, num_val: int = NUM_VAL) -> dict[str, Any]:
    """Write model.onnx, model.safetensors and card.json of a run that `train` has finished.

    Returns:
        What card.json holds: the run's settings and the figures on val and test, calibrated.

    Raises:
        RunError: the run is not finished, or was trained on the images to calibrate it with.
        ExportError: the exported model differs from the trained one.
    """
    _check(folder, num_val)
    config, model = checkpoint.load_config(folder), checkpoint.load_model(folder)
    val, norm = splits.hold_out(num_val).test, config.recipe.test_norm
    logits = predict_logits(model, val, norm)
    temperature = fit_temperature(logits, val.labels)
    threshold = fit_threshold((logits / temperature).softmax(dim=1), FALSE_REJECTION)

    card = asdict(config) | {
        "temperature": temperature,
        "threshold": threshold,
        "val": _figures(logits / temperature, val, threshold),
        "test": _figures(
            predict_logits(model, splits.test, norm) / temperature, splits.test, threshold
        ),
        "data_sha256": data.SHA256 if splits.name == "mnist" else {},
    }
    card["versions"] |= {name: version(name) for name in ("onnx", "onnxscript", "onnxruntime")}
    metadata = {name: json.dumps(card[name]) for name in IN_MODEL}
    out.mkdir(parents=True, exist_ok=True)
    card["onnx_difference"] = export(
        model, out / "model.onnx", norm, val.images, metadata, temperature
    )
    checkpoint.write(out / "model.safetensors", (folder / "model.safetensors").read_bytes())
    card["sha256"] = {name: _sha256(out / name) for name in ("model.onnx", "model.safetensors")}
    checkpoint.write(out / "card.json", (json.dumps(card, indent=2) + "\n").encode())
    return card


def _check(folder: Path, num_val: int) -> None:
    metrics = folder / "metrics.json"
    if not metrics.exists():
        raise RunError(f"{folder} is no finished run: there is no metrics.json")
    if json.loads(metrics.read_text())["test_num_images"] != num_val:
        raise RunError(
            f"{folder} was not trained with {num_val:,} images held out to calibrate it with; "
            "make the run with python -m cnn_mnist.training.release"
        )


def _figures(logits: Tensor, split: Split, threshold: float) -> dict[str, Any]:
    """What the card says of calibrated logits N×10."""
    metrics = measure(logits, split.labels, split.wrong_labels).to_dict()
    names = ("num_images", "accuracy", "error_count", "nll", "ece", "clean_label_accuracy")
    rejected = rejection_rate(logits.softmax(dim=1), threshold)
    return {name: metrics[name] for name in names} | {"rejected": rejected}


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _tell(run: Run) -> None:
    row = run.history[-1]
    print(
        f"epoch {row.epoch:>3}  train {row.train_accuracy:.2%}  val {row.test_accuracy:.2%}  "
        f"{row.seconds:.1f} s",
        file=sys.stderr,
    )


def main() -> None:
    """Train and release the reader; the card goes to stdout."""
    parser = argparse.ArgumentParser(prog="python -m cnn_mnist.training.release")
    parser.add_argument("--out", type=Path, required=True, help="folder of the released files")
    parser.add_argument("--run", type=Path, default=Path("runs/release"), help="run folder")
    parser.add_argument("--data-dir", type=Path, help="folder with the four MNIST files")
    parser.add_argument("--teacher", type=Path, help="run folder of the model to learn from")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    try:
        splits = data.load("mnist", options.data_dir)
        train(READER, splits, options.run, options.seed, on_epoch=_tell, teacher=options.teacher)
        print(json.dumps(release(options.run, splits, options.out), indent=2))
    except ValueError as error:
        sys.exit(f"release: {error}")


if __name__ == "__main__":
    main()
