"""The kinds of pages: columns of amounts, notebooks, receipts and forms; and printed text."""

from collections.abc import Callable
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from cnn_mnist.training.lines import typefaces
from cnn_mnist.training.lines.shapes import Digits
from cnn_mnist.training.lines.style import Style
from cnn_mnist.training.lines.writing import write
from generators.paper import Rng, pick

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
    middle: tuple[float, float]


@dataclass
class Sheet:
    """A page being written: handwritten and printed ink, 0..1, and a digit's height."""

    style: Style
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
        return self.style.height

    def write(self, text: str, x: float, y: float, flush_right: bool = False) -> float:
        """Write a number on the last line, feet at y, from x or up to x; returns where it ends."""
        line = write(text, self.style, self.digits, self.rng)
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
