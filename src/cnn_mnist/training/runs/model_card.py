"""A trained model's figures and origin, for its card and its ONNX file.

Temperature and threshold are chosen on the last training images; the test images are used only
after everything has been chosen.
"""

import json
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from cnn_mnist import shelf
from cnn_mnist.shelf import Model
from cnn_mnist.training.data import Split, Splits
from cnn_mnist.training.evaluation import predict_logits
from cnn_mnist.training.metrics import measure
from cnn_mnist.training.runs import checkpoint, model_file
from cnn_mnist.training.runs.calibrate import fit_temperature, fit_threshold, rejection_rate
from cnn_mnist.training.runs.config import load_config
from cnn_mnist.training.runs.run_folder import RunError

FALSE_REJECTION = 0.003  # maximum share of validation digits rejected as not a digit
NUM_VAL = 5_000  # images to calibrate with if a run held none out, or a fifth if that is fewer
FIGURES = ("num_images", "accuracy", "clean_label_accuracy", "error_count", "nll", "ece")

Card = dict[str, Any]


def of_run(run: Path, splits: Splits) -> Card:
    """Calibrate a finished run on the training images that it held out, and evaluate it.

    An exported file is calibrated already. A run that held none out is calibrated on images that it
    was trained on, which makes it look more confident than it is; `val_in_train` records this.

    Raises:
        RunError: the run is not finished, or a file is damaged.
    """
    if model_file.is_model_file(run):
        return model_file.about(run)
    if not (run / "metrics.json").exists():
        raise RunError(
            f"{run} is not a finished run: there is no metrics.json; finish it with: "
            f"cnn-mnist train --resume {run}"
        )
    config = load_config(run)
    held_out = len(splits.train) - config.num_train
    num_val = held_out or min(NUM_VAL, len(splits.train) // 5)
    model, norm = checkpoint.load_model(run), config.recipe.test_norm
    figures = calibrated(model, norm, splits, num_val)
    return settings(run) | {"val_in_train": not held_out} | figures


def calibrated(
    model: nn.Module, norm: tuple[float, float], splits: Splits, num_val: int, least: float = 0
) -> Card:
    """Temperature and threshold of a model, and its calibrated metrics on val and test.

    Args:
        num_val: how many of the last training images to calibrate with.
        least: minimum of the threshold.
    """
    val = splits.hold_out(num_val).test
    logits = predict_logits(model, val, norm)
    temperature = fit_temperature(logits, val.labels)
    probs = (logits / temperature).softmax(dim=1)
    threshold = max(least, fit_threshold(probs, FALSE_REJECTION))
    test = predict_logits(model, splits.test, norm)
    return {
        "temperature": temperature,
        "threshold": threshold,
        "val": _figures(logits / temperature, val, threshold),
        "test": _figures(test / temperature, splits.test, threshold),
    }


def settings(folder: Path) -> Card:
    """A run's settings, and the libraries that it is exported with.

    Raises:
        RunError: the folder is not a run's.
    """
    facts = asdict(load_config(folder))
    del facts["data_source"]  # meaningless on another machine
    facts |= {role: Path(facts[role]).name for role in ("teacher", "init")}  # so are their folders
    names = ("onnx", "onnxscript", "onnxruntime")
    facts["versions"] |= {name: version(name) for name in names}
    return facts


def released(folder: Path) -> Card:
    """The card of a released model.

    Raises:
        RunError: the card is missing or damaged.
    """
    load_config(folder)
    return load(folder)


def load(folder: Path) -> Card:
    """The content of card.json."""
    return dict(json.loads((folder / "card.json").read_text()))


def temperature(run: Path) -> float:
    """The temperature of a released model or exported file; 1 for an uncalibrated run folder.

    Raises:
        RunError: the card is missing or damaged.
    """
    if model_file.is_model_file(run):
        return float(model_file.about(run)["temperature"])
    return float(released(run)["temperature"]) if shelf.holds(run) else 1.0


def metadata(card: Card) -> dict[str, str]:
    """The metadata of the ONNX file, each value as JSON."""
    return {name: json.dumps(card[name]) for name in model_file.METADATA if name in card}


def readme(model: Model, card: Card) -> str:
    """The card and the registry's entry as Markdown, stored beside the weights."""
    recipe = card["recipe"]
    names = " or ".join(f"`{name}`" for name in (model.name, *model.aliases))
    sizes = ", ".join(
        f"`{name}` {file['size'] / 1000:.0f} kB" for name, file in model.files.items()
    )
    taught = f", distilled from `{card['teacher']}`" if card["teacher"] else ""
    begun = f", from the weights of the run `{card['init']}`" if card["init"] else ""
    return "\n".join(
        [
            f"# {names}: {model.about}",
            "",
            f"Recipe `{recipe['name']}`, {card['dataset']}: {card['num_params']:,} parameters, "
            f"{recipe['epochs']} epochs, {card['num_train']:,} training images{taught}{begun}. "
            f"One training; seed {card['seed']} was {model.chosen}. {model.licence} licence. "
            f"{sizes}.",
            "",
            *(_lines_figures(card) if recipe["model"] == "lines" else _figures_table(card)),
            *_of_the_study(model),
            "",
            "Written by `python -m cnn_mnist.training.runs.release`. docs/model_card.md describes "
            "what the models are for, their data and their limits.",
            "",
        ]
    )


def _lines_figures(card: Card) -> list[str]:
    test = card["test"]
    return [
        f"{_percent(test['accuracy'])} of {test['num_images']:,} generated lines, made of "
        "digits that it did not learn from, are read exactly. The confidence "
        f"of a whole line, with temperature {card['temperature']:.2f}, has an expected calibration "
        f"error of {_percent(test['ece'])} there."
    ]


def _figures_table(card: Card) -> list[str]:
    val, test = card["val"], card["test"]
    shares = [
        ("accuracy", "accuracy"),
        ("accuracy without the labels known to be wrong", "clean_label_accuracy"),
        ("calibration error", "ece"),
        ("rejected as not a digit", "rejected"),
    ]
    rows = [
        f"| {title} | {_percent(val[name])} | {_percent(test[name])} |" for title, name in shares
    ]
    return [
        f"| | held out ({val['num_images']:,}) | test ({test['num_images']:,}) |",
        "|---|---|---|",
        f"| errors | {val['error_count']} | {test['error_count']} |",
        *rows,
        f"| cross-entropy per image | {val['nll']:.4f} | {test['nll']:.4f} |",
        "",
        f'Temperature {card["temperature"]:.3f}; "not a digit" below {card["threshold"]:.3f}. Both '
        "were chosen on the held-out images; the test images were read once, after that.",
    ]


def _of_the_study(model: Model) -> list[str]:
    if not model.study:
        return []
    low, high = model.study["interval"]
    return [
        "",
        f"The recipe's mean over {model.study['num_seeds']} seeds, trained on all 60,000 images, "
        f"is {model.study['mean']:.2%} of the test images (95% interval {low:.2%} to {high:.2%}): "
        f"`{model.study['command']}`.",
    ]


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.2%}"


def _figures(logits: Tensor, split: Split, threshold: float) -> dict[str, Any]:
    """The card's figures of calibrated logits N×C."""
    metrics = asdict(measure(logits, split.labels, split.wrong_labels))
    rejected = rejection_rate(logits.softmax(dim=1), threshold)
    return {name: metrics[name] for name in FIGURES} | {"rejected": rejected}
