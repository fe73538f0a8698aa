"""Lines of writing: where they are on a page, and what the line network reads in them."""

from itertools import chain
from statistics import median
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from cnn_mnist.inference.layout.doubles import without_doubles
from cnn_mnist.inference.layout.place import Place, dark_on_light
from cnn_mnist.inference.layout.rows import (
    FEW,
    TALL,
    fall,
    grouped,
    levelled,
    slope_of,
    without_combs,
    without_rules,
)
from cnn_mnist.inference.recognition.line import DIGITS, OTHER, Box, Sign
from cnn_mnist.inference.recognition.line_reader import (
    AGAIN,
    LineReader,
    in_doubt,
    num_right,
)
from cnn_mnist.inference.recognition.slashes import consistent

MARGIN = 0.25  # of a line's height: the margin around it
ALIGNED = 0.5  # of a digit's height: maximum offset between distant parts of one line
RISES = 0, 0.02, -0.02, 0.04, -0.04  # how much a number may fall more than its line
EVEN = 0.5  # of the tallest digit; print beside a number is lower
CLOSE = 0.1  # digits; readings that differ by less are equal
EVEN_PAPER = 0.25  # of a page's contrast; marks left out of the ink have more
LINE_HEIGHT = 0.3  # of a picture's height; with taller digits, the picture is one line
# What the looks of the network may cost, in its columns; if the lines cost more, the tallest are
# read. What is left is for second looks.
SPARE, SHARE = 1000, 0.01  # columns of any picture, and for each of its pixels


def grey_page(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The lightness of an RGB page."""
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.uint8)


def read_whole(reader: LineReader, page: NDArray[np.uint8]) -> list[Sign] | None:
    """The signs of a page whose digits are so tall that it is a single line; otherwise None."""
    grey = dark_on_light(page)
    signs = reader.look(grey)
    heights = [sign.box[3] for sign in signs if sign.character in DIGITS]
    is_line = heights and median(heights) >= LINE_HEIGHT * page.shape[0]
    return reader.look_again(grey, signs) if is_line else None


class Layout(NamedTuple):
    """The boxes of a page's signs (N×4), line by line from the top left, and the lines' slope.

    The slope is the fall per pixel to the right.
    """

    lines: list[NDArray[Any]]
    slope: float

    @classmethod
    def of(cls, boxes: list[Box]) -> "Layout":
        """Arrange the boxes of a page's ink in lines."""
        corners = without_combs(without_rules(boxes))
        lines = grouped(corners, corners)
        slope = slope_of(lines)
        if slope:
            lines = grouped(corners, levelled(corners, slope))
        return cls(lines, slope)

    @property
    def of_several(self) -> "Layout":
        """The lines of several signs."""
        return self._replace(lines=[line for line in self.lines if len(line) > 1])

    def places(self, shape: tuple[int, ...]) -> list[Place]:
        """The lines' places on a page of this height and width."""
        return [_place(shape, line, self.slope) for line in self.lines]

    def columns(self, shape: tuple[int, ...]) -> int:
        """How many columns of such a page the network reads for its lines."""
        return sum(place.columns for place in self.places(shape))


def read_lines(reader: LineReader, page: NDArray[np.uint8], layout: Layout) -> list[list[Sign]]:
    """The signs of every line of a page, from top to bottom."""
    left = SPARE + SHARE * page.size
    every = layout.places(page.shape)
    places = _affordable(every, left)
    crops = {place: place.crop(page) for place in places}
    read = {place: reader.look(crop) for place, crop in crops.items()}
    left -= sum(place.cost for place in places)
    doubtful = [place for place in places if in_doubt(read[place])]
    for place in _affordable(doubtful, left / AGAIN):
        read[place] = reader.look_again(crops[place], read[place])
    pieces = [[place.on_page(sign) for sign in signs] for place, signs in read.items()]
    ink = dict(zip(every, layout.lines, strict=True))
    pieces = without_doubles(pieces, [ink[place] for place in read])
    return consistent(_joined([piece for piece in pieces if piece], layout.slope))


def readings(reader: LineReader, page: NDArray[np.uint8], layout: Layout) -> list[list[Sign]]:
    """The signs of all lines of a page, and those of the whole page if it may be a single line."""
    whole = read_whole(reader, page)
    signs = list(chain.from_iterable(read_lines(reader, page, layout)))
    return [signs] if whole is None else [signs, whole]


def read(reader: LineReader, page: NDArray[np.uint8], layout: Layout) -> list[list[Sign]]:
    """The signs of a page, line by line, or as a single line if that gives more digits.

    If each box is certainly a digit and there is nothing else, the lines cannot be read better.
    """
    rows = read_lines(reader, page, layout)
    count = sum(len(line) for line in layout.lines)
    are_digits = sum(len(row) for row in rows) == count < num_right(_digits(rows)) + CLOSE
    if are_digits and _is_blank_around(page, layout):
        return rows
    whole = read_whole(reader, page)
    return rows if whole is None else better(rows, [whole])


def _is_blank_around(page: NDArray[np.uint8], layout: Layout) -> bool:
    """Whether there is only even paper between the boxes."""
    around = np.ones(page.shape, np.uint8)
    for x, y, width, height in chain.from_iterable(layout.lines):
        margin = 2 + MARGIN * height
        left, top = max(0, int(x - margin)), max(0, int(y - margin))
        around[top : int(y + height + margin), left : int(x + width + margin)] = 0
    darkest, lightest = cv2.minMaxLoc(page, around)[:2] if around.any() else (0, 0)
    return bool(lightest - darkest < EVEN_PAPER * np.ptp(page))


def better(rows: list[list[Sign]], whole: list[list[Sign]]) -> list[list[Sign]]:
    """The reading with more digits expected to be right, or if nearly equal, with fewer letters.

    Letters do not count as right, since they may be pieces of a digit, nor does small print beside
    a number. A single mark that only one reading takes for a digit does not make the others small.
    """
    digits = _digits(rows), _digits(whole)
    least = EVEN * min(max((sign.box[3] for sign in found), default=0) for found in digits)
    right = [num_right([sign for sign in found if sign.box[3] >= least]) for found in digits]
    gain = right[1] - right[0]
    if abs(gain) <= CLOSE:
        return min(rows, whole, key=_num_letters)
    return whole if gain > 0 else rows


def _digits(rows: list[list[Sign]]) -> list[Sign]:
    return [sign for sign in chain.from_iterable(rows) if sign.character in DIGITS]


def _num_letters(rows: list[list[Sign]]) -> int:
    return sum(sign.character == OTHER for sign in chain.from_iterable(rows))


def sample(
    page: NDArray[np.uint8], layout: Layout, most: int
) -> list[tuple[NDArray[np.uint8], int]]:
    """The beginnings of the lines with the most boxes, as they are read, and the boxes in each."""
    fullest = Layout(sorted(layout.lines, key=len, reverse=True)[:most], layout.slope)
    found = []
    for line, place in zip(fullest.lines, fullest.places(page.shape), strict=True):
        begun = place.beginning()
        inside = np.count_nonzero(line[:, 0] + line[:, 2] / 2 < begun.x + begun.width)
        found.append((begun.crop(page), int(inside)))
    return found


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
        """The piece on a page levelled by a further slope."""
        return self._replace(y=self.y - slope * self.x)


def _joined(pieces: list[list[Sign]], slope: float) -> list[list[Sign]]:
    """Lines joined from pieces that are side by side at one height, at any distance.

    Some people's numbers rise above their line: of several slopes near that of the numbers, the
    one that gives the fewest lines is right.
    """
    found = [_Piece.of(signs, slope) for signs in pieces]
    typical = median([sign.box[3] for signs in pieces for sign in signs] or [0])
    ways = (_side_by_side([piece.level(rise) for piece in found], typical) for rise in RISES)
    return [
        [sign for piece in sorted(line, key=lambda p: p.signs[0].box[0]) for sign in piece.signs]
        for line in min(ways, key=len)
    ]


def _side_by_side(pieces: list[_Piece], typical: float) -> list[list[_Piece]]:
    lines: list[list[_Piece]] = []
    for piece in sorted(pieces, key=lambda piece: piece.y):
        if lines and _beside(lines[-1], piece, typical):
            lines[-1].append(piece)
        else:
            lines.append([piece])
    return lines


def _beside(line: list[_Piece], piece: _Piece, typical: float) -> bool:
    """Whether a piece is at the height of a line, with no other piece above or below it.

    What is much taller than a typical sign may be beside several lines, and is on none.
    """
    low, high = sorted((piece.high, line[-1].high))
    level = piece.y - line[-1].y < ALIGNED * high and high <= TALL * max(low, typical)
    left, right = piece.signs[0].box[0], piece.signs[-1].box[0]
    return level and all(left > old.signs[-1].box[0] or right < old.signs[0].box[0] for old in line)


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
        slope = fall(line) or slope
    flat = levelled(line, slope)
    margin = 2 + MARGIN * line[:, 3].max()
    low, high = flat[:, :2].min(axis=0) - margin, (flat[:, :2] + flat[:, 2:]).max(axis=0) + margin
    if not slope:
        low, high = np.maximum(low, 0), np.minimum(high, shape[::-1])
    (x, y), (right, bottom) = low.astype(int).tolist(), high.astype(int).tolist()
    return Place(x, y, right - x, bottom - y, slope)
