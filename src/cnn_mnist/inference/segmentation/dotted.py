"""Dotted and dashed rules, as under the fields of a form: rows of equal marks at equal steps."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cnn_mnist.inference.percentiles import median, weighted_median
from cnn_mnist.inference.segmentation.components import (
    Components,
    Mask,
    components,
    crowded,
)

LEAST = 8  # dots in a row
LONG = 5  # times as long as a stroke of the writing is thick: a dash, at most
SOLID = 0.5  # of a dot's box has ink; of a small digit's less
UNEVEN = 0.15  # of size and step, beside a pixel: how much equal dots differ
MOST = 0.75  # of a row's marks are equal dots; the others may be the writing's own
NEAR = 7  # times a dot's side: the distance of neighbours, at most
AROUND = 2  # px; a dot's soft edge


def find(marks: Components) -> Mask:
    """The dots and dashes of rules among some marks, with their soft edges."""
    none = np.zeros_like(marks.mask)
    if len(marks.stats) <= LEAST:
        return none
    width, height, area = marks.stats[1:, 2:].T
    sides = marks.sides[1:]
    stroke = max(2.0 * AROUND, weighted_median(area / sides, sides.astype(np.float64) ** 2))
    small = (sides < LONG * stroke) & (np.minimum(width, height) <= stroke)
    small = np.append(False, small & (area >= SOLID * width * height))
    dots = np.flatnonzero(small)
    if len(dots) < LEAST or crowded(marks.stats[dots, 2:4], marks.mask.size):
        return none
    cell = max(1, int(median(marks.sides[dots])))
    x, y = (marks.stats[dots, :2] // cell).T
    grid = np.zeros([1 + side // cell for side in marks.mask.shape], np.uint8)
    grid[y, x] = 1
    rows = components(cv2.dilate(grid, np.ones((NEAR, NEAR), np.uint8))).labels[y, x]
    small[:] = False
    for number in np.flatnonzero(np.bincount(rows) >= LEAST):
        row = dots[rows == number]
        equal = _equal(marks.stats[row, :4])
        small[row[equal]] = equal.mean() >= MOST
    return np.asarray(cv2.dilate(marks.pixels(small), np.ones((2 * AROUND + 1,) * 2, np.uint8)))


def _equal(row: NDArray[Any]) -> NDArray[np.bool_]:
    """Which marks (x, y, width, height) have the usual size, and some usual steps to another."""
    side = float(median(row[:, 2:].max(axis=1)))
    found = np.abs(row[:, 2:] - median(row[:, 2:], axis=0)).max(axis=1) <= 1 + UNEVEN * side
    if found.mean() < MOST:
        return np.zeros_like(found)
    alike = np.flatnonzero(found)
    middles = row[alike, :2] + row[alike, 2:] / 2
    along = int(np.ptp(middles, axis=0).argmax())
    if median(row[:, 3 - along]) > 2 * median(row[:, 2 + along]):
        return np.zeros_like(found)  # strokes side by side, such as 1s
    order = middles[:, along].argsort()
    steps = np.diff(middles[order], axis=0)
    pitch = median(steps, axis=0)
    away = np.abs(steps - pitch).max(axis=1) > 1 + UNEVEN * np.abs(pitch).max()
    found[alike[order]] = ~(np.append(True, away) & np.append(away, True))
    return np.asarray(found)
