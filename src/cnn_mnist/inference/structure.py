"""What stands on a page: lines of numbers, and numbers of digits and the signs between them."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from cnn_mnist.inference.agree import Found
from cnn_mnist.inference.line import DIGITS, OTHER

Box = tuple[int, int, int, int]

GAP = 0.8  # of a digit's height; a wider gap between two digits makes two numbers of them
AROUND_SIGN = 2 * GAP  # the same between a digit and a sign such as a comma


@dataclass(frozen=True)
class Number:
    """A number as it is written, with its signs. `box` is x, y, width, height in the original
    picture's pixels, `confidence` the probability that all of it is right."""

    text: str
    box: Box
    confidence: float

    @property
    def digits(self) -> str:
        """The number without its signs."""
        return "".join(c for c in self.text if c in DIGITS)

    def to_dict(self) -> dict[str, Any]:
        """Its JSON object."""
        about = {"text": self.text, "digits": self.digits, "box": list(self.box)}
        return about | {"confidence": round(self.confidence, 4)}


@dataclass(frozen=True)
class Line:
    """The numbers of one line from the left."""

    numbers: tuple[Number, ...]

    @property
    def text(self) -> str:
        """The numbers, with a space between."""
        return " ".join(number.text or "_" for number in self.numbers)

    def to_dict(self) -> dict[str, Any]:
        """Its JSON object."""
        return {"text": self.text, "numbers": [number.to_dict() for number in self.numbers]}


def lines_of(found: list[Found]) -> tuple[Line, ...]:
    """The lines of signs that stand in reading order, boxes in the original picture's pixels.

    A letter, or a wide gap, ends a number; signs without a digit make none.
    """
    lines: list[Line] = []
    for signs in _rows(found):
        numbers = [_number(part) for part in _parts(signs) if any(sign.is_digit for sign in part)]
        if numbers:
            lines.append(Line(tuple(numbers)))
    return tuple(lines)


def _rows(found: list[Found]) -> list[list[Found]]:
    rows: list[list[Found]] = []
    for sign in found:
        if rows and _middle(sign) > _middle(rows[-1][-1]):
            rows[-1].append(sign)
        else:
            rows.append([sign])
    return rows


def _middle(sign: Found) -> float:
    return sign.box[0] + sign.box[2] / 2


def _parts(signs: list[Found]) -> list[list[Found]]:
    height = float(np.median([sign.box[3] for sign in signs if sign.is_digit] or [0]))
    parts: list[list[Found]] = [[]]
    for sign in signs:
        if parts[-1] and _apart(parts[-1][-1], sign) > height:
            parts.append([])
        if sign.character == OTHER:
            parts.append([])
        else:
            parts[-1].append(sign)
    return parts


def _apart(left: Found, right: Found) -> float:
    """The height of a digit beside which the gap between two signs would part them."""
    gap = right.box[0] - left.box[0] - left.box[2]
    return gap / (GAP if left.is_digit and right.is_digit else AROUND_SIGN)


def _number(signs: list[Found]) -> Number:
    corners = np.array([sign.box for sign in signs], float)
    corners[:, 2:] += corners[:, :2]
    low, high = corners[:, :2].min(axis=0), corners[:, 2:].max(axis=0)
    x, y, width, height = (round(float(v)) for v in (*low, *(high - low)))
    text = "".join(sign.character for sign in signs)
    confidence = float(np.prod([sign.confidence for sign in signs]))
    return Number(text, (x, y, width, height), confidence)
