"""Images and labels: one split, and all splits of a data set."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

NUM_VAL = 10_000  # training images held out for choices, or a sixth if that is fewer
NOT_A_DIGIT = -1  # label of an image of no digit
DATASETS = "auto", "mnist", "digits"  # data sets with a name
DIGITS = tuple("0123456789")


class DataError(ValueError):
    """The data cannot be loaded; the message says what was tried and what to do."""


@dataclass(frozen=True)
class Split:
    """Images uint8 N×28×28 and their labels int64 N, on one device."""

    images: Tensor
    labels: Tensor
    wrong_labels: tuple[int, ...] = ()  # indices of images known to be mislabelled
    targets: Tensor | None = None  # a teacher's logits N×C, if there is one
    files: tuple[str, ...] = ()  # the file of each image, if each has its own

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, rows: slice | Tensor) -> "Split":
        """Select images by a slice or by index."""

        def take(values: Tensor) -> Tensor:  # indexing by a tensor is ten times as slow
            return values[rows] if isinstance(rows, slice) else values.index_select(0, rows)

        targets = None if self.targets is None else take(self.targets)
        files = self.files[rows] if isinstance(rows, slice) else ()
        return Split(take(self.images), take(self.labels), targets=targets, files=files)

    def to(self, device: torch.device | str) -> "Split":
        """The same on a device."""
        return replace(self, images=self.images.to(device), labels=self.labels.to(device))


@dataclass(frozen=True)
class Splits:
    """A data set to train on.

    `notice` tells the user of anything unexpected, or is empty; `source` is where it was read from.
    """

    name: str  # mnist, digits, or the name of your own data set
    train: Split
    test: Split
    notice: str = ""
    source: str = ""
    classes: tuple[str, ...] = DIGITS  # the meanings of labels 0, 1, …
    sha256: str = ""  # of all images and labels of your own data set
    split: str = "test"  # what `test` holds: the test images, or held-out training images: "val"

    @property
    def num_val(self) -> int:
        """How many training images `hold_out` takes by default."""
        return min(NUM_VAL, len(self.train) // 6)

    def hold_out(self, num_val: int | None = None) -> "Splits":
        """The same data set with the last training images in place of the test images.

        For choosing settings without using the test set.
        """
        num_val = self.num_val if num_val is None else num_val
        if not 0 < num_val < len(self.train):
            raise DataError(
                f"cannot hold out {num_val} of {len(self.train)} training images; "
                "--split val needs at least 6"
            )
        train, val = self.train[:-num_val], self.train[-num_val:]
        return replace(self, train=train, test=val, split="val")

    def to(self, device: torch.device | str) -> "Splits":
        """The same on a device."""
        return replace(self, train=self.train.to(device), test=self.test.to(device))
