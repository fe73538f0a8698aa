"""A written sign on an ink map: its box, and its own ink."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Ink = NDArray[np.float32]
Box = tuple[int, int, int, int]
Corners = NDArray[Any]  # N×4 or 4: left, top, right, bottom
Owners = NDArray[Any]  # the sign to which each part belongs

LARGE = 300  # px; larger signs are looked at on a reduced copy


@dataclass(frozen=True)
class Marks:
    """The ink of a page and the label of each pixel, in one of several sizes."""

    ink: Ink
    labels: NDArray[Any]

    @cached_property
    def halved(self) -> "Marks":
        """A copy at half the size, made once for all signs."""
        return Marks(halved(self.ink), halved(self.labels))


@dataclass(frozen=True)
class Glyph:
    """One written sign: its box (x, y, width, height) in the ink map, and its own ink only."""

    box: Box
    number: int  # of its parts among the owners
    owners: Owners  # of each label
    corners: Corners  # in the marks
    marks: Marks

    @property
    def ink(self) -> Ink:
        """H×W, at most LARGE px; assembled when asked for, since most signs are never looked at."""
        marks, corners = self.marks, self.corners
        while max(corners[2:] - corners[:2]) > LARGE:
            marks, corners = marks.halved, corners // 2 + [0, 0, 1, 1]
        left, top, right, bottom = corners.tolist()
        ink, labels = marks.ink[top:bottom, left:right], marks.labels[top:bottom, left:right]
        own = (self.owners.take(labels) == self.number).astype(np.uint8)
        rim = cv2.dilate(own, np.ones((3, 3), np.uint8)) > (labels > 0)
        return np.asarray(cv2.copyTo(ink, own | rim))


def reduced(ink: Ink) -> Ink:
    """The ink at most LARGE px wide and high."""
    while max(ink.shape) > LARGE:
        ink = halved(ink)
    return ink


def halved(pixels: NDArray[Any]) -> NDArray[Any]:
    """A copy at half the size, where each pixel is the largest of four: no hairline is lost."""
    height, width = pixels.shape
    even = cv2.copyMakeBorder(pixels, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
    rows = np.maximum(even[::2], even[1::2])
    return np.asarray(np.maximum(rows[:, ::2], rows[:, 1::2]))
