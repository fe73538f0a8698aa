"""A row of boxes for one digit each: the readings of its page and of each box, combined."""

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, islice
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from cnn_mnist.inference.layout import quads
from cnn_mnist.inference.layout.cell import Cell
from cnn_mnist.inference.layout.structure import Line, Number
from cnn_mnist.inference.percentiles import median
from cnn_mnist.inference.reading import Digit, Reading, text_of

SIDE = 0.25  # of a box's width; a digit read this close to a box is its side
LOW = 0.5  # of the height of the digits in boxes; a lower one is not in a box that was missed

Part = tuple[Line, list[Digit]]  # a line, and its digits


def fall(row: list[Cell]) -> int:
    """How many degrees a row of boxes falls to the right on its page."""
    (x, y), (right, low) = row[0].centre, row[-1].centre
    return round(math.degrees(math.atan2(low - y, right - x)))


def combined(reading: Reading, row: list[Cell], alone: Reading) -> Reading:
    """The reading of a page, with the numbers in a row of boxes as one of its lines.

    Digits may cross the sides of their boxes, so they are read together, unless each box alone
    gives more certain numbers. Digits between boxes, and at the ends of the row, are their sides.
    If a line continues beyond an end of the row, boxes may be missing there, and the reading stays
    as it is. If all digits are elsewhere and taller, the boxes may be icons, and are left out.

    Args:
        reading: of the whole page.
        alone: of each box.
    """
    boxes = _Boxes(np.array([one.corners for one in row]))
    lines: list[Part] = []
    placed: list[tuple[int, Digit]] = []  # with the number of its box
    for line, digits in _lines(reading):
        places = [boxes.around(digit) for digit in digits]
        in_box = [(n, digit) for n, digit in zip(places, digits, strict=True) if n is not None]
        found = [digit for _, digit in in_box]
        beyond = [digit for digit in digits if not boxes.meet(digit)]
        placed += in_box
        if beyond and not found:
            lines.append((line, digits))
        elif any(digit.box[3] >= LOW * _height(found) for digit in beyond):
            return reading
    others = [digit for _, digits in lines for digit in digits]
    are_icons = others and _height(others) > boxes.height
    if not placed and (are_icons or not alone.ok):
        return _of(lines, reading) if lines else alone
    together, inside = _sorted(placed, row)
    rejected = reading.rejected
    if _num_certain(alone.lines[0]) > _num_certain(together):
        together, inside = alone.lines[0], [*alone.digits]
        outside = (sign for sign in rejected if boxes.around(sign) is None)
        rejected = (*outside, *alone.rejected)
    above = sum(_middle(digits) < boxes.middle for _, digits in lines)
    lines.insert(above, (together, inside))
    return replace(_of(lines, reading), rejected=rejected)


class _Boxes(NamedTuple):
    """The corners of the boxes in a row, N×4×2, in the original picture's pixels."""

    corners: NDArray[np.float32]

    @property
    def height(self) -> float:
        """Of a typical box."""
        return float(median(quads.sides(self.corners)[:, 1::2]))

    @property
    def middle(self) -> float:
        """How far below the picture's top the row is."""
        return float(self.corners[..., 1].mean())

    def around(self, digit: Digit) -> int | None:
        """The number of the box in which the centre of a digit is.

        What is read as a 1 between boxes is a side, but other digits there belong to the nearest.
        """
        inside = [_is_in(corners, digit) for corners in self.corners]
        if any(inside):
            return inside.index(True)
        if digit.digit == 1 or not self.meet(digit):
            return None
        return int(np.linalg.norm(self.corners.mean(axis=1) - _centre(digit), axis=1).argmin())

    def meet(self, digit: Digit) -> bool:
        """Whether the centre of a digit is in the row, between boxes or on a side."""
        left, right = self.corners[:, [0, 3]], self.corners[:, [1, 2]]
        wider = np.concatenate([left + SIDE * (left - right), right + SIDE * (right - left)])
        return _is_in(cv2.convexHull(wider.reshape(-1, 2)), digit)


def _is_in(outline: Any, digit: Digit) -> bool:
    return cv2.pointPolygonTest(outline, _centre(digit).tolist(), False) >= 0


def _centre(digit: Digit) -> NDArray[np.float64]:
    x, y, width, height = digit.box
    return np.array([x + width / 2, y + height / 2])


def _lines(reading: Reading) -> Iterator[Part]:
    rest = iter(reading.digits)
    for line in reading.lines:
        yield line, [*islice(rest, sum(len(number.digits) for number in line.numbers))]


def _of(lines: list[Part], reading: Reading) -> Reading:
    """A reading with these lines instead of its own."""
    said, ordered = zip(*lines, strict=True)
    every = tuple(chain.from_iterable(ordered))
    return replace(reading, digits=every, reason=None, lines=said)


def _height(digits: list[Digit]) -> float:
    return float(median(np.array([digit.box[3] for digit in digits])))


def _middle(digits: list[Digit]) -> float:
    return float(np.mean([_centre(digit)[1] for digit in digits]))


def _sorted(placed: list[tuple[int, Digit]], row: list[Cell]) -> Part:
    """The digits of each box as one number, and all in that order."""
    of_box = [[digit for at, digit in placed if at == place] for place in range(len(row))]
    numbers = [
        Number(text_of(inside), one.box, math.prod(digit.confidence for digit in inside))
        for inside, one in zip(of_box, row, strict=True)
    ]
    return Line(tuple(numbers)), [*chain.from_iterable(of_box)]


def _num_certain(line: Line) -> float:
    """The expected number of boxes that are read exactly, of those with a number."""
    return sum(number.confidence for number in line.numbers if number.text)
