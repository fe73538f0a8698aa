"""Hard conditions for a reader of handwriting, made from MNIST test digits.

Each condition is a function (strokes of the digits, rng) → Picture, as a camera, a scanner or a
drawing program would produce it. The same seed gives the same pictures.
"""

import io
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cnn_mnist.training.data import WRONG_TEST_LABELS
from generators import pen as pens
from generators.camera import photographed, shadowed
from generators.paper import (
    DESKS,
    INKS,
    PAPERS,
    PLAIN_PAPERS,
    SCREENS,
    WHITE,
    Colour,
    Paper,
    Rng,
    as_drawn,
    paper,
    pick,
    ruled,
    somewhere,
    stamp,
)
from generators.pen import Coverage, Stroke

Digits = list[list[Stroke]]

LIKENESS = 0.92


@dataclass(frozen=True)
class Picture:
    """A picture to read, and its text. `ideal` holds each digit's own ink."""

    source: bytes | NDArray[np.uint8]
    truth: str
    ideal: list[Coverage]


def generate(
    name: str, images: NDArray[np.uint8], labels: NDArray[np.uint8], n: int, seed: int = 0
) -> Iterator[Picture]:
    """Draw n pictures of one condition, of random digits.

    Skipped are mislabelled images, and those whose redrawn strokes are not like them (one in
    twelve; mostly loops filled in by a broad pen).
    """
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    traced = _traced(images, rng)
    for _ in range(n):
        length = int(rng.integers(2, 13)) if name in ROWS else 1
        chosen = [next(traced) for _ in range(length)]
        source, ideal = CONDITIONS[name]([strokes for _, strokes in chosen], rng)
        yield Picture(source, "".join(str(labels[index]) for index, _ in chosen), ideal)


def _traced(images: NDArray[np.uint8], rng: Rng) -> Iterator[tuple[int, list[Stroke]]]:
    while True:
        index = int(rng.integers(len(images)))
        strokes = pens.trace(images[index])
        if index not in WRONG_TEST_LABELS and pens.likeness(images[index], strokes) >= LIKENESS:
            yield index, strokes


def written(digits: Digits, rng: Rng, height: float, pen: float, angle: float = 15) -> Coverage:
    return pens.draw(digits[0], height, max(pen, 1), rng.uniform(-angle, angle))


# --- The conditions -------------------------------------------------------------------------

Made = tuple[bytes | NDArray[np.uint8], list[Coverage]]
CONDITIONS: dict[str, Callable[[Digits, Rng], Made]] = {}


def condition(make: Callable[[Digits, Rng], Made]) -> Callable[[Digits, Rng], Made]:
    CONDITIONS[make.__name__] = make
    return make


@condition
def canvas(digits: Digits, rng: Rng) -> Made:
    """A drawing program: any size and place, pens of 1 to 40 px, sometimes light on dark."""
    pen = float(np.exp(rng.uniform(0, np.log(40))))
    height = rng.uniform(max(28, 6 * pen), max(60, min(600, 60 * pen)))
    ink = written(digits, rng, height, pen)
    side = max(ink.shape) * rng.uniform(1.05, 2.5) + 12
    ground, colour = pick(rng, SCREENS)
    page = paper(side, side, ground)
    stamp(page, ink, somewhere(page, ink, rng), colour)
    return as_drawn(page), [ink]


def _note(
    digits: Digits, rng: Rng, papers: list[Colour]
) -> tuple[Paper, Coverage, tuple[int, int]]:
    """A digit's ink and a piece of paper for it."""
    height = rng.uniform(50, 250)
    ink = written(digits, rng, height, height * rng.uniform(0.03, 0.14))
    high, wide = (max(height * rng.uniform(1.4, 4), side + 10) for side in ink.shape)
    page = paper(high, wide, pick(rng, papers))
    return page, ink, somewhere(page, ink, rng)


def _photo(digits: Digits, rng: Rng, shadow: float, papers: list[Colour] = PLAIN_PAPERS) -> Made:
    page, ink, place = _note(digits, rng, papers)
    stamp(page, ink, place, pick(rng, INKS))
    return photographed(shadowed(page, rng, shadow), rng), [ink]


@condition
def photo(digits: Digits, rng: Rng) -> Made:
    """A phone photo under even light."""
    return _photo(digits, rng, 0)


@condition
def shadow50(digits: Digits, rng: Rng) -> Made:
    """A shadow that removes half of the light."""
    return _photo(digits, rng, 0.5)


@condition
def shadow80(digits: Digits, rng: Rng) -> Made:
    """A shadow that removes four fifths of the light."""
    return _photo(digits, rng, 0.8)


@condition
def coloured(digits: Digits, rng: Rng) -> Made:
    """Coloured paper and coloured ink."""
    return _photo(digits, rng, rng.uniform(0, 0.4), PAPERS[6:])


def _printed(digits: Digits, rng: Rng, squared: bool) -> Made:
    page, ink, place = _note(digits, rng, PLAIN_PAPERS)
    height = max(ink.shape)
    gap = height * (rng.uniform(0.3, 0.9) if squared else rng.uniform(0.5, 1.6))
    ruled(page, rng, max(gap, 8), height * rng.uniform(0.008, 0.025), squared)
    stamp(page, ink, place, pick(rng, INKS))
    return photographed(shadowed(page, rng, rng.uniform(0, 0.4)), rng, 0.9, 4), [ink]


@condition
def ruled_paper(digits: Digits, rng: Rng) -> Made:
    """Paper with horizontal lines."""
    return _printed(digits, rng, squared=False)


@condition
def squared_paper(digits: Digits, rng: Rng) -> Made:
    """Paper with squares, down to a third of the digit."""
    return _printed(digits, rng, squared=True)


@condition
def hairline(digits: Digits, rng: Rng) -> Made:
    """A pen of 1 to 3 px on a large page, drawn or photographed."""
    ink = written(digits, rng, rng.uniform(100, 500), rng.uniform(1, 3))
    side = max(ink.shape) * rng.uniform(1.3, 4)
    page = paper(side, side * rng.uniform(0.8, 1.3) + 20, pick(rng, PLAIN_PAPERS))
    stamp(page, ink, somewhere(page, ink, rng), pick(rng, INKS))
    drawn = rng.random() < 0.5
    return as_drawn(page) if drawn else photographed(page, rng, 0.6, 4, (70, 95)), [ink]


@condition
def pencil(digits: Digits, rng: Rng) -> Made:
    """Grainy pencil or pale ink, a quarter to a half darker than its paper."""
    page, ink, place = _note(digits, rng, PLAIN_PAPERS)
    grain = cv2.GaussianBlur(rng.normal(0, 1, ink.shape).astype(np.float32), (0, 0), 3)
    pale = page[0, 0] * (rng.uniform(0.55, 0.75) if rng.random() < 0.6 else [0.71, 0.81, 0.95])
    stamp(page, ink * np.clip(0.8 + 0.7 * grain, 0.3, 1), place, pale)
    return photographed(shadowed(page, rng, rng.uniform(0, 0.4)), rng, 1.0, 3.5), [ink]


@condition
def tiny(digits: Digits, rng: Rng) -> Made:
    """A digit of 22 to 50 px on a page of up to 1,600."""
    height = rng.uniform(22, 50)
    ink = written(digits, rng, height, height * rng.uniform(0.05, 0.12))
    side = rng.uniform(600, 1600)
    page = paper(side, 0.75 * side, pick(rng, PLAIN_PAPERS))
    stamp(page, ink, somewhere(page, ink, rng, 40), pick(rng, INKS))
    drawn = rng.random() < 0.5
    return as_drawn(page) if drawn else photographed(page, rng, 0.6, 3, (75, 95)), [ink]


@condition
def border(digits: Digits, rng: Rng) -> Made:
    """A digit that touches the picture's border."""
    height = rng.uniform(50, 200)
    ink = written(digits, rng, height, height * rng.uniform(0.04, 0.12))
    page = paper(1.6 * height + 20, 1.6 * height + 20, pick(rng, PLAIN_PAPERS))
    x, y = somewhere(page, ink, rng)
    far = page.shape[1] - ink.shape[1] + 1, page.shape[0] - ink.shape[0] + 1
    place = pick(rng, [(-1, y), (x, -1), (far[0], y), (x, far[1])])
    stamp(page, ink, place, pick(rng, INKS))
    return photographed(page, rng), [ink]


@condition
def desk(digits: Digits, rng: Rng) -> Made:
    """A page on a dark desk that covers a third of the picture or more."""
    height = rng.uniform(80, 250)
    ink = written(digits, rng, height, height * rng.uniform(0.03, 0.1))
    side = int(3.2 * height)
    page = paper(side, side, pick(rng, PLAIN_PAPERS))
    stamp(page, ink, somewhere(page, ink, rng, 0.4 * height), pick(rng, INKS))
    around = rng.uniform(0.02, 0.35, 4) * side
    left, top, right, bottom = (int(value) for value in around)
    wide = cv2.copyMakeBorder(page, top, bottom, left, right, cv2.BORDER_CONSTANT, value=(-1,) * 3)
    turn = cv2.getRotationMatrix2D((left + side / 2, top + side / 2), rng.uniform(-6, 6), 1)
    size = wide.shape[1], wide.shape[0]
    seen = cv2.warpAffine(wide, turn, size, borderMode=cv2.BORDER_CONSTANT, borderValue=(-1,) * 3)
    table = pick(rng, DESKS[:3])
    page = np.where(seen < 0, np.array(table, np.float32), seen)
    return photographed(shadowed(page, rng, rng.uniform(0, 0.5)), rng), [ink]


@condition
def glare(digits: Digits, rng: Rng) -> Made:
    """A lamp's reflection that washes out part of the page."""
    page, ink, place = _note(digits, rng, PLAIN_PAPERS[2:])
    stamp(page, ink, place, pick(rng, INKS))
    height, width = page.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    across, down = x / width - rng.uniform(0, 1), y / height - rng.uniform(0, 1)
    wash = rng.uniform(0.3, 0.7) * np.exp(-(across**2 + down**2) / rng.uniform(0.03, 0.15))
    return photographed(page + wash[..., None] * (255 - page), rng), [ink]


@condition
def crop(digits: Digits, rng: Rng) -> Made:
    """A close JPEG crop of 14 to 40 px."""
    height = rng.uniform(14, 40)
    ink = written(digits, rng, height, height * rng.uniform(0.07, 0.16))
    high, wide = (side + rng.uniform(0, 12) for side in ink.shape)
    page = paper(high, wide, pick(rng, PLAIN_PAPERS))
    stamp(page, ink, somewhere(page, ink, rng, 0), pick(rng, INKS))
    return photographed(page, rng, 1.0, 3, (70, 95)), [ink]


@condition
def transparent(digits: Digits, rng: Rng) -> Made:
    """A PNG with nothing but ink."""
    height = rng.uniform(30, 300)
    ink = written(digits, rng, height, height * rng.uniform(0.02, 0.15))
    drawing = np.zeros((*ink.shape, 4), np.uint8)
    drawing[..., :3] = pick(rng, [(0, 0, 0), WHITE, (200, 200, 40), (30, 60, 200)])
    drawing[..., 3] = np.rint(255 * ink)
    file = io.BytesIO()
    Image.fromarray(np.pad(drawing, ((10, 20), (15, 5), (0, 0)))).save(file, "PNG")
    return file.getvalue(), [ink]


def _row(digits: Digits, rng: Rng, touching: float) -> Made:
    """Digits in one hand side by side; a share `touching` of them touch the next."""
    height = rng.uniform(40, 140)
    pen = max(1.5, height * rng.uniform(0.04, 0.12))
    inks = [
        pens.draw(strokes, height * rng.uniform(0.85, 1.15), pen, rng.uniform(-8, 8))
        for strokes in digits
    ]
    width = sum(ink.shape[1] for ink in inks) + height * (0.4 * len(inks) + 1)
    page = paper(2.5 * height, width, pick(rng, PLAIN_PAPERS))
    colour, x = pick(rng, INKS), int(0.4 * height)
    for ink in inks:
        y = int((page.shape[0] - ink.shape[0]) / 2 + rng.uniform(-0.08, 0.08) * height)
        stamp(page, ink, (x, y), colour)
        touches = rng.random() < touching
        x += ink.shape[1] + int(height * rng.uniform(*((-0.08, 0) if touches else (0.03, 0.4))))
    return photographed(shadowed(page, rng, rng.uniform(0, 0.6)), rng, 1.0, 4), inks


@condition
def row(digits: Digits, rng: Rng) -> Made:
    """2 to 12 digits in a row."""
    return _row(digits, rng, touching=0)


@condition
def touching_row(digits: Digits, rng: Rng) -> Made:
    """2 to 12 digits in a row, a fifth of the neighbours touching or almost."""
    return _row(digits, rng, touching=0.2)


def _field(digits: Digits, rng: Rng, tall: float) -> Made:
    """Digits in the boxes of a form, whose sides are a share `tall` of its height."""
    height = rng.uniform(40, 140)
    pitch, pen = height * rng.uniform(0.9, 1.6), max(1.5, height * rng.uniform(0.04, 0.12))
    page = paper(2 * height, pitch * len(digits) + height, pick(rng, PLAIN_PAPERS))
    top, bottom = (int(height * rng.uniform(*edge)) for edge in ((0.2, 0.45), (1.55, 1.8)))
    lines = np.zeros(page.shape[:2], np.float32)
    sides = [round(height / 2 + pitch * at) for at in range(len(digits) + 1)]
    thickness, framed = max(1, round(height * rng.uniform(0.01, 0.05))), rng.random() < 0.5
    for side in sides:
        ends = (side, bottom), (side, round(bottom - tall * (bottom - top)))
        cv2.line(lines, *ends, 1, thickness)
    for y in (bottom, top) if tall == 1 or framed else (bottom,):
        cv2.line(lines, (sides[0], y), (sides[-1], y), 1, thickness)
    stamp(page, lines, (0, 0), pick(rng, INKS))
    inks, colour = [], pick(rng, INKS)
    for left, strokes in zip(sides, digits, strict=False):
        ink = pens.draw(strokes, height * rng.uniform(0.8, 1.1), pen, rng.uniform(-8, 8))
        x, y = left + (pitch - ink.shape[1]) / 2, (top + bottom - ink.shape[0]) / 2
        x, y = (int(side + rng.normal(0, 0.06) * height) for side in (x, y))
        stamp(page, ink, (x, y), colour)
        inks.append(ink)
    return photographed(shadowed(page, rng, rng.uniform(0, 0.6)), rng, 1.0, 4), inks


@condition
def boxes(digits: Digits, rng: Rng) -> Made:
    """2 to 12 digits, each in a box of a form."""
    return _field(digits, rng, tall=1)


@condition
def comb(digits: Digits, rng: Rng) -> Made:
    """2 to 12 digits with ticks between them, sometimes in a frame."""
    return _field(digits, rng, tall=rng.uniform(0.15, 0.5))


ROWS = ("row", "touching_row", "boxes", "comb")
