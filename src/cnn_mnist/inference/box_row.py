"""A row of boxes for one digit each: the readings of its page and of each box, combined."""

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, islice

import cv2
import numpy as np

from cnn_mnist.inference.layout import cell
from cnn_mnist.inference.layout.cell import Cell
from cnn_mnist.inference.layout.structure import Line, Number
from cnn_mnist.inference.pictures.page import Box
from cnn_mnist.inference.reading import Digit, Reading, text_of


def fall(row: list[Cell]) -> int:
    """The degrees by which a row of boxes on its page falls to the right."""
    (x, y), (right, low) = row[0].centre, row[-1].centre
    return round(math.degrees(math.atan2(low - y, right - x)))


def combined(reading: Reading, row: list[Cell], alone: Reading) -> Reading:
    """The reading of a page, with the numbers in a row of boxes as one of its lines.

    Digits may cross the sides of their boxes, so they are read together, unless each box alone
    gives more certain numbers. Digits between boxes are their sides. The row is left out if all
    digits are elsewhere and taller, since its boxes may be icons; and if a line continues beyond an
    end of it, boxes may be missing there, and the reading stays as it is.

    Args:
        reading: of the whole page.
        alone: of each box.
    """
    boxes = [one.box for one in row]
    corners = np.array([[[x, y], [x + w, y], [x, y + h], [x + w, y + h]] for x, y, w, h in boxes])
    hull = cv2.convexHull(corners.reshape(-1, 2).astype(np.float32))
    lines: list[tuple[Line, list[Digit]]] = []
    inside: list[Digit] = []
    for line, digits in _lines(reading):
        found = [digit for digit in digits if cell.containing(boxes, digit.box) is not None]
        beyond = [digit for digit in digits if not _is_in(hull, digit.box)]
        if found and beyond:
            are_beside = all(cell.is_beside(boxes, digit.box) for digit in beyond)
            return reading if are_beside else alone
        if beyond:
            lines.append((line, digits))
        inside += found
    if not inside and (not alone.ok or _has_taller(lines, boxes)):
        return _of(lines, reading) if lines else alone
    together, inside = _sorted(inside, boxes)
    rejected = reading.rejected
    if _num_certain(alone.lines[0]) > _num_certain(together):
        together, inside = alone.lines[0], [*alone.digits]
        around = (sign for sign in rejected if cell.containing(boxes, sign.box) is None)
        rejected = (*around, *alone.rejected)
    middle = float(hull[:, 0, 1].mean())
    above = sum(_middle(digits) < middle for _, digits in lines)
    lines.insert(above, (together, inside))
    return replace(_of(lines, reading), rejected=rejected)


def _of(lines: list[tuple[Line, list[Digit]]], reading: Reading) -> Reading:
    """A reading with these lines instead of its own."""
    said, ordered = zip(*lines, strict=True)
    every = tuple(chain.from_iterable(ordered))
    return replace(reading, text=text_of(every), digits=every, lines=said)


def _lines(reading: Reading) -> Iterator[tuple[Line, list[Digit]]]:
    """Each line, and its digits."""
    rest = iter(reading.digits)
    for line in reading.lines:
        yield line, [*islice(rest, sum(len(number.digits) for number in line.numbers))]


def _is_in(hull: cv2.typing.MatLike, box: Box) -> bool:
    x, y, width, height = box
    return cv2.pointPolygonTest(hull, (x + width / 2, y + height / 2), False) >= 0


def _has_taller(lines: list[tuple[Line, list[Digit]]], boxes: list[Box]) -> bool:
    tallest = max((digit.box[3] for _, digits in lines for digit in digits), default=0)
    return bool(tallest > np.median(boxes, axis=0)[3])


def _middle(digits: list[Digit]) -> float:
    return float(np.mean([digit.box[1] + digit.box[3] / 2 for digit in digits]))


def _sorted(digits: list[Digit], boxes: list[Box]) -> tuple[Line, list[Digit]]:
    """The digits in a row of cells, those of each cell as one number, and all in that order."""
    columns = [cell.containing(boxes, digit.box) for digit in digits]
    of_cell = [
        [digit for digit, at in zip(digits, columns, strict=True) if at == column]
        for column in range(len(boxes))
    ]
    numbers = [
        Number(text_of(inside), box, math.prod(digit.confidence for digit in inside))
        for inside, box in zip(of_cell, boxes, strict=True)
    ]
    return Line(tuple(numbers)), [*chain.from_iterable(of_cell)]


def _num_certain(line: Line) -> float:
    """The expected number of cells that are read exactly, of those with a number."""
    return sum(number.confidence for number in line.numbers if number.text)
