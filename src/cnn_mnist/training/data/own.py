"""Your own data set, in any form: all images and labels, and the splits of them."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from cnn_mnist.training.data import family
from cnn_mnist.training.data.frames import Frames, from_stack
from cnn_mnist.training.data.labelled import FORMS
from cnn_mnist.training.data.npz import read_npz
from cnn_mnist.training.data.pictures import read_pictures
from cnn_mnist.training.data.splits import DATASETS, DataError, Split, Splits

TEST_SHARE = 0.2  # of each class, if the data have no test part
MAX_CLASSES = 1000


@dataclass(frozen=True)
class Part:
    """Images N×28×28, their labels as words, and their files if each has one."""

    images: Frames
    labels: NDArray[np.str_]
    files: tuple[str, ...] = ()

    def split(self, classes: tuple[str, ...], rows: NDArray[np.int64] | None = None) -> Split:
        """The images, or selected rows of them, with numeric labels."""
        rows = np.arange(len(self.labels)) if rows is None else rows
        names, found = np.unique(self.labels, return_inverse=True)
        numbers = np.array([classes.index(name) for name in names], np.int64)[found]
        files = tuple(self.files[row] for row in rows) if self.files else ()
        images = torch.from_numpy(self.images[rows])
        return Split(images, torch.from_numpy(numbers[rows]), files=files)


@dataclass(frozen=True)
class Collection:
    """Everything that was read. `classes` are in the order of the network's outputs."""

    name: str
    source: str
    train: Part
    test: Part | None
    classes: tuple[str, ...]
    notice: str = ""

    @cached_property
    def sha256(self) -> str:
        """The checksum of all images and labels."""
        digest = hashlib.sha256("\n".join(self.classes).encode())
        for part in filter(None, (self.train, self.test)):
            digest.update(part.images.tobytes())
            digest.update("\n".join(part.labels.tolist()).encode())
        return digest.hexdigest()

    def splits(self) -> Splits:
        """Splits for training. They are shuffled deterministically: `hold_out` takes the last ones.

        Raises:
            DataError: there are too few classes, or too few images of one.
        """
        self._check()
        rng = np.random.default_rng(0)
        if self.test is not None:
            rows = rng.permutation(len(self.train.labels))
            return self._splits(self.train.split(self.classes, rows), self.test.split(self.classes))
        rows, held = _held_out(self.train.labels, rng)
        notice = (
            f"{self.name} has no test images of its own: {len(held):,} of its "
            f"{len(rows) + len(held):,} are held out, the same share of each class."
        )
        train, test = (self.train.split(self.classes, part) for part in (rows, held))
        return self._splits(train, test, notice)

    def for_model(self, classes: tuple[str, ...]) -> Splits:
        """Splits to evaluate a model that was not trained on them: without test images, all.

        Args:
            classes: the model's classes.

        Raises:
            DataError: there are images of another class.
        """
        if unknown := [name for name in self.classes if name not in classes]:
            raise DataError(
                f"{self.source} has the class {unknown[0]!r}, which the model does not know; "
                f"it knows {', '.join(classes)}{self._hint(unknown[0])}"
            )
        train = self.train.split(classes)
        test = self.test.split(classes) if self.test else train
        return self._splits(train, test, classes=classes)

    def _splits(
        self, train: Split, test: Split, notice: str = "", classes: tuple[str, ...] = ()
    ) -> Splits:
        notices = "; ".join(filter(None, (self.notice, notice)))
        known = classes or self.classes
        return Splits(self.name, train, test, notices, self.source, known, self.sha256)

    def _check(self) -> None:
        found, counts = np.unique(self.train.labels, return_counts=True)
        names = found.tolist()
        if len(names) < 2:
            raise DataError(
                f"{self.source} has only one class, {names[0]!r}; it needs two or more"
                f"{self._hint(names[0])}"
            )
        if len(self.classes) > MAX_CLASSES:
            raise DataError(
                f"{self.source} has {len(self.classes):,} classes; at most {MAX_CLASSES:,}"
            )
        if self.test is not None and (new := set(self.test.labels.tolist()) - set(names)):
            raise DataError(
                f"{self.source} has test images of {min(new)!r}, but no training images of it"
            )
        if self.test is None and counts.min() < 2:
            rarest = names[counts.argmin()]
            raise DataError(
                f"{self.source} has one image of {rarest!r}; each class needs two, one to learn "
                f"from and one to test with{self._hint(rarest)}"
            )

    def _hint(self, label: str) -> str:
        """How to label pictures, in case a label is merely the beginning of a file's name."""
        if not self.train.files:
            return ""
        return f". If {label!r} is not a label of these pictures, {FORMS}"


def find(dataset: str) -> Collection:
    """Load a .npz file, a folder of IDX files, or a folder of labelled pictures.

    Raises:
        DataError: nothing is there, or it is damaged, or has no images or no labels.
    """
    path = Path(dataset)
    if member := family.find(path):
        parts = [_idx_part(path, member, part) for part in ("train", "test")]
        return _collection(path, member.name, parts[0], parts[1], member.classes)
    if path.is_dir():
        read = read_pictures(path)
        part = Part(read.images, read.labels, read.files)
        return _collection(path, path.resolve().name, part, notice=read.notice)
    if not path.is_file():
        raise DataError(
            f"no data set {dataset!r}; choose one of auto, mnist, digits, or name a folder or a "
            ".npz file"
        )
    learn, measure, classes = read_npz(path)
    test = Part(*measure) if measure else None
    return _collection(path, path.name, Part(*learn), test, classes)


def _idx_part(path: Path, member: family.Member, part: str) -> Part:
    images, labels = family.read(member, part)
    return Part(from_stack(images, str(path)), labels)


def _collection(
    path: Path,
    name: str,
    train: Part,
    test: Part | None = None,
    classes: tuple[str, ...] | None = None,
    notice: str = "",
) -> Collection:
    """A collection, renamed if its name is MNIST's, with its classes in order."""
    found = {name for part in (train, test) if part for name in np.unique(part.labels).tolist()}
    known = classes or tuple(sorted(found, key=_place))
    if strange := found - set(known):
        raise DataError(f"{path} has the label {min(strange)!r}, which is not one of its classes")
    name = f"{name}/" if name in DATASETS else name
    return Collection(name, str(path.resolve()), train, test, known, notice)


def _place(name: str) -> tuple[bool, int, str]:
    """Sort key: numbers by value, then words."""
    is_number = name.isascii() and name.isdigit()
    return (not is_number, int(name) if is_number else 0, name)


def _held_out(
    labels: NDArray[np.str_], rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The rows to train on, shuffled, and those to test on: a share of each class."""
    is_test = np.zeros(len(labels), bool)
    for name in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == name))
        is_test[rows[: max(1, round(TEST_SHARE * len(rows)))]] = True
    return rng.permutation(np.flatnonzero(~is_test)), np.flatnonzero(is_test)
