"""What a trained model is worth and how it came about, as its card and its ONNX file say it.

Temperature and threshold are chosen on the last training images, the figures on the test images
are taken when all is chosen.
"""

import json
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from torch import Tensor

from cnn_mnist.training import checkpoint
from cnn_mnist.training.calibrate import fit_temperature, fit_threshold, rejection_rate
from cnn_mnist.training.checkpoint import RunError
from cnn_mnist.training.data import Split, Splits
from cnn_mnist.training.evaluate import predict_logits
from cnn_mnist.training.metrics import measure

FALSE_REJECTION = 0.003  # the share of validation digits that may be taken for none
NUM_VAL = 5_000  # to calibrate with where a run held none out, or a fifth where that is fewer
IN_MODEL = (
    "recipe", "dataset", "seed", "versions", "num_train", "temperature", "threshold",
    "val_in_train", "val", "test",
)  # fmt: skip

Card = dict[str, Any]


def of_run(folder: Path, splits: Splits) -> Card:
    """Calibrate a finished run on the training images that it held out, and measure it.

    One that held none out is calibrated on images that it has learned from, which makes it look
    surer than it is; `val_in_train` says so.

    Raises:
        RunError: the run is not finished, or a file is damaged.
    """
    if not (folder / "metrics.json").exists():
        raise RunError(f"{folder} is no finished run: there is no metrics.json")
    config = checkpoint.load_config(folder)
    held_out = len(splits.train) - config.num_train
    num_val = held_out or min(NUM_VAL, len(splits.train) // 5)
    model, norm = checkpoint.load_model(folder), config.recipe.test_norm
    val = splits.hold_out(num_val).test
    logits = predict_logits(model, val, norm)
    temperature = fit_temperature(logits, val.labels)
    threshold = fit_threshold((logits / temperature).softmax(dim=1), FALSE_REJECTION)
    test = predict_logits(model, splits.test, norm)
    names = ("onnx", "onnxscript", "onnxruntime")
    facts = asdict(config)
    del facts["data_source"]  # says nothing to whom the model is given
    return facts | {
        "versions": config.versions | {name: version(name) for name in names},
        "temperature": temperature,
        "threshold": threshold,
        "val_in_train": not held_out,
        "val": _figures(logits / temperature, val, threshold),
        "test": _figures(test / temperature, splits.test, threshold),
    }


def released() -> Card:
    """The card of the released weights.

    Raises:
        RunError: it is missing or damaged.
    """
    checkpoint.load_config(checkpoint.RELEASED)
    return dict(json.loads((checkpoint.RELEASED / "card.json").read_text()))


def metadata(card: Card) -> dict[str, str]:
    """What the ONNX file says of itself, each value as JSON."""
    return {name: json.dumps(card[name]) for name in IN_MODEL if name in card}


def readme(card: Card) -> str:
    """The model card's figures in Markdown, to lie beside the weights."""
    val, test = card["val"], card["test"]
    shares = [
        ("accuracy", "accuracy"),
        ("accuracy without labels known to be wrong", "clean_label_accuracy"),
        ("calibration error", "ece"),
        ("taken for no digit", "rejected"),
    ]
    rows = [f"| errors | {val['error_count']} | {test['error_count']} |"]
    rows += [
        f"| {title} | {_percent(val[name])} | {_percent(test[name])} |" for title, name in shares
    ]
    rows += [f"| cross-entropy of an image | {val['nll']:.4f} | {test['nll']:.4f} |"]
    return "\n".join(
        [
            "# The released weights",
            "",
            f"Recipe `{card['recipe']['name']}`, {card['dataset']}, seed {card['seed']}: "
            f"{card['num_params']:,} parameters, {card['recipe']['epochs']} epochs over "
            f"{card['num_train']:,} training images. Temperature {card['temperature']:.3f}, "
            f'"not a digit" below {card["threshold"]:.3f}. One training. MIT licence.',
            "",
            f"| | held out ({val['num_images']:,}) | test ({test['num_images']:,}) |",
            "|---|---|---|",
            *rows,
            "",
            "Written from card.json by `make release`. What the model is for, its data and its "
            "limits, and how the line network in lines.onnx came about: docs/model_card.md.",
            "",
        ]
    )


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.2%}"


def _figures(logits: Tensor, split: Split, threshold: float) -> dict[str, Any]:
    """What the card says of calibrated logits N×10."""
    metrics = measure(logits, split.labels, split.wrong_labels).to_dict()
    names = ("num_images", "accuracy", "error_count", "nll", "ece", "clean_label_accuracy")
    rejected = rejection_rate(logits.softmax(dim=1), threshold)
    return {name: metrics[name] for name in names} | {"rejected": rejected}
