"""Pages of numbers, written and photographed. The same seed gives the same pages.

The writing is of MNIST test digits and of the package's pen strokes.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from cnn_mnist.training.data import WRONG_TEST_LABELS
from cnn_mnist.training.lines.shapes import Digits
from cnn_mnist.training.lines.style import Style
from generators.camera import Matrix, corners, decoded, moved, photographed, shadowed, view
from generators.page_kinds import KINDS, Number, Sheet
from generators.paper import INKS, PLAIN_PAPERS, Rng, paper, pick, stamp

Picture = NDArray[np.uint8]
Point = tuple[float, float]


@dataclass(frozen=True)
class Page:
    """A picture, RGB, and its lines of numbers in reading order."""

    picture: Picture
    lines: tuple[tuple[Number, ...], ...]


def generate(
    name: str, images: Picture, labels: Picture, count: int, seed: int, tilt: Point = (0, 3)
) -> Iterator[Page]:
    """Pages of one kind.

    Args:
        images, labels: of MNIST, uint8 N×28×28 and N.
        tilt: degrees, from and to, in either direction.
    """
    rng = np.random.default_rng([seed, zlib.crc32(name.encode()), round(tilt[1])])
    right = np.setdiff1d(np.arange(len(images)), WRONG_TEST_LABELS)
    digits = Digits.of(images[right], labels[right].astype(np.int64))
    for _ in range(count):
        sheet = Sheet(legible_style(rng), digits, rng, pick(rng, [(1500, 1100), (1100, 1500)]))
        KINDS[name](sheet)
        yield photograph(sheet, rng.uniform(*tilt) * pick(rng, [-1, 1]))


def legible_style(rng: Rng) -> Style:
    """A style that leaves gaps between digits, and a pen that makes visible dots."""
    return Style(
        source="mnist" if rng.random() < 0.6 else "strokes",
        height=rng.uniform(28, 60),
        pen=rng.uniform(0.08, 0.15),
        slant=rng.normal(0.1, 0.12),
        aspect=rng.uniform(0.85, 1.3),
        round_zero=rng.uniform(0.9, 1.3),
        low_zero=1.0,
        tall_one=1.0,
        gap=rng.uniform(0.06, 0.3),
        unsteady=rng.uniform(0, 0.05),
        tremor=rng.uniform(0, 0.2),
        haste=0.0,
        rise=rng.normal(0, 0.01),
        joined=0.0,
    )


def photograph(sheet: Sheet, tilt: float) -> Page:
    """Bend, tilt and light the page, and save it as a JPEG."""
    rng = sheet.rng
    bend, matrix, size = _bend(sheet, rng), *_view(sheet.size, tilt, rng)
    inks = [_moved(layer, bend, matrix, size) for layer in (sheet.printed, sheet.ink)]
    page = paper(*size[::-1], pick(rng, PLAIN_PAPERS))
    for ink, colour in zip(inks, ((40, 40, 45), pick(rng, INKS)), strict=True):
        stamp(page, ink, (0, 0), colour)
    data = photographed(shadowed(page, rng, rng.uniform(0, 0.4)), rng, 0.9, 4)

    def seen(number: Number) -> Number:
        x, y = number.middle
        x, y = moved(np.array([x, y + bend[round(x)]]), matrix).tolist()
        return replace(number, middle=(x, y))

    lines = tuple(tuple(map(seen, line)) for line in sheet.lines if line)
    return Page(decoded(data), lines)


def _bend(sheet: Sheet, rng: Rng) -> NDArray[np.float64]:
    """How far each column moves down on paper that is not flat."""
    x = np.arange(sheet.size[1])
    wave = np.sin(2 * np.pi * (rng.uniform(0.3, 1) * x / sheet.size[1] + rng.random()))
    return np.asarray(rng.uniform(0, 0.4) * sheet.unit * wave)


def _view(size: tuple[int, int], tilt: float, rng: Rng) -> tuple[Matrix, tuple[int, int]]:
    """The homography of a tilted camera that does not look straight down."""
    page = corners(*size)
    turn = cv2.getRotationMatrix2D((0, 0), -tilt, 1)[:, :2]
    return view(page, page @ turn.T + rng.uniform(-0.02, 0.02, (4, 2)) * max(size))


def _moved(
    ink: NDArray[np.float32], bend: NDArray[np.float64], matrix: Matrix, size: tuple[int, int]
) -> NDArray[np.float32]:
    x, y = np.meshgrid(*(np.arange(side, dtype=np.float32) for side in ink.shape[::-1]))
    bent = cv2.remap(ink, x, y - bend.astype(np.float32), cv2.INTER_LINEAR)
    return np.asarray(cv2.warpPerspective(bent, matrix, size), np.float32)
