"""The boxes of a page's signs → the boxes of each line, and how much the lines fall.

Boxes are arrays N×4: x, y, width, height in px.
"""

from itertools import chain, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn_mnist.inference.percentiles import median, weighted_median
from cnn_mnist.inference.recognition.line import Box
from cnn_mnist.inference.segmentation.clutter import are_even

REACH = 6  # heights of a sign: maximum distance to the next one on its line
SLENDER = 8  # length over width; anything longer is a ruled line
FEW = 3  # signs; lines with fewer take the page's slope
TALL = 2  # times the height of another sign on one line
LOW = 0.75  # of the height of the digit beside a comma
NARROW = 2  # height over width of a tick
TICK = 0.75  # of the height of the wider marks; ticks between these are lower
UNEVEN = 0.15  # of the height of ticks
STEEP = 0.4  # slope; more tilted pages are straightened first
BAND = 64  # boxes whose neighbours are searched together
NOBODY = -1


def without_rules(boxes: list[Box]) -> NDArray[Any]:
    """The boxes without ruled lines, which are too long for a sign."""
    corners = np.array(boxes, float).reshape(-1, 4)
    width, height = corners[:, 2], corners[:, 3]
    return np.asarray(corners[width < SLENDER * height])


def without_combs(corners: NDArray[Any]) -> NDArray[Any]:
    """The boxes without the ticks of a comb, which are lower than the digits between them."""
    width, height = corners[:, 2:].T
    narrow = height > NARROW * width
    if np.count_nonzero(narrow) < FEW or narrow.all():
        return corners
    low = np.flatnonzero(narrow & (height < TICK * median(height[~narrow])))
    ticks = [row for row in grouped(low, corners[low]) if _is_comb(corners[row])]
    return np.delete(corners, list(chain.from_iterable(ticks)), axis=0)


def _is_comb(row: NDArray[Any]) -> bool:
    """Whether marks side by side are of one height and equally far apart, but for missing ones."""
    if len(row) < FEW:
        return False
    middle, height = row[:, 0] + row[:, 2] / 2, row[:, 3]
    is_apart = np.diff(np.sort(middle)).min() >= height.max()
    is_alike = np.ptp(height) < UNEVEN * height.max() + 1
    return bool(is_apart and is_alike and are_even(middle))


def grouped(corners: NDArray[Any], level: NDArray[Any]) -> list[NDArray[Any]]:
    """Boxes, or their indices, grouped by line, determined on the levelled page."""
    rows = _rows(level)
    ends = np.cumsum(np.bincount(rows)).tolist()
    ordered = corners[np.argsort(rows, kind="stable")]
    return [ordered[start:end] for start, end in pairwise([0, *ends])]


def slope_of(lines: list[NDArray[Any]]) -> float:
    """The slope of a page's lines (fall per pixel to the right)."""
    slopes, weights = [0.0], [0.0]
    for line in lines:
        if len(line) >= FEW:
            slopes.append(fall(line))
            weights.append(float(np.ptp(line[:, 0])))
    return weighted_median(np.array(slopes), np.array(weights))


def fall(line: NDArray[Any]) -> float:
    """The slope of a line through the centres of its taller boxes; commas and dots are ignored."""
    x = line[:, 0] + line[:, 2] / 2
    y = line[:, 1] + line[:, 3] / 2
    tall = line[:, 3] >= 0.5 * line[:, 3].max()
    if np.count_nonzero(tall) < 2 or np.ptp(x[tall]) < 2 * line[:, 3].max():
        return 0.0
    return float(np.clip(np.polyfit(x[tall], y[tall], 1)[0], -STEEP, STEEP))


def levelled(boxes: NDArray[Any], slope: float) -> NDArray[Any]:
    """The boxes moved so that the lines are level."""
    moved = boxes.copy()
    moved[:, 1] -= slope * (boxes[:, 0] + boxes[:, 2] / 2)
    return moved


def _rows(boxes: NDArray[Any]) -> NDArray[np.int64]:
    """The line of each box: that of the nearest box to the left or right at its height.

    Tall boxes come first, so that a comma or a dot joins the digits beside it.
    """
    order = np.argsort(-boxes[:, 3], kind="stable")
    rows, count = np.empty(len(boxes), np.int64), 0
    for box, nearest in zip(order.tolist(), _nearest(boxes[order]).tolist(), strict=True):
        rows[box] = count if nearest == NOBODY else rows[order[nearest]]
        count += nearest == NOBODY
    return rows


def _nearest(boxes: NDArray[Any]) -> NDArray[np.int64]:
    """For each box the nearest earlier one beside it, or NOBODY.

    The page is compared in bands with what reaches into them, instead of all pairs.
    """
    found = np.full(len(boxes), NOBODY)
    if not len(boxes):
        return found
    typical = weighted_median(boxes[:, 3], (boxes[:, 2:] ** 2).sum(axis=1))
    top, bottom = boxes[:, 1], boxes[:, 1] + boxes[:, 3]
    down = np.argsort(top)
    for start in range(0, len(boxes), BAND):
        band = down[start : start + BAND]
        near = np.flatnonzero((top < bottom[band].max()) & (bottom > top[band].min()))
        away = _away(boxes[near], boxes[band, None], typical)
        away[near >= band[:, None]] = np.inf
        nearest = away.argmin(axis=1)
        beside = np.isfinite(away[np.arange(len(band)), nearest])
        found[band[beside]] = near[nearest[beside]]
    return found


def _away(some: NDArray[Any], boxes: NDArray[Any], typical: float) -> NDArray[Any]:
    """The distances between some boxes and all; infinity if not on one line.

    A comma may hang below its line. What is much taller than a typical sign may be beside several
    lines, and is on none.
    """
    (x, y, wide, high), (left, top, width, height) = (np.moveaxis(b, -1, 0) for b in (some, boxes))
    level = np.minimum(y + high, top + height) - np.maximum(y, top) > 0.4 * height
    away = np.maximum(x - left - width, left - (x + wide))
    hangs = (height < LOW * high) & (top > y + 0.5 * high) & (top < y + high) & (away < height)
    level = (level | hangs) & (high <= TALL * np.maximum(height, typical))
    return np.where(level & (away < REACH * high), away, np.inf)
