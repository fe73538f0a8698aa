"""The released weights: a finished run, calibrated, exported, and with a card that says its worth.

    python -m cnn_mnist.training.runs.release runs/reader --out src/cnn_mnist/weights

Temperature and threshold are chosen on the training images that the run has held out; the test
images are read once, when all is chosen.
"""

import argparse
import hashlib
import json
import sys
from pathlib import Path

from cnn_mnist.training import data
from cnn_mnist.training.data import Splits
from cnn_mnist.training.runs import checkpoint, model_card
from cnn_mnist.training.runs.checkpoint import RunError
from cnn_mnist.training.runs.export import export
from cnn_mnist.training.runs.model_card import Card


def release(folder: Path, splits: Splits, out: Path) -> Card:
    """Write model.onnx, model.safetensors, card.json and README.md of a finished run.

    Returns:
        What card.json holds: the run's settings and the figures on val and test, calibrated.

    Raises:
        RunError: the run is not finished, or has held no images out to calibrate it with.
        ExportError: the exported model differs from the trained one.
    """
    about = model_card.of_run(folder, splits)
    if about["val_in_train"]:
        raise RunError(
            f"{folder} has learned from all training images, and none are left to calibrate it "
            "with; train it with --split val"
        )
    about["data_sha256"] = data.SHA256 if splits.name == "mnist" else {}
    out.mkdir(parents=True, exist_ok=True)
    about["onnx_difference"] = export(
        checkpoint.load_model(folder),
        out / "model.onnx",
        tuple(about["recipe"]["test_norm"]),
        splits.train.images[-1000:],
        model_card.metadata(about),
        about["temperature"],
        test=splits.test,
    ).difference
    checkpoint.write(out / "model.safetensors", (folder / "model.safetensors").read_bytes())
    about["sha256"] = {name: _sha256(out / name) for name in ("model.onnx", "model.safetensors")}
    checkpoint.write(out / "card.json", (json.dumps(about, indent=2) + "\n").encode())
    checkpoint.write(out / "README.md", model_card.readme(about).encode())
    return about


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main() -> None:
    """Release a run; the card goes to stdout."""
    parser = argparse.ArgumentParser(prog="python -m cnn_mnist.training.runs.release")
    parser.add_argument("run", type=Path, help="run folder, trained with --split val")
    parser.add_argument("--out", type=Path, required=True, help="folder of the released files")
    parser.add_argument("--data-dir", type=Path, help="folder with the four MNIST files")
    options = parser.parse_args()
    try:
        splits = data.load("mnist", options.data_dir)
        print(json.dumps(release(options.run, splits, options.out), indent=2))
    except ValueError as error:
        sys.exit(f"release: {error}")


if __name__ == "__main__":
    main()
