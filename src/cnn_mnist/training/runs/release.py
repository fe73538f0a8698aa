"""The released models: finished runs, calibrated, exported, and documented by cards.

    python -m cnn_mnist.training.runs.release runs/best runs/reader runs/lines

Each run's recipe determines its place on the shelf; the registry is then rewritten from everything
on the shelf. Without runs, only the registry and the cards' texts are rewritten.

Temperature and threshold are chosen on the training images that the run held out; the test images
are used once, after everything has been chosen.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from cnn_mnist import shelf
from cnn_mnist.training import data
from cnn_mnist.training.data import Splits
from cnn_mnist.training.lines.calibrate import fit_temperature, held_out_answers
from cnn_mnist.training.lines.export import export_lines, typical_lines
from cnn_mnist.training.metrics import calibration_error
from cnn_mnist.training.runs import checkpoint, model_card, run_folder
from cnn_mnist.training.runs.config import load_config
from cnn_mnist.training.runs.export import FORMATS, export
from cnn_mnist.training.runs.model_card import FIGURES, Card
from cnn_mnist.training.runs.run_folder import nothing_held_out


def release(folder: Path, splits: Splits, out: Path) -> Card:
    """Write the model files and the card of a finished run of a digit classifier.

    Returns:
        The content of card.json: the run's settings and its calibrated metrics on val and test.

    Raises:
        RunError: the run is not finished, or held out no images to calibrate with.
        ExportError: an exported model differs from the trained one.
    """
    about = model_card.of_run(folder, splits)
    if about["val_in_train"]:
        raise nothing_held_out(folder)
    about["data_sha256"] = data.SHA256 if splits.name == "mnist" else {}
    out.mkdir(parents=True, exist_ok=True)
    about["difference"] = {
        form: export(
            checkpoint.load_model(folder),
            out / name,
            tuple(about["recipe"]["test_norm"]),
            splits.train.images,
            model_card.metadata(about),
            about["temperature"],
            form,
            test=splits.test,
        ).difference
        for form, name in FORMATS.items()
    }
    run_folder.write(out / shelf.TORCH, (folder / shelf.TORCH).read_bytes())
    return _with_card(out, about)


def release_lines(folder: Path, splits: Splits, out: Path) -> Card:
    """Like `release`, for a run of the line network; its figures are those of its held-out lines.

    Its safetensors file stays in the run folder; the package would become too large.
    """
    metrics = run_folder.load_metrics(folder)
    about = model_card.settings(folder) | {
        "test": {
            name.removeprefix("test_"): value
            for name, value in metrics.items()
            if name.startswith("test_")
        }
    }
    given = held_out_answers(folder, splits)
    about["temperature"] = temperature = fit_temperature(given)
    confidence = given.confidence(temperature)
    about["test"] |= {"ece": calibration_error(confidence, given.exact)}
    out.mkdir(parents=True, exist_ok=True)
    lines = typical_lines(splits.train)
    proofs = {
        form: export_lines(folder, out / name, temperature, lines, form == "onnx-int8")
        for form, name in FORMATS.items()
    }
    about["difference"] = {
        "onnx": proofs["onnx"].difference,
        "onnx-int8": proofs["onnx-int8"].moved,
    }
    return _with_card(out, about)


def _with_card(out: Path, about: Card) -> Card:
    run_folder.write(out / "card.json", run_folder.to_json(about))
    return about


def register(weights: Path) -> None:
    """Write the registry of a shelf, and each card's text, from the files and cards there."""
    path = weights / "registry.json"
    entries = json.loads(path.read_text())
    for name, entry in entries.items():
        if (weights / name / "card.json").exists():
            entry |= _measured(weights / name)
    run_folder.write(path, run_folder.to_json(entries))
    shelf.models.cache_clear()
    for name, entry in entries.items():
        if entry["files"]:
            model = shelf.Model(name, **entry)
            text = model_card.readme(model, model_card.load(weights / name))
            run_folder.write(weights / name / "README.md", text.encode())


def _measured(folder: Path) -> dict[str, Any]:
    """The registry's entries on a model's files and figures."""
    card = model_card.load(folder)
    paths = [folder / name for name in (shelf.TORCH, shelf.ONNX, shelf.INT8)]
    files = {
        path.name: {"size": path.stat().st_size, "sha256": shelf.sha256(path)}
        for path in paths
        if path.exists()
    }
    test = {name: card["test"][name] for name in FIGURES if name in card["test"]}
    return {"num_params": card["num_params"], "files": files, "test": test}


def main() -> None:
    """Release runs, and write the registry."""
    parser = argparse.ArgumentParser(prog="python -m cnn_mnist.training.runs.release")
    parser.add_argument("runs", type=Path, nargs="*", help="run folders, trained with --split val")
    parser.add_argument("--data-dir", type=Path, help="folder with the four MNIST files")
    options = parser.parse_args()
    try:
        if options.runs:
            splits = data.load("mnist", options.data_dir)
        for folder in options.runs:
            recipe = load_config(folder).recipe
            put = release_lines if recipe.model == "lines" else release
            put(folder, splits, shelf.entry(recipe.name).folder)
        register(shelf.WEIGHTS)
    except ValueError as error:
        sys.exit(f"release: {error}")


if __name__ == "__main__":
    main()
