"""Where lines of writing are: the whole picture is one, or the signs of its ink stand in some."""

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from cnn_mnist.inference.line import DIGITS, normalized_width
from cnn_mnist.inference.line_reader import Box, LineReader, Sign

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
    """The signs of every line that boxes of a page's ink, in reading order, stand in."""
    found: list[Sign] = []
    for crop in _crops(page, boxes):
        found += [sign.moved(crop.x, crop.y) for sign in reader.read(crop.grey)]
    return found


def _crops(page: NDArray[np.uint8], boxes: list[Box]) -> list[Crop]:
    lines: list[list[Box]] = []
    for box in boxes:
        if lines and _goes_on(lines[-1][-1], box):
            lines[-1].append(box)
        else:
            lines.append([box])
    return _affordable([_crop(page, np.array(line)) for line in lines], page.size)


def _affordable(crops: list[Crop], pixels: int) -> list[Crop]:
    """Those that the network has time for, the tallest first to be kept, in their order."""
    left, kept = SPARE + pixels * SHARE, set[int]()
    for number, crop in sorted(enumerate(crops), key=lambda pair: -len(pair[1].grey)):
        left -= normalized_width(*crop.grey.shape)
        if left < 0 and kept:
            break
        kept.add(number)
    return [crop for number, crop in enumerate(crops) if number in kept]


def _goes_on(last: Box, box: Box) -> bool:
    """Whether a box stands to the right of the last one of a line, at its height."""
    overlap = min(last[1] + last[3], box[1] + box[3]) - max(last[1], box[1])
    return box[0] >= last[0] and overlap > 0.4 * min(last[3], box[3])


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
