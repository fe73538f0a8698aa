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
from cnn_mnist.training.synthetic.tracing import LIKENESS, Coverage, Stroke, likeness, trace
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
from generators.rows import ROWS, Digits, Made


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
        strokes = trace(images[index])
        if index not in WRONG_TEST_LABELS and likeness(images[index], strokes) >= LIKENESS:
            yield index, strokes


def written(digits: Digits, rng: Rng, height: float, pen: float) -> Coverage:
    return pens.draw(digits[0], height, max(pen, 1), rng.uniform(-15, 15))


# --- The conditions -------------------------------------------------------------------------

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


CONDITIONS |= ROWS
