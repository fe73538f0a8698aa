"""One person's labelled pictures, as the reader sees them."""

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from cnn_mnist.inference.pictures.labels import NONE, NUMBER
from cnn_mnist.inference.recognition.classifier import (
    NEVER,
    Classifier,
    Predict,
    Probs,
    Thresholds,
)
from cnn_mnist.inference.recognition.line_reader import LineReader
from cnn_mnist.inference.sample import Sample, look, sample_probs, samples
from cnn_mnist.training.data import DIGITS, NOT_A_DIGIT, DataError, Split
from cnn_mnist.training.data.labelled import FORMS, Labelled, labelled

MAX_PICTURES = 10_000  # pictures that are used; if there are more, a random sample of this size
MIN_FOR_CROSS_VALIDATION = 8  # pictures
MAX_PROBLEMS = 5  # that are reported one by one


@dataclass
class Handwriting:
    """A person's samples with their labels, 0 to 9 or NOT_A_DIGIT, and their pictures' paths.

    `num_skipped` pictures were left out; `problems` are the first of the reasons.
    """

    samples: list[Sample] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    paths: list[Path] = field(default_factory=list)
    num_skipped: int = 0
    problems: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def split(self) -> Split:
        """The samples as training images."""
        images = torch.from_numpy(np.stack([sample.frame for sample in self.samples]))
        return Split(images, torch.tensor(self.labels))

    def only(self, rows: Iterable[int]) -> "Handwriting":
        """Some of the samples."""
        picked = [(self.samples[r], self.labels[r], self.paths[r]) for r in rows]
        samples, labels, paths = map(list, zip(*picked, strict=True))
        return Handwriting(samples, labels, paths)

    def without(self, rows: Iterable[int]) -> "Handwriting":
        """All but some of the samples."""
        return self.only(sorted(set(range(len(self))) - set(rows)))

    def probs(self, predict: Predict) -> Probs:
        """A classifier's probabilities N×10 for the N samples, computed as in the reader."""
        return sample_probs(self.samples, predict)

    def errors(self, probs: Probs, threshold: float, decides: Thresholds) -> NDArray[np.bool_]:
        """Which samples are read wrongly with these probabilities of the classifier."""
        read = [s.digit(p, threshold, decides) for s, p in zip(self.samples, probs, strict=True)]
        answers = [NOT_A_DIGIT if digit is None else digit for digit in read]
        return np.asarray(np.array(answers) != np.array(self.labels))

    def misread(self) -> NDArray[np.bool_]:
        """Which samples the released reader reads wrongly."""
        released = Classifier()
        return self.errors(self.probs(released.probs), released.threshold, NEVER)

    @property
    def warnings(self) -> list[str]:
        """Notices about skipped pictures, and about pictures that are too few or teach nothing."""
        notices, more = list(self.problems), self.num_skipped - len(self.problems)
        if more:
            notices.append(f"{more:,} more pictures were skipped")
        if len(self) < MIN_FOR_CROSS_VALIDATION:
            notices.append(
                f"{len(self)} pictures are too few to hold any out, so nothing is measured on your "
                f"pictures; give at least {MIN_FOR_CROSS_VALIDATION}"
            )
        if len(set(self.labels)) == 1:
            notices.append(
                f"All pictures show a {self.labels[0]}; the other digits are not learned"
            )
        if not self.misread().any():
            notices.append("The released model reads all of these pictures: nothing is learned")
        return notices

    def add(self, sample: Sample, label: int, path: Path = Path()) -> None:
        """Add a sample."""
        self.samples.append(sample)
        self.labels.append(label)
        self.paths.append(path)

    def skip(self, path: Path, why: str) -> None:
        """Count a picture that cannot be used, and remember the reason if it is among the first."""
        self.num_skipped += 1
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(f"{path} was skipped: {why}")


def read(folder: Path, on_picture: Callable[[int], None] | None = None) -> Handwriting:
    """Read the labelled pictures of a folder; unreadable ones are skipped.

    If there are more than MAX_PICTURES, a random sample of them is read.

    Args:
        on_picture: called with the number of pictures done so far.

    Raises:
        DataError: the folder has no digit that can be learned from.
    """
    writing = Handwriting()
    chosen = _chosen(_digits(folder, writing))
    seen = samples(partial(look, LineReader()), [(one.path, one.box) for one in chosen])
    for number, (one, sample) in enumerate(zip(chosen, seen, strict=True), start=1):
        if isinstance(sample, Sample):
            writing.add(sample, NOT_A_DIGIT if one.label == NONE else int(one.label), one.path)
        else:
            writing.skip(one.path, str(sample))
        if on_picture:
            on_picture(number)
    if not any(label != NOT_A_DIGIT for label in writing.labels):
        first = f" ({writing.problems[0]})" if writing.problems else ""
        raise DataError(f"{folder} has no pictures of digits; {FORMS}{first}")
    return writing


def _digits(folder: Path, writing: Handwriting) -> Iterator[Labelled]:
    """The pictures of a folder that are labelled as a digit or as not a digit."""
    for one in labelled(folder):
        if one.label in (*DIGITS, NONE):
            yield one
        elif one.label == NUMBER:
            writing.skip(one.path, "it shows several signs")
        else:
            writing.skip(one.path, f"its label {one.label!r} is neither a digit nor {NONE!r}")


def _chosen(found: Iterator[Labelled]) -> list[Labelled]:
    """All of them, or a random sample of MAX_PICTURES, in order (reservoir sampling)."""
    rng, kept = random.Random(0), dict[int, tuple[int, Labelled]]()
    for number, one in enumerate(found):
        place = number if number < MAX_PICTURES else rng.randrange(number + 1)
        if place < MAX_PICTURES:
            kept[place] = number, one
    return [one for _, one in sorted(kept.values(), key=lambda pair: pair[0])]
