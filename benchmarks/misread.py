"""Draw the MNIST test images that every released digit classifier gets wrong.

Each image is shown with its index, its label and the models' answers. A star marks the 15 labels
that are wrong according to human review. The last line is one JSON object: the errors of each model
with and without those 15, and the indices of the images.

    python benchmarks/misread.py --out docs/pictures/misread.png
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch

import cnn_mnist
from cnn_mnist import shelf
from cnn_mnist.inference.recognition.classifier import Classifier
from cnn_mnist.training.data import Split, load
from cnn_mnist.training.runs import plots


def answers(split: Split) -> dict[str, np.ndarray]:
    """The answer of each released digit classifier to every image."""
    names = [n for n in cnn_mnist.list_models() if shelf.get(n).architecture != "lines"]
    images = split.images.numpy()
    return {name: Classifier(name, threads=1).logits(images).argmax(axis=1) for name in names}


def missed_by_all(given: dict[str, np.ndarray], split: Split) -> list[int]:
    wrong = [said != split.labels.numpy() for said in given.values()]
    return np.flatnonzero(np.logical_and.reduce(wrong)).tolist()


def errors(said: np.ndarray, split: Split) -> dict[str, float]:
    """A model's errors and accuracy, with and without the labels known to be wrong."""
    wrong = said != split.labels.numpy()
    sound = np.delete(wrong, list(split.wrong_labels))
    return {
        "errors": int(wrong.sum()),
        "accuracy": float(1 - wrong.mean()),
        "errors_clean": int(sound.sum()),
        "accuracy_clean": float(1 - sound.mean()),
    }


def title(number: int, given: dict[str, np.ndarray], split: Split) -> str:
    said = "/".join(sorted({str(said[number]) for said in given.values()}))
    star = "*" if number in split.wrong_labels else ""
    return f"{number}{star}\n{split.labels[number]}, read {said}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="PNG file to write")
    args = parser.parse_args()
    test = load("mnist").test
    given = answers(test)
    rows = missed_by_all(given, test)
    titles = [title(number, given, test) for number in rows]
    heading = f"{len(rows)} test images that all {len(given)} models miss: number, label, answer"
    figure = plots.gallery(test.images[torch.tensor(rows)], heading, titles, columns=8)
    figure.savefig(args.out, dpi=130)
    models = {name: errors(said, test) for name, said in given.items()}
    print(json.dumps({"models": models, "missed_by_all": rows}))


if __name__ == "__main__":
    main()
