"""The structure of a page: lines of numbers, made of digits and the signs between them."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any

import numpy as np

from cnn_mnist.inference.pictures.page import Box
from cnn_mnist.inference.recognition.agree import Found
from cnn_mnist.inference.recognition.line import DIGITS, OTHER, gaps

GAP = 0.8  # of a digit's height; two digits with a wider gap belong to two numbers
AROUND_SIGN = 2 * GAP  # the same, between a digit and a sign such as a comma
BEFORE_ADDEND = 3 * GAP  # the same, behind a + or -, which stands left of the longest number
UNEVEN = 1.15  # times the usual step from digit to digit: one digit per square is one number
LEADING, TRAILING = "-+$€£(", ")%°"
BRACKET = 1.6  # of a digit's height; taller than in the generated lines, they are parts of a ring


@dataclass(frozen=True)
class Number:
    """A number as written, with its signs; empty in an empty grid cell.

    `box` is x, y, width, height in the original picture's pixels, `confidence` the probability that
    the whole number is right.
    """

    text: str
    box: Box
    confidence: float

    @property
    def digits(self) -> str:
        """The number without signs."""
        return "".join(c for c in self.text if c in DIGITS)

    def to_dict(self) -> dict[str, Any]:
        """The number as a JSON object."""
        about = {"text": self.text, "digits": self.digits, "box": list(self.box)}
        return about | {"confidence": round(self.confidence, 4)}


@dataclass(frozen=True)
class Line:
    """The numbers of one line, from left to right."""

    numbers: tuple[Number, ...]

    @property
    def text(self) -> str:
        """The numbers, separated by spaces; _ marks an empty cell."""
        return " ".join(number.text or "_" for number in self.numbers)

    def to_dict(self) -> dict[str, Any]:
        """The line as a JSON object."""
        return {"text": self.text, "numbers": [number.to_dict() for number in self.numbers]}


def around(boxes: Sequence[tuple[float, float, float, float]]) -> Box:
    """The bounding box of some boxes."""
    corners = np.array(boxes, float)
    corners[:, 2:] += corners[:, :2]
    low, high = corners[:, :2].min(axis=0), corners[:, 2:].max(axis=0)
    x, y, width, height = (round(float(v)) for v in (*low, *(high - low)))
    return x, y, width, height


def lines_of(rows: list[list[Found]], original_box: Callable[[Box], Box]) -> tuple[Line, ...]:
    """The lines of numbers from lines of signs, from left to right.

    A letter or a wide gap ends a number; signs without digits do not form one. Brackets much taller
    than the digits are a ring around them.

    Args:
        original_box: maps a box on the page as read, which may be rotated, to the original.
    """
    lines: list[Line] = []
    step = UNEVEN * median([step for signs in rows for step in _steps(signs)] or [0])
    for signs in rows:
        numbers = [_number(number, original_box) for number in numbers_in(signs, step)]
        if numbers:
            lines.append(Line(tuple(numbers)))
    return tuple(lines)


def _height(signs: list[Found]) -> float:
    return median([sign.box[3] for sign in signs if sign.is_digit] or [0])


def _step(left: Found, right: Found) -> float:
    """The distance of the middles of two signs."""
    return right.box[0] - left.box[0] + (right.box[2] - left.box[2]) / 2


def _steps(signs: list[Found]) -> list[float]:
    """The steps from digit to digit within the numbers of a line, in digits' heights."""
    height, apart = _height(signs), gaps(sign.box for sign in signs)
    return [
        _step(left, right) / height
        for (left, right), gap in zip(pairwise(signs), apart, strict=True)
        if left.is_digit and right.is_digit and gap <= GAP * height
    ]


def numbers_in(signs: list[Found], step: float = 0.0) -> list[list[Found]]:
    """The signs of each number of a line whose digits are usually up to `step` heights apart."""
    return [part for part in _parts(signs, step) if any(sign.is_digit for sign in part)]


def _parts(signs: list[Found], step: float) -> list[list[Found]]:
    height = _height(signs)
    limit = BRACKET * height
    signs = [sign for sign in signs if sign.character not in "()" or sign.box[3] <= limit]
    parts: list[list[Found]] = [[]]
    for place, sign in enumerate(signs):
        leads = len(parts[-1]) == 1
        if parts[-1] and _ends(signs[place - 1 : place + 2], height, step, leads):
            parts.append([])
        if sign.character == OTHER:
            parts.append([])
        else:
            parts[-1].append(sign)
    return parts


def _ends(signs: list[Found], height: float, step: float, leads: bool) -> bool:
    """Whether a number ends before the second of two or three signs.

    A comma may be far from its digits; a minus or currency sign belongs to the nearer digit, and a
    closing bracket or a percent sign to the one on its left. A narrow digit in a square of its own
    is no farther from the middle of the next than others.

    Args:
        leads: the first sign begins the number.
    """
    apart = gaps(sign.box for sign in signs)
    left, right = signs[:2]
    if left.is_digit and right.is_digit and _step(left, right) <= step * height:
        return False
    if leads and left.character in "+-" and right.is_digit:
        return bool(apart[0] > BEFORE_ADDEND * height)
    is_next = right.character in LEADING and len(apart) > 1 and apart[0] > apart[1]
    near = (right.is_digit and (left.is_digit or left.character in TRAILING)) or is_next
    return bool(apart[0] > (GAP if near else AROUND_SIGN) * height)


def _number(signs: list[Found], original_box: Callable[[Box], Box]) -> Number:
    text = "".join(sign.character for sign in signs)
    confidence = math.prod(sign.confidence for sign in signs)
    return Number(text, original_box(around([sign.box for sign in signs])), confidence)
