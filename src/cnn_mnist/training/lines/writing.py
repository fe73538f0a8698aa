"""Writing: a text in a style → the ink of the line, and the box of each sign."""

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnn_mnist.inference.recognition.line import ALPHABET, OTHER
from cnn_mnist.training.lines.shapes import MARK, Digits, Ink, Shape, shape
from cnn_mnist.training.lines.style import Style
from cnn_mnist.training.synthetic.strokes import polylines

Random = np.random.Generator
Corners = tuple[float, float, float, float]  # x0, y0, x1, y1 in px

FAR = 1000  # px; the distance of a row without ink


@dataclass(frozen=True)
class Mark:
    """One written sign: its character, of `ALPHABET`, and the corners of its box."""

    character: str
    box: Corners


@dataclass(frozen=True)
class Line:
    """Ink 0..1 H×W, the signs in it from the left, and the height of a digit in px."""

    ink: Ink
    marks: tuple[Mark, ...]
    height: float


class Placed(NamedTuple):
    """A sign and where it stands: the upper left corner of its ink."""

    character: str
    shape: Shape
    x: float
    y: float


def write(text: str, style: Style, digits: Digits, rng: Random) -> Line:
    """Write a text without a margin; an empty text gives one pixel of paper."""
    placed: list[Placed] = []
    cursor, spaced, writing, raised = 0.0, True, style, None
    for character in text:
        if character == " ":
            cursor += rng.uniform(0.4, 1.0) * style.height
            spaced = True
            continue
        if character == "^":
            writing, raised = _smaller(style, rng), len(placed)
            continue
        new = shape(character, writing, digits, rng)
        y = new.top + style.height * rng.normal(0, style.unsteady) - style.rise * cursor
        gap = writing.height * (style.gap + rng.normal(0, 0.5 * style.unsteady))
        x = cursor + max(gap, 0) if spaced else _beside(placed[-1], new, y, gap)
        placed.append(Placed(character, new, x, y))
        cursor, spaced = max(cursor, x + new.ink.shape[1]), False
    if not placed:
        return Line(np.zeros((1, 1), np.float32), (), style.height)
    ink, marks = together(placed, extent(placed))
    _join(ink, marks[:raised], style, rng)
    if raised is not None and rng.random() < 0.5:
        _underline(ink, marks[raised:], style, rng)
    return Line(ink, tuple(marks), style.height)


def _smaller(style: Style, rng: Random) -> Style:
    """The style for the raised cents of an amount."""
    scale = rng.uniform(0.45, 0.75)
    return replace(style, height=scale * style.height, pen=style.pen / scale)


def _underline(ink: Ink, marks: list[Mark], style: Style, rng: Random) -> None:
    """Draw one or two strokes below some signs, as far as the picture reaches."""
    left, right = marks[0].box[0], max(mark.box[2] for mark in marks)
    bottom = max(mark.box[3] for mark in marks)
    thickness = max(1, round(0.8 * style.pen * style.height))
    for _ in range(int(rng.integers(1, 3))):
        bottom += thickness + rng.uniform(0.05, 0.15) * style.height
        ends = np.array([[left, bottom], [right, bottom + rng.normal(0, 0.03) * style.height]])
        polylines(ink, [ends], thickness, 1)


def _beside(left: Placed, new: Shape, y: float, gap: float) -> float:
    """The x at which a sign is `gap` away from the one on its left, in the closest row."""
    width = left.shape.ink.shape[1]
    shift = round(y - left.y)
    top, bottom = max(0, shift), min(len(left.shape.ink), shift + len(new.ink))
    nearest = -FAR
    if bottom > top:
        ends = _ends(left.shape.ink[top:bottom])
        starts = _starts(new.ink[top - shift : bottom - shift])
        nearest = int((ends - starts).max())
    if nearest < -FAR // 2:  # no row has both
        nearest = width
    least = max(0.3 * width, 0.7 * width - 0.5 * new.ink.shape[1])  # the middles stay in order
    return float(left.x + max(nearest + gap, least))


def _starts(ink: Ink) -> NDArray[np.int64]:
    marks = ink > MARK
    return np.where(marks.any(axis=1), marks.argmax(axis=1), FAR)


def _ends(ink: Ink) -> NDArray[np.int64]:
    marks = ink[:, ::-1] > MARK
    return np.where(marks.any(axis=1), ink.shape[1] - marks.argmax(axis=1), -FAR)


def extent(placed: list[Placed]) -> Corners:
    """The box around some signs."""
    left, top = min(p.x for p in placed), min(p.y for p in placed)
    right = max(p.x + p.shape.ink.shape[1] for p in placed)
    return left, top, right, max(p.y + p.shape.ink.shape[0] for p in placed)


def together(placed: list[Placed], area: Corners) -> tuple[Ink, list[Mark]]:
    """The ink of all signs in an area, and their marks there."""
    left, top, right, bottom = area
    ink = np.zeros((int(bottom - top) + 2, int(right - left) + 2), np.float32)
    marks = []
    for character, sign, x, y in placed:
        column, row = round(x - left), round(y - top)
        place = ink[row : row + sign.ink.shape[0], column : column + sign.ink.shape[1]]
        np.maximum(place, sign.ink[: place.shape[0], : place.shape[1]], out=place)
        read = character if character in ALPHABET else OTHER
        marks.append(Mark(read, (column, row, column + place.shape[1], row + place.shape[0])))
    return ink, marks


def lay(ink: Ink, other: Ink, corner: tuple[Any, Any]) -> None:
    """Add other ink with its upper left corner at x, y, as far as it is within the picture."""
    x, y = corner
    rows = slice(max(0, y), max(0, y + len(other)))
    place = ink[rows, x : x + other.shape[1]]
    seen = other[rows.start - y :][: len(place), : place.shape[1]]
    np.maximum(place, seen, out=place)


def moved(marks: tuple[Mark, ...], x: float, y: float) -> tuple[Mark, ...]:
    """The marks shifted by x, y."""
    return tuple(
        Mark(m.character, (m.box[0] + x, m.box[1] + y, m.box[2] + x, m.box[3] + y)) for m in marks
    )


def _join(ink: Ink, marks: list[Mark], style: Style, rng: Random) -> None:
    """Draw strokes that connect a digit with the next one."""
    for left, right in pairwise(marks):
        if not (left.character.isdigit() and right.character.isdigit()):
            continue
        eager = 2 if left.character == right.character == "0" else 1
        if rng.random() >= style.joined * eager:
            continue
        begin = _edge(ink, left.box, rng.uniform(0.05, 0.95), side=-1)
        end = _edge(ink, right.box, rng.uniform(0.05, 0.6), side=0)
        middle = (begin + end) / 2 + [0, rng.uniform(-0.1, 0.25) * style.height]
        polylines(ink, [np.stack([begin, middle, end])], 0.8 * style.pen * style.height, 1)


def _edge(ink: Ink, box: Corners, share: float, side: int) -> NDArray[np.float64]:
    """The first (side 0) or last (-1) mark in a row at a share of a sign's height."""
    x0, y0, x1, y1 = (int(v) for v in box)
    row = min(int(y0 + share * (y1 - y0)), len(ink) - 1)
    columns = np.flatnonzero(ink[row, x0:x1] > MARK)
    return np.array([x0 + (columns[side] if columns.size else (x1 - x0) / 2), row], float)
