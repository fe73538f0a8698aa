"""A line's place on a page, and the line as the network sees it: levelled, dark on light."""

import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from cnn_mnist.inference.recognition.line import HEIGHT, Sign, normalized_width

BEGINNING = 6  # heights: how much of a line shows which way up it is


class Place(NamedTuple):
    """A line's place on a levelled page: its upper left corner, its size, and its slope.

    The slope is the fall per pixel to the right.
    """

    x: int
    y: int
    width: int
    height: int
    slope: float

    @property
    def columns(self) -> int:
        """How many columns the network reads."""
        return normalized_width(self.height, self.width)

    @property
    def cost(self) -> int:
        """The cost of a look, in columns; starting one takes as long as HEIGHT columns."""
        return self.columns + HEIGHT

    def beginning(self) -> "Place":
        """The line's left end."""
        return self._replace(width=min(self.width, BEGINNING * self.height))

    @property
    def factor(self) -> int:
        """By how much a crop is reduced; the network needs no more than twice its own height."""
        return max(1, self.height // (2 * HEIGHT))

    def crop(self, page: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The line, levelled, reduced, dark on light."""
        ends = self.slope * self.x, self.slope * (self.x + self.width)
        left, right = _inside(self.x, self.x + self.width, page.shape[1])
        top, bottom = _inside(self.y + min(ends), self.y + self.height + max(ends), page.shape[0])
        small = _reduced(page[top:bottom, left:right], self.factor)
        x, y = (self.x - left) / self.factor, (self.y + ends[0] - top) / self.factor
        matrix = np.array([[1, 0, x], [self.slope, 1, y]])
        size = max(1, self.width // self.factor), self.height // self.factor
        how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        level = cv2.warpAffine(small, matrix, size, flags=how, borderMode=cv2.BORDER_REPLICATE)
        return dark_on_light(np.asarray(level, np.uint8))

    def on_page(self, sign: Sign) -> Sign:
        """A sign of the crop in page coordinates."""
        x, y, width, height = (self.factor * side for side in sign.box)
        fall = self.slope * (self.x + x + width / 2)
        return sign._replace(box=(self.x + x, self.y + fall + y, width, height))


def _inside(low: float, high: float, size: int) -> tuple[int, int]:
    """The whole pixels from `low` to `high` that are on a page of this size, and one on each side.

    There is at least one.
    """
    first = min(max(0, math.floor(low) - 1), size - 1)
    return first, max(first + 1, min(size, math.ceil(high) + 1))


def dark_on_light(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Invert light ink on dark paper: what differs much from its surroundings is lighter.

    Thus neither frames and desks at the border nor shadows count. A copy as high as the network's
    input shows all that it will see.
    """
    small = _reduced(grey, max(1, len(grey) // HEIGHT))
    side = min(small.shape)
    differences = small - cv2.blur(small.astype(np.float32), (side, side))
    skewness = np.mean(differences * differences * differences)  # ** 3 takes twice as long
    return 255 - grey if skewness > 0 else grey


def _reduced(grey: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    """Reduced by a whole factor, which OpenCV does ten times as fast as by any other."""
    height, width = (max(1, side // factor) for side in grey.shape)
    whole = grey[: height * factor, : width * factor]
    return np.asarray(cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
