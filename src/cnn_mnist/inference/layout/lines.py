"""Where lines of writing are: the whole picture is one, or the signs of its ink stand in some."""

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from cnn_mnist.inference.recognition.line import DIGITS, normalized_width
from cnn_mnist.inference.recognition.line_reader import Box, LineReader, Sign

REACH = 6  # heights of a sign, as far as which the next one is of its line
MARGIN = 0.25  # of a line's height, around it
SLENDER = 8  # length over width; what is more is a ruled line
FEW = 3  # signs; of fewer the slope is that of the page
STEEP = 0.4  # slope; a page that is tilted more is straightened first
ALIGNED = 0.5  # of a digit's height, by which what stands far apart on one line may differ
LINE_HEIGHT = 0.3  # of a picture's height: where digits are taller, the picture is one line
# The network looks at as many columns as this, and at the tallest lines where there are more.
SPARE, SHARE = 1000, 0.01  # columns of any picture, and for each of its pixels


class Place(NamedTuple):
    """Where a line stands on a page made level: its upper left corner, its size, and by how much
    the line falls a pixel to the right."""

    x: int
    y: int
    width: int
    height: int
    slope: float

    @property
    def columns(self) -> int:
        """How much of it the network looks at."""
        return normalized_width(self.height, self.width)

    def crop(self, page: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The line, level, dark on light."""
        matrix = np.array([[1, 0, self.x], [self.slope, 1, self.y + self.slope * self.x]])
        how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        size = self.width, self.height
        level = cv2.warpAffine(page, matrix, size, flags=how, borderMode=cv2.BORDER_REPLICATE)
        return _dark_on_light(np.asarray(level, np.uint8))

    def on_page(self, sign: Sign) -> Sign:
        """A sign of the crop where it stands on the page."""
        x, _, width, _ = sign.box
        return sign.moved(self.x, self.y + self.slope * (self.x + x + width / 2))


def grey_page(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The lightness of an RGB page."""
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.uint8)


def read_whole(reader: LineReader, page: NDArray[np.uint8]) -> list[Sign] | None:
    """The signs of a page that is one line, blank or not; None where it is not."""
    signs = reader.read(_dark_on_light(page))
    heights = [sign.box[3] for sign in signs if sign.character in DIGITS]
    is_line = heights and float(np.median(heights)) >= LINE_HEIGHT * page.shape[0]
    return signs if is_line else None


def read_lines(reader: LineReader, page: NDArray[np.uint8], boxes: list[Box]) -> list[list[Sign]]:
    """The signs of every line that boxes of a page's ink stand in, from the top."""
    corners = _signs(boxes)
    if not len(corners):
        return []
    slope = _slope(corners)
    places = _affordable(_places(page.shape, corners, slope), page.size)
    pieces = [[place.on_page(sign) for sign in reader.read(place.crop(page))] for place in places]
    return _joined([piece for piece in pieces if piece], slope)


def columns(page: NDArray[np.uint8], boxes: list[Box]) -> int:
    """How much of a page the network looks at for its lines."""
    corners = _signs(boxes)
    places = _places(page.shape, corners, _slope(corners)) if len(corners) else []
    return sum(place.columns for place in places)


def sample(page: NDArray[np.uint8], boxes: list[Box], most: int) -> list[NDArray[np.uint8]]:
    """Some of the lines as they are read, those with most boxes."""
    corners = _signs(boxes)
    if not len(corners):
        return []
    slope = _slope(corners)
    rows = _rows(_level(corners, slope))
    fullest = np.argsort(-np.bincount(rows), kind="stable")[:most]
    places = [_place(page.shape, corners[rows == row], slope) for row in fullest]
    return [place.crop(page) for place in _affordable(places, 0)]


def _signs(boxes: list[Box]) -> NDArray[Any]:
    """The boxes without those of ruled lines, which are too long for a sign."""
    corners = np.array(boxes, float).reshape(-1, 4)
    width, height = corners[:, 2], corners[:, 3]
    return np.asarray(corners[width < SLENDER * height])


def _places(shape: tuple[int, ...], corners: NDArray[Any], slope: float) -> list[Place]:
    rows = _rows(_level(corners, slope))
    return [_place(shape, corners[rows == row], slope) for row in range(rows.max() + 1)]


def _slope(boxes: NDArray[Any]) -> float:
    """By how much the lines of a page fall a pixel to the right."""
    rows, slopes, weights = _rows(boxes), [0.0], [0.0]
    for row in range(rows.max() + 1):
        line = boxes[rows == row]
        if len(line) >= FEW:
            slopes.append(_fall(line))
            weights.append(float(np.ptp(line[:, 0])))
    order = np.argsort(slopes)
    middle = np.searchsorted(np.cumsum(np.array(weights)[order]), sum(weights) / 2)
    return slopes[int(order[middle])]


def _fall(line: NDArray[Any]) -> float:
    """The slope of the feet and heads of a line's boxes, which a comma or a dot hardly moves."""
    x = line[:, 0] + line[:, 2] / 2
    y = line[:, 1] + line[:, 3] / 2
    tall = line[:, 3] >= 0.5 * line[:, 3].max()
    if np.count_nonzero(tall) < 2 or np.ptp(x[tall]) < 2 * line[:, 3].max():
        return 0.0
    return float(np.clip(np.polyfit(x[tall], y[tall], 1)[0], -STEEP, STEEP))


def _level(boxes: NDArray[Any], slope: float) -> NDArray[Any]:
    """The boxes as they would stand if the lines were level."""
    moved = boxes.copy()
    moved[:, 1] -= slope * (boxes[:, 0] + boxes[:, 2] / 2)
    return moved


def _joined(pieces: list[list[Sign]], slope: float) -> list[list[Sign]]:
    """Lines of the pieces that stand side by side at one height, however far apart."""
    lines: list[list[list[Sign]]] = []
    for piece in sorted(pieces, key=lambda piece: _height(piece, slope)[0]):
        if lines and _beside(lines[-1], piece, slope):
            lines[-1].append(piece)
        else:
            lines.append([piece])
    return [
        [sign for piece in sorted(line, key=lambda p: p[0].box[0]) for sign in piece]
        for line in lines
    ]


def _beside(line: list[list[Sign]], piece: list[Sign], slope: float) -> bool:
    """Whether a piece stands at the height of a line, and no other piece above or below it."""
    (here, high), (there, other) = _height(piece, slope), _height(line[-1], slope)
    level = here - there < ALIGNED * max(high, other)
    return level and all(
        piece[0].box[0] > old[-1].box[0] or piece[-1].box[0] < old[0].box[0] for old in line
    )


def _height(piece: list[Sign], slope: float) -> tuple[float, float]:
    """Where the middle of a piece is, were the page level, and how tall its signs are."""
    boxes = np.array([sign.box for sign in piece])
    tall = boxes[:, 3] >= 0.5 * boxes[:, 3].max()
    middles = _level(boxes, slope)[tall]
    return float(np.median(middles[:, 1] + middles[:, 3] / 2)), float(np.median(boxes[tall, 3]))


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


def _affordable(places: list[Place], pixels: int) -> list[Place]:
    """Those that the network has time for, the tallest first to be kept, in their order."""
    left, kept = SPARE + pixels * SHARE, set[int]()
    for number, place in sorted(enumerate(places), key=lambda pair: -pair[1].height):
        left -= place.columns
        if left < 0 and kept:
            break
        kept.add(number)
    return [place for number, place in enumerate(places) if number in kept]


def _place(shape: tuple[int, ...], line: NDArray[Any], slope: float) -> Place:
    if len(line) >= FEW:
        slope = _fall(line) or slope
    flat = _level(line, slope)
    margin = 2 + MARGIN * line[:, 3].max()
    low, high = flat[:, :2].min(axis=0) - margin, (flat[:, :2] + flat[:, 2:]).max(axis=0) + margin
    if not slope:
        low, high = np.maximum(low, 0), np.minimum(high, shape[::-1])
    (x, y), (right, bottom) = low.astype(int).tolist(), high.astype(int).tolist()
    return Place(x, y, right - x, bottom - y, slope)


def _dark_on_light(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Inverted where the border is darker than what it encloses."""
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    return 255 - grey if np.median(border) < grey.mean() - 2 else grey
