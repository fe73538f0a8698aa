"""Grids, drawn, filled in and photographed: tables, sudokus, rows of boxes and score sheets.

Lines are ruled or printed, digits MNIST's test images or print. The same seed gives the same
sheets.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from generators.camera import corners, decoded, moved, photographed, shadowed, view
from generators.cell_writing import Digits, Draw, by_hand, digits_of, in_print
from generators.paper import DESKS, INKS, PLAIN_PAPERS, RULINGS, Paper, Rng, paper, pick, stamp

Quads = NDArray[Any]  # rows×columns×4×2: corners clockwise from the upper left
BLACK = 30, 30, 30
WORDS = "Name", "Total", "Date", "Team", "Sum", "Player", "Week", "Item"


@dataclass(frozen=True)
class Sheet:
    """A photograph, uint8 RGB, the text of its cells, and their corners in it."""

    pixels: NDArray[np.uint8]
    rows: list[list[str]]
    cells: Quads
    kind: str


@dataclass(frozen=True)
class Form:
    """An empty printed grid.

    `boxes` is rows×columns×4 (left, top, right, bottom) in cell heights, `thick_every` the spacing
    of thick lines in rows and columns.
    """

    boxes: NDArray[np.float64]
    thick_every: int = 0


def generate(
    images: NDArray[np.uint8], labels: NDArray[np.uint8], count: int, seed: int = 0
) -> Iterator[Sheet]:
    """Sheets of random kinds; the same seed gives the same sheets."""
    rng = np.random.default_rng([seed, 11])
    digits = digits_of(images, labels)
    for number in range(count):
        yield sheet(list(KINDS)[number % len(KINDS)], digits, rng)


def cut(sheet: Sheet, rng: Rng) -> Sheet:
    """The sheet with one to four sides of the picture cut off within the grid's outer lines."""
    cells, (height, width) = sheet.cells, sheet.pixels.shape[:2]
    outer = cells[:, 0, 0, 0], cells[0, :, 0, 1], cells[:, -1, 1, 0], cells[-1, :, 3, 1]
    sides = np.linalg.norm(cells - np.roll(cells, -1, axis=2), axis=3)
    inside = rng.uniform(0.02, 0.12, 4) * np.median(sides, axis=(0, 1))[[1, 0, 1, 0]]
    left, top, right, bottom = (float(line.mean()) for line in outer)
    box = np.array([left, top, right, bottom]) + inside * [1, 1, -1, -1]
    whole = rng.permutation(4) >= rng.integers(1, 5)
    box[whole] = np.array([0, 0, width, height])[whole]
    x0, y0, x1, y1 = np.rint(box).astype(int)
    return replace(sheet, pixels=sheet.pixels[y0:y1, x0:x1], cells=cells - [x0, y0])


def in_hard_shadow(sheet: Sheet, rng: Rng) -> Sheet:
    """The sheet with a straight shadow over a part of it, whose edge is 1 to 4 px wide."""
    height, width = sheet.pixels.shape[:2]
    y, x = np.indices((height, width), np.float32)
    direction, middle = (
        rng.uniform(0, 2 * np.pi),
        np.array([width, height]) * rng.uniform(0.3, 0.7, 2),
    )
    away = (x - middle[0]) * np.cos(direction) + (y - middle[1]) * np.sin(direction)
    edge = rng.uniform(1, 4)
    shade = np.clip(0.5 + away / edge, 0, 1)
    if rng.random() < 0.5:  # a band
        wide = rng.uniform(0.1, 0.4) * min(height, width)
        shade *= np.clip(0.5 + (wide - away) / edge, 0, 1)
    lit = sheet.pixels * (1 - rng.uniform(0.25, 0.55) * shade[..., None])
    return replace(sheet, pixels=lit.astype(np.uint8))


# --- What stands in the cells ---------------------------------------------------------------


def number(rng: Rng) -> str:
    """One to four digits, some with a decimal point or a minus sign."""
    whole = str(int(rng.integers(0, 10 ** int(rng.integers(1, 5)))))
    if rng.random() < 0.15:
        return f"{whole[:2]}.{int(rng.integers(0, 100)):0{int(rng.integers(1, 3))}d}"
    return whole if rng.random() < 0.93 else f"-{whole}"


def digit(rng: Rng) -> str:
    return str(int(rng.integers(10)))


def filled(shape: tuple[int, int], share: float, write: Callable[[Rng], str], rng: Rng) -> Any:
    rows, columns = shape
    return [
        [write(rng) if rng.random() < share else "" for _ in range(columns)] for _ in range(rows)
    ]


# --- The kinds of sheets --------------------------------------------------------------------

Made = tuple[Form, list[list[str]]]


def _form(widths: NDArray[Any], rows: int, gap: float = 0, thick_every: int = 0) -> Form:
    left = np.concatenate([[0], np.cumsum(widths + gap)[:-1]])
    boxes = np.empty((rows, len(widths), 4))
    boxes[..., 0], boxes[..., 2] = left, left + widths
    boxes[..., 1] = np.arange(rows)[:, None]
    boxes[..., 3] = boxes[..., 1] + 1
    return Form(boxes, thick_every)


def table(rng: Rng) -> Made:
    """Columns of different width."""
    rows, columns = int(rng.integers(3, 13)), int(rng.integers(2, 7))
    form = _form(rng.uniform(1.3, 3.5, columns), rows)
    return form, filled((rows, columns), rng.uniform(0.5, 1), number, rng)


def sudoku(rng: Rng) -> Made:
    form = _form(np.ones(9), 9, thick_every=3)
    return form, filled((9, 9), rng.uniform(0.3, 1), lambda r: str(int(r.integers(1, 10))), rng)


def boxes(rng: Rng) -> Made:
    """Boxes for one digit each, adjacent or apart."""
    rows, columns = int(rng.integers(1, 4)), int(rng.integers(5, 13))
    gap = pick(rng, [0, 0, 0.15, 0.3])
    form = _form(np.full(columns, rng.uniform(0.7, 1.1)), rows, gap)
    return form, filled((rows, columns), rng.uniform(0.5, 1), digit, rng)


def scores(rng: Rng) -> Made:
    """Rows with a running number, a printed heading, and points."""
    rows, columns = int(rng.integers(5, 17)), int(rng.integers(4, 11))
    form = _form(np.append(1.2, rng.uniform(1.5, 2.2, columns - 1)), rows)
    cells = filled((rows, columns), 0.8, lambda r: str(int(r.integers(0, 100))), rng)
    for row in range(rows):
        cells[row][0] = str(row)
    cells[0] = [pick(rng, WORDS) for _ in range(columns)]
    return form, cells


KINDS: dict[str, Callable[[Rng], Made]] = {k.__name__: k for k in (table, sudoku, boxes, scores)}


# --- From a form to a photograph ------------------------------------------------------------


def sheet(kind: str, digits: Digits, rng: Rng) -> Sheet:
    form, rows = KINDS[kind](rng)
    size = np.ceil(form.boxes[..., 2:].max(axis=(0, 1)))
    high = rng.uniform(700, 2000) / (max(size) + 2)  # px of a cell
    high = float(np.clip(high, 36, 130))
    margin = rng.uniform(0.5, 2)
    height, width = (high * (side + 2 * margin) for side in size[::-1])
    page = paper(height, width, pick(rng, PLAIN_PAPERS))
    places = (form.boxes + margin) * high
    _rule(page, form, places, rng)
    written, printed = by_hand(digits, rng), in_print(rng)
    ink = pick(rng, INKS)
    handwritten = rng.random() < 0.75
    for row, texts in enumerate(rows):
        for column, text in enumerate(texts):
            heading = text in WORDS or (kind == "scores" and column == 0)
            write = written if handwritten and not heading else printed
            _fill(page, places[row, column], text, write, ink if write is written else BLACK, rng)
    quads = places[..., [0, 1, 2, 1, 2, 3, 0, 3]].reshape(*places.shape[:2], 4, 2)
    seen, cells = _seen(page, quads, rng)
    said = [["" if text in WORDS else text for text in texts] for texts in rows]
    lit = shadowed(seen, rng, rng.uniform(0, 0.55))
    return Sheet(decoded(photographed(lit, rng, 1.1, 5, (60, 95))), said, cells, kind)


def _rule(page: Paper, form: Form, places: NDArray[Any], rng: Rng) -> None:
    """Draw printed lines, or lines along a ruler that end slightly off."""
    thin = max(1.0, float(np.exp(rng.uniform(np.log(0.012), np.log(0.06)))) * _height(places))
    thick = thin * (rng.uniform(1.8, 3) if form.thick_every else rng.uniform(1, 1.6))
    by_ruler = 0.02 * _height(places) * (rng.random() < 0.3)
    cover = np.zeros(page.shape[:2], np.uint8)
    rows, columns = places.shape[:2]
    for (row, column), box in zip(np.ndindex(rows, columns), places.reshape(-1, 4), strict=True):
        left, top, right, bottom = box
        every = form.thick_every or 10**6
        sides = [
            ((left, top), (right, top), row % every == 0),
            ((left, bottom), (right, bottom), (row + 1) % every == 0 or row + 1 == rows),
            ((left, top), (left, bottom), column % every == 0),
            ((right, top), (right, bottom), (column + 1) % every == 0 or column + 1 == columns),
        ]
        for begin, end, is_thick in sides:
            off = rng.normal(0, by_ruler, 4) if by_ruler else np.zeros(4)
            points = np.rint((np.array([*begin, *end]) + off) * 8).astype(int).reshape(2, 2)
            width = max(1, round(thick if is_thick else thin))
            start, stop = points.tolist()
            cv2.line(cover, start, stop, 255, width, cv2.LINE_AA, 3)
    colour = pick(rng, [BLACK, BLACK, (90, 90, 90), *RULINGS])
    stamp(page, np.divide(cover, 255, dtype=np.float32), (0, 0), colour)


def _height(places: NDArray[Any]) -> float:
    return float(places[0, 0, 3] - places[0, 0, 1])


def _fill(page: Paper, box: Any, text: str, write: Draw, colour: Any, rng: Rng) -> None:
    if not text:
        return
    left, top, right, bottom = box
    ink = write(text, (bottom - top) * rng.uniform(0.45, 0.72))
    most = 0.86 * (right - left)
    if ink.shape[1] > most:
        scale = most / ink.shape[1]
        smaller = cv2.resize(ink, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        ink = np.asarray(smaller, np.float32)
    free = right - left - ink.shape[1], bottom - top - ink.shape[0]
    x, y = (side * np.clip(rng.normal(0.5, 0.14), 0.08, 0.92) for side in free)
    stamp(page, ink, (round(left + x), round(top + y)), colour)


def _seen(page: Paper, quads: Quads, rng: Rng) -> tuple[Paper, Quads]:
    """The page bent, rotated and at an angle on a desk, and the new places of its corners."""
    height, width = page.shape[:2]
    bend = rng.uniform(-0.025, 0.025, 2) * min(height, width) * (rng.random() < 0.6)
    phase = rng.uniform(0, np.pi, 2)
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), rng.uniform(-8, 8), 1)
    frame = corners(height, width).astype(np.float32)
    depth = rng.uniform(0, 0.09)
    off = rng.uniform(-depth, depth, (4, 2)) * [width, height]
    around = rng.uniform(-0.03, 0.12) * min(height, width)
    matrix, size = view(frame, cv2.transform(frame[None], turn)[0] + off, max(around, 2))

    def bent(points: NDArray[Any]) -> NDArray[Any]:
        x, y = points[..., 0], points[..., 1]
        y = y + bend[0] * np.sin(np.pi * x / width + phase[0])
        x = x + bend[1] * np.sin(np.pi * y / height + phase[1])
        return np.stack([x, y], axis=-1)

    def flat(points: NDArray[Any]) -> NDArray[Any]:
        x, y = points[..., 0], points[..., 1]
        x = x - bend[1] * np.sin(np.pi * y / height + phase[1])
        y = y - bend[0] * np.sin(np.pi * x / width + phase[0])
        return np.stack([x, y], axis=-1)

    grid = np.stack(np.meshgrid(*(np.arange(side) for side in size)), axis=-1).astype(np.float64)
    source = flat(moved(grid, np.asarray(np.linalg.inv(matrix), np.float64))).astype(np.float32)
    seen = cv2.remap(page, source[..., 0], source[..., 1], cv2.INTER_AREA, borderValue=(-1,) * 3)
    desk = np.array(pick(rng, DESKS), np.float32)
    return np.where(seen < 0, desk, seen), moved(bent(quads), matrix)
