"""How well grids are read: tables, sudokus, rows of boxes and score sheets, drawn and photographed.

    python benchmarks/sheets.py [--n 20] [--seeds 0 1 2 3 4] [--failures FOLDER] [--example FILE]

A sheet is drawn with ruled or printed lines, thick or thin, filled in by hand (MNIST test digits)
or in print, then bent, rotated, seen at an angle, lit from one side, and saved as a JPEG. A cell is
found if its row and column are right and the centre of its box is in the drawn cell; it is exact if
its text is right, too. The last line of stdout is one JSON object.
"""

import argparse
import io
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cnn_mnist import Reader, Reading
from cnn_mnist.training.lines import typefaces
from conditions import (
    INKS,
    MISLABELLED,
    PLAIN_PAPERS,
    RULINGS,
    Paper,
    Rng,
    mnist_test,
    paper,
    photographed,
    pick,
    shadowed,
    stamp,
)
from pen import Coverage

Quads = NDArray[Any]  # rows×columns×4×2: corners clockwise from the upper left
Draw = Callable[[str, float], Coverage]  # a text and the height of its digits → its ink
BLACK = 30, 30, 30
WORDS = "Name", "Total", "Date", "Team", "Sum", "Player", "Week", "Item"
DESKS = (90, 60, 40), (40, 40, 45), (130, 110, 90), (215, 210, 200)


@dataclass(frozen=True)
class Sheet:
    """A photograph, uint8 RGB, the text of its cells, and their corners in it."""

    pixels: NDArray[np.uint8]
    rows: list[list[str]]
    cells: Quads
    kind: str


@dataclass(frozen=True)
class Form:
    """An empty printed grid: boxes rows×columns×4 (left, top, right, bottom) in cell heights, and
    the spacing of thick lines in rows and columns."""

    boxes: NDArray[np.float64]
    thick_every: int = 0


def generate(
    images: NDArray[np.uint8], labels: NDArray[np.uint8], count: int, seed: int = 0
) -> Iterator[Sheet]:
    """Sheets of random kinds; the same seed gives the same sheets."""
    rng = np.random.default_rng([seed, 11])
    digits = _digits(images, labels)
    for number in range(count):
        yield sheet(list(KINDS)[number % len(KINDS)], digits, rng)


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
    cells[0] = [pick(rng, list(WORDS)) for _ in range(columns)]
    return form, cells


KINDS: dict[str, Callable[[Rng], Made]] = {k.__name__: k for k in (table, sudoku, boxes, scores)}


# --- From a form to a photograph ------------------------------------------------------------


def sheet(kind: str, digits: dict[str, list[Any]], rng: Rng) -> Sheet:
    form, rows = KINDS[kind](rng)
    size = np.ceil(form.boxes[..., 2:].max(axis=(0, 1)))
    high = rng.uniform(700, 2000) / (max(size) + 2)  # px of a cell
    high = float(np.clip(high, 36, 130))
    margin = rng.uniform(0.5, 2)
    page = paper(*(high * (side + 2 * margin) for side in size[::-1]), pick(rng, PLAIN_PAPERS))
    places = (form.boxes + margin) * high
    _rule(page, form, places, rng)
    by_hand, printed = _hand(digits, rng), _print(rng)
    ink = pick(rng, INKS)
    handwritten = rng.random() < 0.75
    for row, texts in enumerate(rows):
        for column, text in enumerate(texts):
            heading = text in WORDS or (kind == "scores" and column == 0)
            write = by_hand if handwritten and not heading else printed
            _fill(page, places[row, column], text, write, ink if write is by_hand else BLACK, rng)
    corners = places[..., [0, 1, 2, 1, 2, 3, 0, 3]].reshape(*places.shape[:2], 4, 2)
    seen, cells = _seen(page, corners, rng)
    said = [["" if text in WORDS else text for text in texts] for texts in rows]
    return Sheet(_jpeg(seen, rng), said, cells, kind)


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
            cv2.line(cover, *map(tuple, points.tolist()), 255, width, cv2.LINE_AA, 3)
    colour = pick(rng, [BLACK, BLACK, (90, 90, 90), *RULINGS])
    page += (cover / np.float32(255))[..., None] * (np.array(colour, np.float32) - page)


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
        ink = cv2.resize(ink, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    free = right - left - ink.shape[1], bottom - top - ink.shape[0]
    x, y = (side * np.clip(rng.normal(0.5, 0.14), 0.08, 0.92) for side in free)
    stamp(page, np.asarray(ink, np.float32), (round(left + x), round(top + y)), colour)


def _digits(images: Any, labels: Any) -> dict[str, list[Any]]:
    """The images of each digit, cropped to the ink."""
    found: dict[str, list[Any]] = {}
    for index, (image, label) in enumerate(zip(images, labels, strict=True)):
        if index not in MISLABELLED:
            found.setdefault(str(label), []).append(_tight(image / np.float32(255)))
    return found


def _hand(digits: dict[str, list[Any]], rng: Rng) -> Draw:
    apart = rng.uniform(0.06, 0.2)

    def write(text: str, height: float) -> Coverage:
        line = np.zeros((round(1.5 * height), round(height * (1.4 * len(text) + 1))), np.float32)
        x, floor, pen = 0.0, 1.25 * height, max(2, round(0.12 * height))
        for character in text:
            if character in digits:
                ink = _enlarged(pick(rng, digits[character]), height * rng.uniform(0.9, 1.05))
            else:
                ink = np.ones((pen, pen if character == "." else round(0.4 * height)), np.float32)
            middle = character == "-"
            y = floor - (0.5 * height if middle else ink.shape[0]) + rng.normal(0, 0.02) * height
            _lay(line, ink, round(x), round(y))
            x += ink.shape[1] + height * apart * rng.uniform(0.6, 1.4)
        return _tight(line)

    return write


def _enlarged(image: Coverage, height: float) -> Coverage:
    """An MNIST digit with smooth edges; a wide one is lower, as in MNIST."""
    scale = height / max(image.shape)
    large = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(2.5 * (large - 0.5) + 0.5, 0, 1), np.float32)


def _print(rng: Rng) -> Draw:
    face = typefaces.printed(pick(rng, list(typefaces.PRINTED[:10])))

    def write(text: str, height: float) -> Coverage:
        unit = typefaces.height(face)
        line = np.zeros((3 * unit, 3 * unit * len(text)), np.float32)
        x = 0
        for character in text:
            ink, top = typefaces.draw(face, character)
            _lay(line, ink, x, unit + top)
            x += ink.shape[1] + round(0.12 * unit)
        ink, scale = _tight(line), height / unit
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        return np.asarray(cv2.resize(ink, None, fx=scale, fy=scale, interpolation=how))

    return write


def _lay(line: Coverage, ink: Coverage, x: int, y: int) -> None:
    y = max(0, y)
    part = line[y : y + ink.shape[0], x : x + ink.shape[1]]
    np.maximum(part, ink[: part.shape[0], : part.shape[1]], out=part)


def _tight(line: Coverage) -> Coverage:
    x, y, wide, high = cv2.boundingRect((line > 0).astype(np.uint8))
    return line[y : y + high, x : x + wide]


def _seen(page: Paper, corners: Quads, rng: Rng) -> tuple[Paper, Quads]:
    """The page bent, rotated and at an angle on a desk, and the new places of its corners."""
    height, width = page.shape[:2]
    bend = rng.uniform(-0.025, 0.025, 2) * min(height, width) * (rng.random() < 0.6)
    phase = rng.uniform(0, np.pi, 2)
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), rng.uniform(-8, 8), 1)
    frame = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    depth = rng.uniform(0, 0.09)
    moved = cv2.transform(frame[None], turn)[0] + rng.uniform(-depth, depth, (4, 2)) * [
        width,
        height,
    ]
    around = rng.uniform(-0.03, 0.12) * min(height, width)
    moved -= moved.min(axis=0) - max(around, 2)
    size = np.ceil(moved.max(axis=0) + max(around, 2)).astype(int)
    matrix = cv2.getPerspectiveTransform(frame, moved.astype(np.float32))

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
    back = cv2.perspectiveTransform(grid.reshape(1, -1, 2), np.linalg.inv(matrix)).reshape(
        grid.shape
    )
    source = flat(back).astype(np.float32)
    seen = cv2.remap(page, source[..., 0], source[..., 1], cv2.INTER_AREA, borderValue=(-1,) * 3)
    seen = np.where(seen < 0, np.array(pick(rng, list(DESKS)), np.float32), seen)
    where = cv2.perspectiveTransform(bent(corners).reshape(1, -1, 2), matrix)
    return np.asarray(seen, np.float32), where.reshape(corners.shape)


def _jpeg(page: Paper, rng: Rng) -> NDArray[np.uint8]:
    lit = shadowed(page, rng, rng.uniform(0, 0.55))
    with Image.open(io.BytesIO(photographed(lit, rng, 1.1, 5, (60, 95)))) as picture:
        return np.asarray(picture.convert("RGB"))


# --- Scoring --------------------------------------------------------------------------------


def score(reading: Reading, truth: Sheet) -> tuple[int, int]:
    """Cells found, and cells exact."""
    if [len(line.numbers) for line in reading.lines] != [len(row) for row in truth.rows]:
        return 0, 0
    found = exact = 0
    for line, texts, cells in zip(reading.lines, truth.rows, truth.cells, strict=True):
        for said, text, cell in zip(line.numbers, texts, cells, strict=True):
            x, y, wide, high = said.box
            middle = x + wide / 2, y + high / 2
            inside = cv2.pointPolygonTest(cell.astype(np.float32), middle, False) > 0
            found += inside
            exact += inside and said.text == text
    return found, exact


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=20, help="sheets per seed")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--mnist", type=Path, default=os.environ.get("CNN_MNIST_DATA"))
    parser.add_argument("--example", type=Path, help="only write a score sheet as JPEG")
    parser.add_argument("--failures", type=Path, help="folder for misread sheets")
    args = parser.parse_args()
    if args.mnist is None:
        parser.error("give the folder of MNIST's test files: --mnist or CNN_MNIST_DATA")
    images, labels = mnist_test(args.mnist)
    if args.example:
        _example(images, labels, args.seeds[0]).save(args.example, quality=80)
        return
    reader = Reader(threads=1)
    totals = {kind: np.zeros(4, np.int64) for kind in KINDS}  # sheets, cells, found, exact
    seconds, by_seed = 0.0, {}
    for seed in args.seeds:
        of_seed = np.zeros(4, np.int64)
        for number, truth in enumerate(generate(images, labels, args.n, seed)):
            began = time.process_time()
            reading = reader.read(truth.pixels)
            seconds += time.process_time() - began
            cells = sum(len(row) for row in truth.rows)
            row = np.array([1, cells, *score(reading, truth)])
            totals[truth.kind] += row
            of_seed += row
            if row[3] < cells and args.failures:
                _keep(args.failures / f"{truth.kind}_{seed}_{number}", truth, reading, row)
        by_seed[seed] = of_seed
        _show(f"seed {seed}", of_seed)
    for kind, row in totals.items():
        _show(kind, row)
    whole = sum(totals.values())
    _show("all", whole)
    names = "sheets", "cells", "found", "exact"
    result = {k: dict(zip(names, map(int, row), strict=True)) for k, row in totals.items()}
    print(json.dumps({**result, "seconds_a_sheet": round(seconds / int(whole[0]), 3)}))


def _example(images: Any, labels: Any, seed: int) -> Image.Image:
    sheets = generate(images, labels, 4 * len(KINDS), seed)
    picture = Image.fromarray(next(s for s in sheets if s.kind == "scores").pixels)
    picture.thumbnail((900, 900))
    return picture


def _show(name: str, row: NDArray[np.int64]) -> None:
    sheets, cells, found, exact = row.tolist()
    print(f"{name:10} {sheets:4} sheets {cells:6} cells  found {found / max(1, cells):7.2%}"
          f"  exact {exact / max(1, cells):7.2%}", flush=True)  # fmt: skip


def _keep(path: Path, truth: Sheet, reading: Reading, row: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(truth.pixels).save(path.with_suffix(".png"))
    said = [[n.text for n in line.numbers] for line in reading.lines]
    wrong = [
        f"row {r} column {c}: {text or 'empty'} read as {said[r][c] or 'empty'}"
        for r, texts in enumerate(truth.rows)
        for c, text in enumerate(texts)
        if r < len(said) and c < len(said[r]) and said[r][c] != text
    ]
    shape = [len(line) for line in said]
    path.with_suffix(".txt").write_text("\n".join([f"{row.tolist()} {shape}", *wrong]) + "\n")


if __name__ == "__main__":
    main()
