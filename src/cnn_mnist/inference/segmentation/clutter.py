"""Marks that nobody wrote: punched holes and stickers, the wires of a binding, specks."""

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cnn_mnist.inference.percentiles import median, percentiles, weighted_median
from cnn_mnist.inference.segmentation.components import (
    Components,
    Mask,
    components,
    crowded,
    much_longer,
    typical_side,
)

SOLID = 1 / 3  # of a blot, covered by the largest disc in it; of a thick 1 it is less
ROUND = 2 / 3  # of a dot or a blot; the largest disc in a digit, even a marker's, covers less
BLOT = 1.5  # pens: thickness of a disc; that of a stroke counts as little as a disc covers of it
WRITTEN = 1.5  # times the contrast of a mark: that of ink on it
WIRES, UNEVEN = 6, 0.15  # least number of wires; how much they may differ in size and distance
SPECK = 6  # px; readable digits are never smaller
# A speck is smaller than these shares of the largest group of marks, and of the typical mark.
SPECK_SHARE, MARK_SHARE = 0.12, 1 / 3


def without_clutter(marks: Components, contrast: NDArray[Any]) -> Components:
    """The marks without blots and bindings.

    Args:
        marks: on a page or a part of it that has all of them.
        contrast: uint8, how much each pixel differs from the paper.
    """
    if len(marks.stats) == 1:
        return marks
    return marks.only(~(_are_blots(marks, contrast) | _are_wires(marks)))


def _are_blots(marks: Components, contrast: NDArray[Any]) -> NDArray[np.bool_]:
    """Which marks are solid and much thicker than the pen: holes, stickers, fingertips.

    Not what is written on, such as a stroke of a highlighter.
    """
    depth = cv2.distanceTransform(marks.mask, cv2.DIST_L2, 3)
    radius = np.ones(len(marks.stats), np.float32)
    inked = marks.mask > 0
    np.maximum.at(radius, marks.labels[inked], depth[inked])
    disc = math.pi * radius**2 / marks.stats[:, cv2.CC_STAT_AREA]
    weights = np.where(disc < ROUND, marks.sides**2 / radius, 0)[1:]
    pen = weighted_median(radius[1:], weights) if weights.any() else 0.0
    found = (disc > SOLID) & (disc * radius > BLOT * pen)
    if crowded(marks.stats[found, 2:4], marks.mask.size):
        return np.zeros(len(found), np.bool_)
    for index in np.flatnonzero(found):
        x, y, wide, high = marks.stats[index, :4]
        box = np.s_[y : y + high, x : x + wide]
        usual, most = percentiles(contrast[box][marks.labels[box] == index], 50, 98)
        found[index] = most < WRITTEN * usual
    return np.asarray(found)


def _are_wires(marks: Components) -> NDArray[np.bool_]:
    """Which marks are cut off by the picture's border, of one size and equally far apart."""
    corner, size = marks.stats[:, :2], marks.stats[:, 2:4]
    found = np.zeros(len(size), np.bool_)
    for axis, end in enumerate(marks.mask.shape[::-1]):
        for at_border in (corner[:, axis] == 0, corner[:, axis] + size[:, axis] == end):
            row = 1 + np.flatnonzero(at_border[1:])
            if len(row) < WIRES:
                continue
            typical = median(size[row], axis=0)
            alike = row[(np.abs(size[row] - typical) <= 1 + UNEVEN * typical).all(axis=1)]
            middles = (corner + size / 2)[alike, 1 - axis]
            found[alike] |= len(alike) >= WIRES and are_even(middles)
    return found


def are_even(places: NDArray[Any]) -> bool:
    """Whether places are equally far apart, but for missing ones."""
    steps = np.diff(np.sort(places))
    pitches = steps / max(1, float(steps.min()))
    return bool(np.abs(pitches - np.rint(pitches)).max() < UNEVEN)


def without_specks(marks: Components, reach: int) -> Mask:
    """Drop groups of marks much smaller than the largest; a broken stroke is one group.

    Lines of digits form large groups: a digit alone on its line is compared with single marks, of
    which the largest may be strokes of two lines that touch. Marks much longer than the writing,
    such as a curve around it, are ignored.
    """
    together = max(cv2.boundingRect(marks.mask)[2:])
    if (marks.sides[1:] - 2 * reach >= max(SPECK, SPECK_SHARE * together)).all():
        return marks.mask
    near = components(cv2.dilate(marks.mask, np.ones((2 * reach + 1,) * 2, np.uint8)))
    largest = near.sides[~much_longer(near.sides)][1:].max() - 2 * reach
    typical = typical_side(marks, ~much_longer(marks.sides))
    least = max(SPECK, min(SPECK_SHARE * largest, MARK_SHARE * typical))
    return np.asarray(marks.mask & near.pixels(near.sides - 2 * reach >= least))
