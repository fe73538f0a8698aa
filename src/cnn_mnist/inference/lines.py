"""Where lines of writing are: the whole picture is one, or the signs of its ink stand in some."""

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from cnn_mnist.inference.line import DIGITS, normalized_width
from cnn_mnist.inference.line_reader import Box, LineReader, Sign

REACH = 6  # heights of a sign, as far as which the next one is of its line
MARGIN = 0.25  # of a line's height, around it
LINE_HEIGHT = 0.3  # of a picture's height: where digits are taller, the picture is one line
# The network looks at as many columns as this, and at the tallest lines where there are more.
SPARE, SHARE = 1000, 0.01  # columns of any picture, and for each of its pixels


class Crop(NamedTuple):
    """A part of the page, uint8 H×W, dark on light, and its upper left corner there."""

    grey: NDArray[np.uint8]
    x: int
    y: int


def grey_page(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The lightness of an RGB page."""
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.uint8)


def read_whole(reader: LineReader, page: NDArray[np.uint8]) -> list[Sign] | None:
    """The signs of a page that is one line, blank or not; None where it is not."""
    signs = reader.read(_dark_on_light(page))
    heights = [sign.box[3] for sign in signs if sign.character in DIGITS]
    is_line = heights and float(np.median(heights)) >= LINE_HEIGHT * page.shape[0]
    return signs if is_line else None


def read_lines(reader: LineReader, page: NDArray[np.uint8], boxes: list[Box]) -> list[Sign]:
    """The signs of every line that boxes of a page's ink stand in."""
    found: list[Sign] = []
    for crop in _crops(page, boxes):
        found += [sign.moved(crop.x, crop.y) for sign in reader.read(crop.grey)]
    return found


def columns(page: NDArray[np.uint8], boxes: list[Box]) -> int:
    """How much of a page the network looks at for its lines."""
    return sum(normalized_width(*crop.grey.shape) for crop in _crops(page, boxes))


def _crops(page: NDArray[np.uint8], boxes: list[Box]) -> list[Crop]:
    if not boxes:
        return []
    corners = np.array(boxes, float)
    rows = _rows(corners)
    lines = [corners[rows == row] for row in range(rows.max() + 1)]
    lines.sort(key=lambda line: float((line[:, 1] + line[:, 3] / 2).mean()))
    return _affordable([_crop(page, line) for line in lines], page.size)


def _rows(boxes: NDArray[Any]) -> NDArray[np.int64]:
    """The line of each box: that of the nearest one to the left or right at its height.

    Tall boxes come first, so that a comma or a dot joins the digits that it stands by.
    """
    rows = np.full(len(boxes), -1)
    order = np.argsort(-boxes[:, 3], kind="stable")
    x, y, width, height = boxes[order].T
    for number, box in enumerate(order):
        low = np.maximum(y[:number], y[number])
        high = np.minimum((y + height)[:number], y[number] + height[number])
        level = high - low > 0.4 * height[number]
        away = np.maximum(x[:number] - x[number] - width[number], x[number] - (x + width)[:number])
        near = level & (away < REACH * height[:number])
        if near.any():
            rows[box] = rows[order[np.where(near, away, np.inf).argmin()]]
        else:
            rows[box] = rows.max() + 1
    return rows


def _affordable(crops: list[Crop], pixels: int) -> list[Crop]:
    """Those that the network has time for, the tallest first to be kept, in their order."""
    left, kept = SPARE + pixels * SHARE, set[int]()
    for number, crop in sorted(enumerate(crops), key=lambda pair: -len(pair[1].grey)):
        left -= normalized_width(*crop.grey.shape)
        if left < 0 and kept:
            break
        kept.add(number)
    return [crop for number, crop in enumerate(crops) if number in kept]


def _crop(page: NDArray[np.uint8], line: NDArray[Any]) -> Crop:
    margin = 2 + MARGIN * line[:, 3].max()
    low = np.maximum(line[:, :2].min(axis=0) - margin, 0).astype(int)
    high = (line[:, :2] + line[:, 2:]).max(axis=0) + margin
    x, y = low.tolist()
    return Crop(_dark_on_light(page[y : int(high[1]), x : int(high[0])]), x, y)


def _dark_on_light(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Inverted where the border is darker than what it encloses."""
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    return 255 - grey if np.median(border) < grey.mean() - 2 else grey
