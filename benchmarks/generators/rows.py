"""Hard conditions of whole numbers: rows of digits, and the boxes of forms."""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from cnn_mnist.training.synthetic.tracing import Coverage, Stroke
from generators import pen as pens
from generators.camera import photographed, shadowed
from generators.paper import INKS, PLAIN_PAPERS, Paper, Rng, paper, pick, stamp

Digits = list[list[Stroke]]
Made = tuple[bytes | NDArray[np.uint8], list[Coverage]]  # a picture, and each digit's own ink


def _photographed(page: Paper, rng: Rng) -> bytes:
    return photographed(shadowed(page, rng, rng.uniform(0, 0.6)), rng, 1.0, 4)


def _row(digits: Digits, rng: Rng, touching: float) -> Made:
    """Digits in one handwriting side by side; a share `touching` of them touch the next."""
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
    return _photographed(page, rng), inks


def row(digits: Digits, rng: Rng) -> Made:
    """2 to 12 digits in a row."""
    return _row(digits, rng, touching=0)


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
    return _photographed(page, rng), inks


def boxes(digits: Digits, rng: Rng) -> Made:
    """2 to 12 digits, each in a box of a form."""
    return _field(digits, rng, tall=1)


def comb(digits: Digits, rng: Rng) -> Made:
    """2 to 12 digits with ticks between them, sometimes in a frame."""
    return _field(digits, rng, tall=rng.uniform(0.15, 0.5))


ROWS: dict[str, Callable[[Digits, Rng], Made]] = {
    make.__name__: make for make in (row, touching_row, boxes, comb)
}
