"""How much adaptation improves the reading of one person's handwriting.

    python benchmarks/adapt.py [FOLDER] [--sizes 10 20 50] [--draws 5] [--nondigits FOLDER …]

Each folder in FOLDER is a source: labelled pictures as for `cnn-mnist adapt`, or an .npz with
`images` and `labels`. Sources with fewer than 40 pictures are skipped. From each, and from 300
pictures by a synthetic writer with unusual forms, training pictures are drawn (balanced over the
digits as far as possible); a model adapted on them reads the rest, and so does the released one.
Then both read MNIST's test images and the pictures without a digit. The last line of stdout is one
JSON object.
"""

import argparse
import contextlib
import json
from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

from cnn_mnist import process

process.tune()

import numpy as np

from cnn_mnist.inference.pictures import image
from cnn_mnist.inference.pictures.files import SUFFIXES
from cnn_mnist.inference.pictures.page import ImageError
from cnn_mnist.inference.recognition.classifier import Classifier, Thresholds
from cnn_mnist.inference.recognition.line_reader import LineReader
from cnn_mnist.inference.sample import look
from cnn_mnist.training.adapt.finetuning import FineTuning
from cnn_mnist.training.adapt.handwriting import Handwriting
from cnn_mnist.training.adapt.held_out import predictor
from cnn_mnist.training.adapt.learn import prepare, train
from cnn_mnist.training.adapt.overruling import Overruling
from cnn_mnist.training.data import NOT_A_DIGIT, Splits, load
from cnn_mnist.training.data.labelled import labelled
from cnn_mnist.training.synthetic import unusual_writer
from timing import describe

MIN_PICTURES, NUM_UNUSUAL = 40, 300


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", help="folder with one folder per source")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10, 20, 50])
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--nondigits", type=Path, nargs="*", default=[], help="without a digit")
    parser.add_argument("--data-dir", type=Path)
    args = parser.parse_args()

    splits, before = load("mnist", args.data_dir), Classifier()
    shared = prepare(splits)
    others = gather((None, path) for folder in args.nondigits for path in pictures(folder))
    rows = []
    for name, source in sources(args.folder):
        writing = gather(source)
        if len(writing) >= MIN_PICTURES:
            for size, draw in product(args.sizes, range(args.draws)):
                found = score(writing, size, draw, splits, shared, before, others)
                rows.append({"source": name, "size": size, "draw": draw} | found)
                print(json.dumps(rows[-1]), flush=True)
    print(json.dumps({"machine": describe(), "num_nondigits": len(others), "rows": rows}))


def sources(folder: Path | None) -> Iterator[tuple[str, Iterable[tuple[int | None, Any]]]]:
    yield "unusual forms, synthetic", unusual_writer.pictures(NUM_UNUSUAL)
    for source in sorted(path for path in folder.iterdir() if path.is_dir()) if folder else []:
        yield source.name, digits(source)


def digits(source: Path) -> Iterator[tuple[int, Any]]:
    for path in sorted(source.glob("*.npz")):
        with np.load(path) as bundle:
            yield from zip(bundle["labels"].tolist(), bundle["images"], strict=True)
            return
    for found in labelled(source):
        yield int(found.label), found.path


def pictures(folder: Path) -> Iterable[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)


def gather(pairs: Iterable[tuple[int | None, Any]]) -> Handwriting:
    """The pictures that have ink; the others are not digits to any model."""
    writing, reader = Handwriting(), LineReader()
    for label, source in pairs:
        with contextlib.suppress(ImageError):
            sample = look(reader, image.load(source))
            writing.add(sample, NOT_A_DIGIT if label is None else label)
    return writing


def score(
    writing: Handwriting,
    size: int,
    draw: int,
    splits: Splits,
    shared: tuple[FineTuning, Overruling],
    before: Classifier,
    others: Handwriting,
) -> dict[str, Any]:
    """Errors on the rest and on MNIST's test, and accepted non-digits, before and after."""
    mine = drawn(writing, size, draw)
    rest = writing.without(mine)
    model, card = train(writing.only(mine), splits, *shared)
    predict, test = predictor(model, card["temperature"]), splits.test
    old = before.logits(test.images.numpy()).argmax(axis=1) != test.labels.numpy()
    known = before.probs, before.threshold, before.decides
    learned = predict, card["threshold"], card["decides"]
    return {
        "rest": len(rest),
        "errors": [errors(rest, *known), errors(rest, *learned)],
        "mnist": [int(old.sum()), card["test"]["error_count"]],
        "nondigits": [errors(others, *known), errors(others, *learned)],
        "decides": card["decides"],
    }


def errors(writing: Handwriting, predict: Any, threshold: float, decides: Thresholds) -> int:
    return (
        int(writing.errors(writing.probs(predict), threshold, decides).sum()) if len(writing) else 0
    )


def drawn(writing: Handwriting, size: int, seed: int) -> list[int]:
    """Random rows, balanced over the digits as far as possible."""
    order = np.random.default_rng(seed).permutation(len(writing))
    labels = np.array(writing.labels)[order]
    place = np.array([(labels[:n] == label).sum() for n, label in enumerate(labels)])
    return sorted(order[np.argsort(place, kind="stable")[:size]].tolist())


if __name__ == "__main__":
    main()
