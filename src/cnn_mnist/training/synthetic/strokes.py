"""Pen strokes: polylines, curves, and the ink they leave.

A stroke is a list of points (x, y), y downwards; a glyph is a list of strokes. Knows nothing about
digits.
"""

import math
from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

from cnn_mnist.inference.recognition.normalize import BOX, SIDE, to_mnist

Point = tuple[float, float]
Stroke = list[Point]
Glyph = list[Stroke]

OVERSAMPLING = 4  # ink is drawn this many times larger, then area-averaged as in a scan
FIXED_POINT = 4  # fractional bits of the coordinates passed to OpenCV


def arc(x: float, y: float, width: float, height: float, begin: float, end: float) -> Stroke:
    """A piece of an ellipse as a polyline with a point at least every 30 degrees.

    Args:
        x, y: the centre.
        width, height: the semi-axes.
        begin, end: degrees; 0 is to the right and 90 below. A smaller end runs counter-clockwise.
    """
    num_points = max(3, math.ceil(abs(end - begin) / 30) + 1)
    angles = np.radians(np.linspace(begin, end, num_points))
    return [(x + width * math.cos(angle), y + height * math.sin(angle)) for angle in angles]


def as_stroke(points: NDArray[np.float64]) -> Stroke:
    """Points N×2 as a stroke."""
    return list(map(tuple, points.tolist()))


def draw(glyph: Glyph, width: float) -> NDArray[np.uint8]:
    """Draw with a round pen on an empty frame of OVERSAMPLING times 28×28.

    Args:
        glyph: in pixels of the 28×28 frame, whose upper left corner is (0, 0).
        width: pen width, in the same pixels.
    """
    frame = np.zeros((OVERSAMPLING * SIDE, OVERSAMPLING * SIDE), np.uint8)
    lines = [np.array(stroke) * OVERSAMPLING - 0.5 for stroke in glyph]
    polylines(frame, lines, width * OVERSAMPLING, kind=cv2.LINE_8)
    return frame


def polylines(
    canvas: NDArray[np.uint8] | NDArray[np.float32],
    lines: Iterable[NDArray[np.float64]],
    pen: float,
    level: float = 255,
    kind: int = cv2.LINE_AA,
) -> None:
    """Draw lines with a round pen.

    Args:
        lines: N×2 (x, y) each, counted from the centre of the canvas's first pixel.
        pen: width, in pixels.
        kind: of OpenCV's lines; LINE_8 has hard edges.
    """
    fixed = [np.rint(line * 2**FIXED_POINT).astype(np.int32) for line in lines]
    cv2.polylines(canvas, fixed, False, level, max(1, round(pen)), kind, FIXED_POINT)


def write(
    glyph: Glyph, width: float, aspect: float, tremor: float, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Draw a glyph with an unsteady hand, as a 28×28 image like MNIST's.

    Args:
        glyph: of any size and position.
        width: pen width, in pixels of the 28×28 frame.
        aspect: factor applied to the glyph's width.
        tremor: standard deviation of each point, as a share of the glyph's longer side.
    """
    points = np.concatenate([np.array(stroke, float) for stroke in glyph])
    points[:, 0] *= aspect
    points += rng.normal(0, tremor * np.ptp(points, axis=0).max(), points.shape)
    low, high = points.min(axis=0), points.max(axis=0)
    scale = (BOX - width) / max(*(high - low), 1e-6)
    fitted = (points - (low + high) / 2) * scale + SIDE / 2
    ends = np.cumsum([len(stroke) for stroke in glyph])[:-1]
    strokes: Glyph = [part.tolist() for part in np.split(fitted, ends)]
    return to_mnist(draw(strokes, width) / 255)
