"""How well pages are read: columns of amounts, notebooks, receipts and forms, and printed text.

    python benchmarks/pages.py [--n 20] [--seeds 5] [--only KIND ...] [--failures FOLDER]

n pages of each kind, over all seeds, are written in hands of MNIST test digits and of the package's
pen strokes, bent, photographed at an angle, and read: upright, rotated by a quarter, a half and
three quarters, and tilted by 10 to 45 degrees. A number counts if its text is exact, including
signs; a line if its numbers are in one line of the reading, after the line before. A number is
false if none was written there. A page of printed text has no digits at all. The last line of
stdout is one JSON object.
"""

import argparse
import json
import os
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from cnn_mnist import Reader, Reading
from cnn_mnist.inference import preview
from cnn_mnist.training.lines import typefaces
from cnn_mnist.training.lines.hand import Hand
from cnn_mnist.training.lines.shapes import Digits
from cnn_mnist.training.lines.writing import write
from conditions import INKS, MISLABELLED, PLAIN_PAPERS, mnist_test, photographed, pick, shadowed

Rng = np.random.Generator
Picture = NDArray[np.uint8]
Point = tuple[float, float]

TURNS = 90, 180, 270
PRINT = [name for name in typefaces.PRINTED if not name.startswith(("cm", "STIXGeneralBolI"))]
LABELS = """
Total Subtotal Tax Bread Milk Butter Apples Coffee Tea Cheese Paper Stamps Rent Water Power
Name Date Amount Account Customer Invoice Order Quantity Price Room Phone Weight Height Score
Player Team Points Balance Deposit Change Cash Ticket Parking Dinner Lunch Hotel Taxi Fuel
""".split()  # noqa: SIM905
WORDS = """
the of and to a in is it I so as on no us go lo Is So Oslo Bill soil loss boss ill OS SOS IO
with that from this they which would there their about other after paper lines digits written
people before without between nothing something question machine letter morning Bilbo Zoo quiz
yellow window garden silver ocean winter BOOK ISBN LILLE SIZE ZOOM Gigli bold sizzle igloo
zigzag
""".split()  # noqa: SIM905


@dataclass(frozen=True)
class Number:
    """A written number, and its centre in the picture's pixels."""

    text: str
    middle: Point


@dataclass(frozen=True)
class Page:
    """A picture, RGB, and its lines of numbers in reading order."""

    picture: Picture
    lines: tuple[tuple[Number, ...], ...]


@dataclass
class Sheet:
    """A page being written: handwritten and printed ink, 0..1, and a digit's height."""

    hand: Hand
    digits: Digits
    rng: Rng
    size: tuple[int, int]  # height, width
    ink: NDArray[np.float32] = field(init=False)
    printed: NDArray[np.float32] = field(init=False)
    lines: list[list[Number]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ink = np.zeros(self.size, np.float32)
        self.printed = np.zeros(self.size, np.float32)

    @property
    def unit(self) -> float:
        """The height of a digit, px."""
        return self.hand.height

    def write(self, text: str, x: float, y: float, flush_right: bool = False) -> float:
        """Write a number on the last line, feet at y, from x or up to x; returns where it ends."""
        line = write(text, replace(self.hand, forms=self.hand.forms), self.digits, self.rng)
        high, wide = line.ink.shape
        left = round(x - wide if flush_right else x)
        top = round(y - max(mark.box[3] for mark in line.marks if mark.character.isdigit()))
        place = self.ink[top : top + high, left : left + wide]
        if top < 0 or left < 0 or place.shape != line.ink.shape:
            return float("inf")  # no room; the caller continues on the next line
        np.maximum(place, line.ink, out=place)
        self.lines[-1].append(Number(text, (left + wide / 2, y - self.unit / 2)))
        return float(left + wide)

    def rule(self, y: float, left: float, right: float, thickness: float = 2) -> None:
        begin, end = (round(left), round(y)), (round(right), round(y))
        cv2.line(self.printed, begin, end, 1.0, max(1, round(thickness)))

    def print(self, text: str, x: float, y: float, height: float, face: str) -> float:
        """Print words in a typeface, feet at y; returns where they end."""
        font = ImageFont.truetype(str(typefaces.printed(face)), max(8, round(height / 0.72)))
        layer = Image.new("L", self.size[::-1])
        ImageDraw.Draw(layer).text((x, y), text, 255, font, anchor="ls")
        np.maximum(self.printed, np.asarray(layer, np.float32) / 255, out=self.printed)
        return float(x + font.getlength(text))


# --- Contents -------------------------------------------------------------------------------


def amount(rng: Rng) -> str:
    """Money, with or without cents."""
    whole = int(10 ** rng.uniform(0, 4))
    shown = f"{whole:,}" if rng.random() < 0.5 else str(whole)
    return f"{shown}.{rng.integers(100):02}" if rng.random() < 0.6 else shown


def number(rng: Rng) -> str:
    """A count, a measure, a date, a time of day."""
    kind = rng.random()
    if kind < 0.6:
        return str(int(10 ** rng.uniform(0, 5)))
    if kind < 0.75:
        return f"{'-' if rng.random() < 0.4 else ''}{rng.uniform(0, 99):.{rng.integers(1, 3)}f}"
    if kind < 0.85:
        return f"{rng.integers(0, 24)}:{rng.integers(0, 60):02}"
    if kind < 0.92:
        return f"-{rng.integers(1, 100)}"
    return f"{rng.integers(1, 29):02}/{rng.integers(1, 13):02}/{rng.integers(1950, 2030)}"


# --- The kinds of pages ---------------------------------------------------------------------

KINDS: dict[str, Callable[[Sheet], None]] = {}


def kind(make: Callable[[Sheet], None]) -> Callable[[Sheet], None]:
    KINDS[make.__name__] = make
    return make


@kind
def column(sheet: Sheet) -> None:
    """One to three columns of amounts side by side, sometimes with a total under a line."""
    rng, unit = sheet.rng, sheet.unit
    count, flush = int(rng.integers(1, 4)), rng.random() < 0.7
    apart = sheet.size[1] / (count + 0.3)
    pitch, bottom = unit * rng.uniform(1.6, 2.6), sheet.size[0] - 1.5 * unit
    rows = int(rng.integers(4, 21))
    for row, y in enumerate(np.arange(2.5 * unit, bottom, pitch)[:rows]):
        sheet.lines.append([])
        if row and row + 1 == rows:
            sheet.rule(y - 1.25 * unit, 0.2 * unit, sheet.size[1] - unit)
        for place in range(count):
            x = apart * (place + (0.9 if flush else 0.2)) + unit * rng.normal(0, 0.1)
            sheet.write(amount(rng), x, y + unit * rng.normal(0, 0.05), flush)


@kind
def notebook(sheet: Sheet) -> None:
    """Ruled or blank paper with lines of numbers."""
    rng, unit = sheet.rng, sheet.unit
    pitch, ruled = unit * rng.uniform(1.7, 2.6), rng.random() < 0.7
    thickness = max(1, unit * rng.uniform(0.02, 0.05))
    rows = np.arange(3 * unit, sheet.size[0] - unit, pitch)
    written = rng.integers(3, len(rows) + 1)
    for row, y in enumerate(rows):
        if ruled:
            sheet.rule(y + 0.12 * unit, 0, sheet.size[1], thickness)
        if row >= written:
            continue
        sheet.lines.append([])
        x = unit * rng.uniform(0.8, 3)
        for _ in range(int(rng.integers(1, 6))):
            if x > sheet.size[1] - 5 * unit:
                break
            x = sheet.write(number(rng), x, y) + unit * rng.uniform(1.3, 3.5)


@kind
def receipt(sheet: Sheet) -> None:
    """Printed words, and an amount beside each."""
    rng, unit = sheet.rng, sheet.unit
    face, size = pick(rng, PRINT), unit * rng.uniform(0.45, 0.9)
    sheet.print(" ".join(rng.choice(WORDS, 2)), unit, 2 * unit, 1.2 * size, face)
    pitch = unit * rng.uniform(1.6, 2.4)
    near = rng.random() < 0.4  # the amount follows its word, or is at the right edge
    for y in np.arange(4 * unit, sheet.size[0] - unit, pitch)[: int(rng.integers(4, 21))]:
        sheet.lines.append([])
        end = sheet.print(
            " ".join(rng.choice(LABELS, int(rng.integers(1, 3)))), unit, y, size, face
        )
        if near:
            sheet.write(amount(rng), end + unit * rng.uniform(0.8, 1.5), y)
        else:
            sheet.write(amount(rng), sheet.size[1] - unit, y, True)


@kind
def form(sheet: Sheet) -> None:
    """Small printed labels, each with a number on a line below or beside it."""
    rng, unit = sheet.rng, sheet.unit
    face, size = pick(rng, PRINT), unit * rng.uniform(0.3, 0.6)
    above, count = rng.random() < 0.5, int(rng.integers(1, 3))
    apart = (sheet.size[1] - unit) / count
    for y in np.arange(3.5 * unit, sheet.size[0] - unit, unit * rng.uniform(2.6, 3.4)):
        sheet.lines.append([])
        for place in range(count):
            x, label = unit + apart * place, str(pick(rng, LABELS))
            end = sheet.print(label, x, y - (1.4 * unit if above else 0), size, face)
            sheet.rule(y + 0.2 * unit, x if above else end + 0.2 * unit, x + apart - unit)
            sheet.write(number(rng), x + 0.5 * unit if above else end + unit, y)


@kind
def text(sheet: Sheet) -> None:
    """Printed words only, in one size with a heading or in several."""
    rng, unit = sheet.rng, sheet.unit
    face, y = pick(rng, PRINT), 2 * unit
    size, several = unit * rng.uniform(0.4, 1), rng.random() < 0.3
    while y < sheet.size[0] - unit:
        x, high = unit, size * (rng.uniform(0.6, 2.5) if several or y == 2 * unit else 1)
        while x < sheet.size[1] - 6 * high:
            word = str(pick(rng, WORDS)) + pick(rng, ["", "", "", "", ",", ".", ":", "?"])
            x = sheet.print(word, x, y, high, face) + 0.5 * high
        y += high * rng.uniform(1.7, 2.4)


# --- What happens to a page -----------------------------------------------------------------


def generate(
    name: str, images: Picture, labels: Picture, count: int, seed: int, tilt: Point = (0, 3)
) -> Iterator[Page]:
    """Pages of one kind.

    Args:
        images, labels: of MNIST, uint8 N×28×28 and N.
        tilt: degrees, from and to, in either direction.
    """
    rng = np.random.default_rng([seed, zlib.crc32(name.encode()), round(tilt[1])])
    right = np.setdiff1d(np.arange(len(images)), list(MISLABELLED))
    digits = Digits.of(images[right], labels[right].astype(np.int64))
    for _ in range(count):
        sheet = Sheet(legible_hand(rng), digits, rng, pick(rng, [(1500, 1100), (1100, 1500)]))
        KINDS[name](sheet)
        yield photograph(sheet, rng.uniform(*tilt) * pick(rng, [-1, 1]))


def legible_hand(rng: Rng) -> Hand:
    """A hand that leaves gaps between digits, and a pen that makes visible dots."""
    return Hand(
        source="mnist" if rng.random() < 0.6 else "strokes",
        height=rng.uniform(28, 60),
        pen=rng.uniform(0.08, 0.15),
        slant=rng.normal(0.1, 0.12),
        aspect=rng.uniform(0.85, 1.3),
        round_zero=rng.uniform(0.9, 1.3),
        gap=rng.uniform(0.06, 0.3),
        unsteady=rng.uniform(0, 0.05),
        tremor=rng.uniform(0, 0.2),
        rise=rng.normal(0, 0.01),
        joined=0.0,
    )


def photograph(sheet: Sheet, tilt: float) -> Page:
    """Bend, tilt and light the page, and save it as a JPEG."""
    rng = sheet.rng
    bend, matrix, size = _bend(sheet, rng), *_view(sheet.size, tilt, rng)
    inks = [_moved(layer, bend, matrix, size) for layer in (sheet.printed, sheet.ink)]
    page = np.full((size[1], size[0], 3), pick(rng, PLAIN_PAPERS), np.float32)
    for ink, colour in zip(inks, ((40, 40, 45), pick(rng, INKS)), strict=True):
        page += ink[..., None] * (np.array(colour, np.float32) - page)
    data = photographed(shadowed(page, rng, rng.uniform(0, 0.4)), rng, 0.9, 4)
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]

    def seen(number: Number) -> Number:
        x, y = number.middle
        flat = np.array([[[x, y + bend[round(x)]]]], np.float64)
        (place,) = cv2.perspectiveTransform(flat, matrix)[0].tolist()
        return replace(number, middle=tuple(place))

    lines = tuple(tuple(map(seen, line)) for line in sheet.lines if line)
    return Page(np.ascontiguousarray(picture), lines)


def _bend(sheet: Sheet, rng: Rng) -> NDArray[np.float64]:
    """How far each column moves down on paper that is not flat."""
    x = np.arange(sheet.size[1])
    wave = np.sin(2 * np.pi * (rng.uniform(0.3, 1) * x / sheet.size[1] + rng.random()))
    return np.asarray(rng.uniform(0, 0.4) * sheet.unit * wave)


def _view(
    size: tuple[int, int], tilt: float, rng: Rng
) -> tuple[NDArray[np.float64], tuple[int, int]]:
    """The homography of a tilted camera that does not look straight down."""
    high, wide = size
    corners = np.array([[0, 0], [wide, 0], [wide, high], [0, high]], np.float64)
    turn = cv2.getRotationMatrix2D((0, 0), -tilt, 1)[:, :2]
    seen = corners @ turn.T + rng.uniform(-0.02, 0.02, (4, 2)) * max(size)
    seen -= seen.min(axis=0)
    reach = np.ceil(seen.max(axis=0)).astype(int)
    matrix = cv2.getPerspectiveTransform(corners.astype(np.float32), seen.astype(np.float32))
    return matrix, (int(reach[0]), int(reach[1]))


def _moved(
    ink: NDArray[np.float32], bend: Any, matrix: Any, size: tuple[int, int]
) -> NDArray[np.float32]:
    x, y = np.meshgrid(*(np.arange(side, dtype=np.float32) for side in ink.shape[::-1]))
    bent = cv2.remap(ink, x, y - bend.astype(np.float32), cv2.INTER_LINEAR)
    return np.asarray(cv2.warpPerspective(bent, matrix, size), np.float32)


# --- The score ------------------------------------------------------------------------------


@dataclass
class Score:
    """Counts over pages."""

    pages: int = 0
    numbers: int = 0
    exact: int = 0
    lines: int = 0
    in_order: int = 0
    false: int = 0
    seconds: float = 0.0

    def add(self, page: Page, reading: Reading) -> bool:
        """Add a reading; returns whether all of it is right."""
        places = [_place(number, reading) for line in page.lines for number in line]
        read = [number for line in reading.lines for number in line.numbers]
        written = [number.text for line in page.lines for number in line]
        exact = sum(
            place is not None and read[place].text == text
            for place, text in zip(places, written, strict=True)
        )
        in_order = _in_order(page, reading, places)
        false = len(read) - len({place for place in places if place is not None})
        self.pages += 1
        self.numbers, self.exact = self.numbers + len(written), self.exact + exact
        self.lines, self.in_order = self.lines + len(page.lines), self.in_order + in_order
        self.false += false
        return exact == len(written) and in_order == len(page.lines) and not false

    def to_dict(self) -> dict[str, Any]:
        return {
            "pages": self.pages,
            "numbers": self.numbers,
            "exact": self.exact,
            "lines": self.lines,
            "in_order": self.in_order,
            "false": self.false,
            "seconds": round(self.seconds / max(1, self.pages), 3),
        }


def _place(number: Number, reading: Reading) -> int | None:
    """The index of the reading's number at the place of a written one."""
    read = [number for line in reading.lines for number in line.numbers]
    for place, found in enumerate(read):
        x, y, width, height = found.box
        right, below = number.middle[0] - x, number.middle[1] - y
        if 0 <= right <= width and 0 <= below <= height:
            return place
    return None


def _in_order(page: Page, reading: Reading, places: list[int | None]) -> int:
    """How many lines are each within one line of the reading, in order."""
    owner = [row for row, line in enumerate(reading.lines) for _ in line.numbers]
    count, rest, last = 0, iter(places), -1
    for line in page.lines:
        found = [next(rest) for _ in line]
        known = [place for place in found if place is not None]
        rows = {owner[place] for place in known}
        row = min(rows, default=-1)
        count += (
            len(known) == len(line) and len(rows) == 1 and known == sorted(known) and row > last
        )
        last = max(last, row)
    return count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=20, help="pages per kind, over all seeds")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--mnist", type=Path, default=os.environ.get("CNN_MNIST_DATA"))
    parser.add_argument("--failures", type=Path, help="folder for pictures of the failures")
    args = parser.parse_args()
    if args.mnist is None:
        parser.error("the hands need MNIST's test files: give --mnist or CNN_MNIST_DATA")
    cv2.setNumThreads(1)
    reader, mnist = Reader(threads=1), mnist_test(args.mnist)
    result: dict[str, Any] = {}

    def pages(name: str, tilt: Point) -> Iterator[Page]:
        for seed in range(args.seeds):
            yield from generate(name, *mnist, args.n // args.seeds, seed, tilt)

    for name in args.only:
        upright, tilted = Score(), Score()
        turned = {"pages": 0, "alike": 0}
        for number, page in enumerate(pages(name, (0, 3))):
            reading = _read(reader, page, upright)
            if not upright.add(page, reading) and args.failures:
                args.failures.mkdir(parents=True, exist_ok=True)
                preview.write(page.picture, reading, args.failures / f"{name}_{number:03}.png")
            for degrees in TURNS:
                again = reader.read(np.ascontiguousarray(np.rot90(page.picture, -degrees // 90)))
                turned["pages"] += 1
                turned["alike"] += [x.text for x in again.lines] == [x.text for x in reading.lines]
        for page in pages(name, (10, 45)):
            tilted.add(page, _read(reader, page, tilted))
        result[name] = {"upright": upright.to_dict(), "turned": turned, "tilted": tilted.to_dict()}
        print(f"{name:10}", json.dumps(result[name]), flush=True)
    print(json.dumps(result))


def _read(reader: Reader, page: Page, score: Score) -> Reading:
    began = time.process_time()
    reading = reader.read(page.picture)
    score.seconds += time.process_time() - began
    return reading


if __name__ == "__main__":
    main()
