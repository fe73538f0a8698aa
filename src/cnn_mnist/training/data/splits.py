"""Images and their labels: one split, and the splits of a data set."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

NUM_VAL = 10_000  # training images held out when something is chosen
NOT_A_DIGIT = -1  # label of an image that shows none of the ten


class DataError(ValueError):
    """The data asked for cannot be had; the message says what was tried and what to do."""


@dataclass(frozen=True)
class Split:
    """Images uint8 N×28×28 and their labels int64 N, on one device."""

    images: Tensor
    labels: Tensor
    wrong_labels: tuple[int, ...] = ()  # rows whose label is known to be wrong
    targets: Tensor | None = None  # a teacher's logits N×10, where there is one

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, rows: slice | Tensor) -> "Split":
        """Some of the images, by a slice or by their numbers."""

        def take(values: Tensor) -> Tensor:  # indexing by a tensor takes ten times as long
            return values[rows] if isinstance(rows, slice) else values.index_select(0, rows)

        targets = None if self.targets is None else take(self.targets)
        return Split(take(self.images), take(self.labels), targets=targets)

    def to(self, device: torch.device | str) -> "Split":
        return replace(self, images=self.images.to(device), labels=self.labels.to(device))


@dataclass(frozen=True)
class Splits:
    """A data set to train on. `notice` tells the user what he would not expect, or is empty;
    `source` is where it was read from."""

    name: str  # mnist or digits
    train: Split
    test: Split
    notice: str = ""
    source: str = ""

    def hold_out(self, num_val: int = NUM_VAL) -> "Splits":
        """The same data set with the last training images in place of the test images.

        For choosing settings without reading the test set.
        """
        if not 0 < num_val < len(self.train):
            raise DataError(f"cannot hold {num_val} of {len(self.train)} training images out")
        return replace(self, train=self.train[:-num_val], test=self.train[-num_val:])

    def to(self, device: torch.device | str) -> "Splits":
        return replace(self, train=self.train.to(device), test=self.test.to(device))
