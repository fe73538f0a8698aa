"""One line of writing: the line network's alphabet, its input, and the signs it finds."""

from collections.abc import Iterable
from itertools import pairwise
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from cnn_mnist.inference.percentiles import percentiles

DIGITS = "0123456789"
SIGNS = ".,-/:+=$€£%°()"
OTHER = "?"  # a letter, or any sign that is neither a digit nor one of SIGNS
ALPHABET = DIGITS + SIGNS + OTHER
HEIGHT = 40  # px of the network's input
STRIDE = 2  # px of the network's input per column of its output
MAX_WIDTH = 80 * HEIGHT  # px; longer lines are squeezed
BRIGHTNESS = np.arange(256)  # of a pixel
MIN_CONTRAST = 16.0  # of 255; less is not stretched further, or grain would look like ink

Box = tuple[float, float, float, float]


class Sign(NamedTuple):
    """A sign of a line.

    A character of ALPHABET, its probability, its box x, y, width, height in the crop's pixels, and
    the probabilities of the ten digits and of a slash there.
    """

    character: str
    confidence: float
    box: Box
    digit_probs: NDArray[np.float32]
    p_slash: float = 0.0


def gaps(boxes: Iterable[Box]) -> list[float]:
    """The distance from each box to the next one on its right, px; negative if they overlap."""
    return [right[0] - left[0] - left[2] for left, right in pairwise(boxes)]


def common(some: NDArray[Any], others: NDArray[Any]) -> NDArray[Any]:
    """The areas that boxes, …×4, have in common."""
    high = np.minimum(some[..., :2] + some[..., 2:], others[..., :2] + others[..., 2:])
    low = np.maximum(some[..., :2], others[..., :2])
    return np.asarray((high - low).clip(min=0).prod(axis=-1))


def normalized_width(height: int, width: int) -> int:
    """The width of a crop scaled to HEIGHT px."""
    return min(max(8, round(width * HEIGHT / height)), MAX_WIDTH)


def normalized(grey: NDArray[np.uint8], width: float = 1.0) -> NDArray[np.float32]:
    """A crop of one line as the network's input.

    Args:
        grey: uint8 H×W, dark ink on light paper, of any size.
        width: a factor; below 1 the line is squeezed.

    Returns:
        float32 2×HEIGHT×W', ink positive: the contrast with the paper, stretched over the whole
        line; and the local contrast, in its own standard deviations.
    """
    wide = max(8, round(width * normalized_width(*grey.shape)))
    how = cv2.INTER_AREA if len(grey) > HEIGHT else cv2.INTER_LINEAR
    small = cv2.resize(grey, (wide, HEIGHT), interpolation=how)
    dark, light = percentiles(small, 1, 90)
    stretched = (light - BRIGHTNESS) / max(light - dark, MIN_CONTRAST)
    ink = np.empty((2, HEIGHT, wide), np.float32)
    ink[0] = cv2.LUT(small, np.clip(stretched, -0.5, 1.5).astype(np.float32))
    small = small.astype(np.float32)
    window = (31, 31)
    mean = cv2.blur(small, window, borderType=cv2.BORDER_REFLECT_101)
    square = cv2.blur(small * small, window, borderType=cv2.BORDER_REFLECT_101)
    deviation = np.sqrt(np.maximum(square - mean * mean, 0))
    local = (mean - small) / (deviation + MIN_CONTRAST / 2)
    ink[1] = np.minimum(np.maximum(local, -2), 4) / 2  # np.clip takes twice as long
    return ink
