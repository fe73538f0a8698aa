"""Lines around and through the writing: rules, frames, and squared or dotted paper."""

import cv2
import numpy as np

from cnn_mnist.training.lines.shapes import Ink
from cnn_mnist.training.synthetic.strokes import polylines

Random = np.random.Generator


def rule(ink: Ink, height: float, hard: float, rng: Random) -> None:
    """Add ruled lines, the edges of a frame, and squared paper, which run off the picture.

    Args:
        ink: that of a line, H×W, which changes; 0 = paper, 1 = full ink.
        height: of a digit, px.
        hard: 0..1, how often.
    """
    if rng.random() < 0.28 * hard:
        _underline(ink, height, rng)
    if rng.random() < 0.3 * hard:
        _frame(ink, height, rng)
    if rng.random() < 0.06 * hard:
        _square(ink, height, rng)


def _underline(ink: Ink, height: float, rng: Random) -> None:
    """One or two lines under, over or through the writing."""
    high, wide = ink.shape
    count = 1 if rng.random() < 0.7 else 2
    for _ in range(count):
        y = rng.choice([rng.uniform(0.8, 1.0), rng.uniform(0, 0.15), rng.uniform(0.2, 0.8)],
                       p=[0.6, 0.25, 0.15]) * high  # fmt: skip
        slope = rng.normal(0, 0.015) * wide
        width = rng.uniform(0.01, 0.06) * height
        _ruled(ink, (0, y), (wide, y + slope), width, rng)


def _frame(ink: Ink, height: float, rng: Random) -> None:
    """Some sides of a frame around the writing: left, right, top, bottom."""
    high, wide = ink.shape
    width = rng.uniform(0.02, 0.16) * height
    darkness = rng.uniform(0.25, 1)
    lean = rng.normal(0, 0.02, 2) * (high, wide)
    sides = rng.random(4) < rng.choice([0.3, 0.6, 0.95])
    inset = rng.uniform(-0.5 * width, 0.1 * height, 4)
    ends = (
        ((inset[0], 0), (inset[0] + lean[0], high)),
        ((wide - inset[1], 0), (wide - inset[1] + lean[0], high)),
        ((0, inset[2]), (wide, inset[2] + lean[1])),
        ((0, high - inset[3]), (wide, high - inset[3] + lean[1])),
    )
    for shown, (begin, end) in zip(sides, ends, strict=True):
        if shown:
            _ruled(ink, begin, end, width * rng.uniform(0.7, 1.3), rng, darkness)


def _square(ink: Ink, height: float, rng: Random) -> None:
    """Squares, or a dot at each of their corners."""
    high, wide = ink.shape
    apart = max(4.0, rng.uniform(0.25, 0.8) * height)
    level = rng.uniform(0.1, 0.45)
    columns = np.arange(rng.uniform(0, apart), wide, apart)
    rows = np.arange(rng.uniform(0, apart), high, apart)
    if rng.random() < 0.5:
        _dotted(ink, columns, rows, rng.uniform(0.02, 0.06) * height, 2 * level)
        return
    for x in columns:
        _ruled(ink, (x, 0), (x, high), 0.02 * height, rng, level)
    for y in rows:
        _ruled(ink, (0, y), (wide, y), 0.02 * height, rng, level)


def _dotted(ink: Ink, columns: Ink, rows: Ink, size: float, level: float) -> None:
    dots = np.zeros(ink.shape, np.uint8)
    for x, y in np.rint(np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2) * 16):
        radius = max(8, round(8 * size))
        cv2.circle(dots, (int(x), int(y)), radius, round(255 * level), -1, cv2.LINE_AA, 4)
    np.maximum(ink, dots.astype(np.float32) / 255, out=ink)


def _ruled(
    ink: Ink,
    begin: tuple[float, float],
    end: tuple[float, float],
    width: float,
    rng: Random,
    darkness: float | None = None,
) -> None:
    layer = np.zeros(ink.shape, np.uint8)
    level = rng.uniform(0.2, 1) if darkness is None else darkness
    direction = np.array(end) - begin  # a little further, off the picture
    line = np.stack([begin - 0.1 * direction, end + 0.1 * direction])
    polylines(layer, [line], width, round(255 * level))
    np.maximum(ink, layer.astype(np.float32) / 255, out=ink)
