"""The places of lines of writing: the whole picture, or the lines that its signs form."""

from itertools import chain
from statistics import median
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from cnn_mnist.inference.layout.place import Place, dark_on_light
from cnn_mnist.inference.recognition.line import DIGITS
from cnn_mnist.inference.recognition.line_reader import Box, LineReader, Sign, in_doubt, num_right

REACH = 6  # heights of a sign: maximum distance to the next one on its line
MARGIN = 0.25  # of a line's height: the margin around it
SLENDER = 8  # length over width; anything longer is a ruled line
FEW = 3  # signs; lines with fewer take the page's slope
NARROW = 2  # height over width of a tick
TICK = 0.75  # of the height of the wider marks; ticks between these are lower
UNEVEN = 0.15  # of the distance between ticks, and of their height
STEEP = 0.4  # slope; more tilted pages are straightened first
ALIGNED = 0.5  # of a digit's height: maximum offset between distant parts of one line
RISES = 0, 0.02, -0.02, 0.04, -0.04  # how much a number may fall more than its line
EVEN = 0.6  # of the tallest digit; print beside a number is lower
CLOSE = 0.1  # digits; ways that differ by less are equal
LINE_HEIGHT = 0.3  # of a picture's height; with taller digits, the picture is one line
# What the looks of the network may cost, in its columns; if the lines cost more, the tallest are
# read. What is left is for second looks.
SPARE, SHARE = 1000, 0.01  # columns of any picture, and for each of its pixels
BAND = 64  # boxes whose neighbours are searched together
NOBODY = -1


def grey_page(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The lightness of an RGB page."""
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.uint8)


def read_whole(reader: LineReader, page: NDArray[np.uint8]) -> list[Sign] | None:
    """The signs of a page that is a single line, or blank; None if it is not."""
    signs = reader.read(dark_on_light(page))
    heights = [sign.box[3] for sign in signs if sign.character in DIGITS]
    is_line = heights and median(heights) >= LINE_HEIGHT * page.shape[0]
    return signs if is_line else None


class Layout(NamedTuple):
    """The boxes of a page's signs (N×4), line by line from the top left, and the lines' slope.

    The slope is the fall per pixel to the right.
    """

    lines: list[NDArray[Any]]
    slope: float

    @classmethod
    def of(cls, boxes: list[Box]) -> "Layout":
        """Arrange the boxes of a page's ink in lines."""
        corners = without_combs(_signs(boxes))
        lines = _grouped(corners, corners)
        slope = _slope(lines)
        return cls(_grouped(corners, _level(corners, slope)) if slope else lines, slope)

    def places(self, shape: tuple[int, ...]) -> list[Place]:
        """The lines' places on a page of this height and width."""
        return [_place(shape, line, self.slope) for line in self.lines]

    def columns(self, shape: tuple[int, ...]) -> int:
        """How many columns of such a page the network reads for its lines."""
        return sum(place.columns for place in self.places(shape))


def read_lines(reader: LineReader, page: NDArray[np.uint8], layout: Layout) -> list[list[Sign]]:
    """The signs of every line of a page, from top to bottom."""
    left = SPARE + SHARE * page.size
    places = _affordable(layout.places(page.shape), left)
    crops = {place: place.crop(page) for place in places}
    read = {place: reader.look(crop) for place, crop in crops.items()}
    left -= sum(place.cost for place in places)
    for place in _affordable([place for place in places if in_doubt(read[place])], left):
        read[place] = reader.look_again(crops[place], read[place])
    pieces = [[place.on_page(sign) for sign in signs] for place, signs in read.items()]
    return _joined([piece for piece in pieces if piece], layout.slope)


def ways(reader: LineReader, page: NDArray[np.uint8], layout: Layout) -> list[list[list[Sign]]]:
    """The readings of a page: line by line, then as a whole if it may be a single line."""
    rows, whole = read_lines(reader, page, layout), read_whole(reader, page)
    return [rows] if whole is None else [rows, [whole]]


def best(readings: list[list[list[Sign]]]) -> list[list[Sign]]:
    """Of a page's `ways` the one with most digits right; the first if that is a matter of doubt.

    Letters do not count, since they may be pieces of a digit, nor does small print beside a number.
    """
    return max(readings, key=lambda way: _num_right(way) + (CLOSE if way is readings[0] else 0))


def _num_right(rows: list[list[Sign]]) -> float:
    """How many digits of a reading are right, on average, but for much lower ones."""
    digits = [sign for sign in chain.from_iterable(rows) if sign.character in DIGITS]
    least = EVEN * max((sign.box[3] for sign in digits), default=0)
    return num_right([sign for sign in digits if sign.box[3] >= least])


def sample(page: NDArray[np.uint8], layout: Layout, most: int) -> list[NDArray[np.uint8]]:
    """The beginnings of some lines as they are read: those with the most boxes."""
    fullest = sorted(layout.lines, key=len, reverse=True)[:most]
    places = Layout(fullest, layout.slope).places(page.shape)
    return [place.beginning().crop(page) for place in places]


def _signs(boxes: list[Box]) -> NDArray[Any]:
    """The boxes without ruled lines, which are too long for a sign."""
    corners = np.array(boxes, float).reshape(-1, 4)
    width, height = corners[:, 2], corners[:, 3]
    return np.asarray(corners[width < SLENDER * height])


def without_combs(corners: NDArray[Any]) -> NDArray[Any]:
    """The boxes without the ticks of a comb, which are lower than the digits between them."""
    width, height = corners[:, 2:].T
    narrow = height > NARROW * width
    if np.count_nonzero(narrow) < FEW or narrow.all():
        return corners
    low = np.flatnonzero(narrow & (height < TICK * np.median(height[~narrow])))
    ticks = [row for row in _grouped(low, corners[low]) if _is_comb(corners[row])]
    return np.delete(corners, list(chain.from_iterable(ticks)), axis=0)


def _is_comb(row: NDArray[Any]) -> bool:
    """Whether marks side by side are of one height and equally far apart, but for missing ones."""
    if len(row) < FEW:
        return False
    middle, height = row[:, 0] + row[:, 2] / 2, row[:, 3]
    steps = np.diff(np.sort(middle))
    if steps.min() < height.max():
        return False
    pitches = steps / steps.min()
    is_even = np.abs(pitches - np.rint(pitches)).max() < UNEVEN
    return bool(is_even and np.ptp(height) < UNEVEN * height.max() + 1)


def _grouped(corners: NDArray[Any], level: NDArray[Any]) -> list[NDArray[Any]]:
    """Boxes, or their indices, grouped by line, determined on the levelled page."""
    rows = _rows(level)
    ends = np.cumsum(np.bincount(rows)).tolist()
    ordered = corners[np.argsort(rows, kind="stable")]
    return [ordered[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def _slope(lines: list[NDArray[Any]]) -> float:
    """The slope of a page's lines (fall per pixel to the right)."""
    slopes, weights = [0.0], [0.0]
    for line in lines:
        if len(line) >= FEW:
            slopes.append(_fall(line))
            weights.append(float(np.ptp(line[:, 0])))
    order = np.argsort(slopes)
    middle = np.searchsorted(np.cumsum(np.array(weights)[order]), sum(weights) / 2)
    return slopes[int(order[middle])]


def _fall(line: NDArray[Any]) -> float:
    """The slope of the feet and heads of a line's boxes, robust to commas and dots."""
    x = line[:, 0] + line[:, 2] / 2
    y = line[:, 1] + line[:, 3] / 2
    tall = line[:, 3] >= 0.5 * line[:, 3].max()
    if np.count_nonzero(tall) < 2 or np.ptp(x[tall]) < 2 * line[:, 3].max():
        return 0.0
    return float(np.clip(np.polyfit(x[tall], y[tall], 1)[0], -STEEP, STEEP))


def _level(boxes: NDArray[Any], slope: float) -> NDArray[Any]:
    """The boxes moved so that the lines are level."""
    moved = boxes.copy()
    moved[:, 1] -= slope * (boxes[:, 0] + boxes[:, 2] / 2)
    return moved


class _Piece(NamedTuple):
    """Signs read together: their centre on the levelled page, and their height."""

    x: float
    y: float
    high: float
    signs: list[Sign]

    @classmethod
    def of(cls, signs: list[Sign], slope: float) -> "_Piece":
        tallest = max(sign.box[3] for sign in signs)
        boxes = [sign.box for sign in signs if sign.box[3] >= 0.5 * tallest]
        x = median(x + wide / 2 for x, _, wide, _ in boxes)
        y = median(y - slope * (x + wide / 2) + high / 2 for x, y, wide, high in boxes)
        return cls(x, y, median(high for _, _, _, high in boxes), signs)

    def level(self, slope: float) -> "_Piece":
        """The piece on a page levelled by some slope more."""
        return self._replace(y=self.y - slope * self.x)


def _joined(pieces: list[list[Sign]], slope: float) -> list[list[Sign]]:
    """Lines joined from pieces that are side by side at one height, at any distance.

    The numbers of some hands rise above their line: of slopes near that of the numbers, the one
    with the fewest lines is right.
    """
    found = [_Piece.of(signs, slope) for signs in pieces]
    ways = (_side_by_side([piece.level(rise) for piece in found]) for rise in RISES)
    return [
        [sign for piece in sorted(line, key=lambda p: p.signs[0].box[0]) for sign in piece.signs]
        for line in min(ways, key=len)
    ]


def _side_by_side(pieces: list[_Piece]) -> list[list[_Piece]]:
    lines: list[list[_Piece]] = []
    for piece in sorted(pieces, key=lambda piece: piece.y):
        if lines and _beside(lines[-1], piece):
            lines[-1].append(piece)
        else:
            lines.append([piece])
    return lines


def _beside(line: list[_Piece], piece: _Piece) -> bool:
    """Whether a piece is at the height of a line, with no other piece above or below it."""
    level = piece.y - line[-1].y < ALIGNED * max(piece.high, line[-1].high)
    left, right = piece.signs[0].box[0], piece.signs[-1].box[0]
    return level and all(left > old.signs[-1].box[0] or right < old.signs[0].box[0] for old in line)


def _rows(boxes: NDArray[Any]) -> NDArray[np.int64]:
    """The line of each box: that of the nearest box to the left or right at its height.

    Tall boxes come first, so that a comma or a dot joins the digits beside it.
    """
    order = np.argsort(-boxes[:, 3], kind="stable")
    rows, count = np.empty(len(boxes), np.int64), 0
    for box, nearest in zip(order.tolist(), _nearest(boxes[order]).tolist(), strict=True):
        rows[box] = count if nearest == NOBODY else rows[order[nearest]]
        count += nearest == NOBODY
    return rows


def _nearest(boxes: NDArray[Any]) -> NDArray[np.int64]:
    """For each box the nearest earlier one beside it, or NOBODY.

    The page is compared in bands with what reaches into them, instead of all pairs.
    """
    found = np.full(len(boxes), NOBODY)
    top, bottom = boxes[:, 1], boxes[:, 1] + boxes[:, 3]
    down = np.argsort(top)
    for start in range(0, len(boxes), BAND):
        band = down[start : start + BAND]
        near = np.flatnonzero((top < bottom[band].max()) & (bottom > top[band].min()))
        away = _away(boxes[near], boxes[band, None])
        away[near >= band[:, None]] = np.inf
        nearest = away.argmin(axis=1)
        beside = np.isfinite(away[np.arange(len(band)), nearest])
        found[band[beside]] = near[nearest[beside]]
    return found


def _away(some: NDArray[Any], boxes: NDArray[Any]) -> NDArray[Any]:
    """The distances between some boxes and all; infinity if not on one line."""
    (x, y, wide, high), (left, top, width, height) = (np.moveaxis(b, -1, 0) for b in (some, boxes))
    level = np.minimum(y + high, top + height) - np.maximum(y, top) > 0.4 * height
    away = np.maximum(x - left - width, left - (x + wide))
    return np.where(level & (away < REACH * high), away, np.inf)


def _affordable(places: list[Place], left: float) -> list[Place]:
    """The lines that fit into the columns left, preferring the tallest; at least one; in order."""
    kept = set[int]()
    for number, place in sorted(enumerate(places), key=lambda pair: -pair[1].height):
        left -= place.cost
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
