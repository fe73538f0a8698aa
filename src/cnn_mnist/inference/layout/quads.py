"""Regions with four corners between lines: candidates for the cells of a grid.

Lines are what is a little darker than the paper beside it, along a few pixels.
"""

from collections.abc import Iterator
from itertools import product
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cnn_mnist.inference.segmentation import paper

Grey = NDArray[np.uint8]
Mask = NDArray[np.uint8]
Quads = NDArray[Any]  # …×4×2: x, y of the corners, clockwise from the upper left

LIGHT = 250  # the paper's brightness where it is compared with lines
# The paper is the median of a twentieth of the copy, at a third of its size.
COARSER, AROUND = 3, 20
SHIFTED = 5  # px of it; how far around a pixel its paper may be
BROADEST = 21  # px of the copy, of a line near the edge of a shadow
DARKER = 0.01, 0.02, 0.05, 0.1, 0.2  # of the paper's light that candidates for lines lack
LACKING = 1 - np.arange(256) / LIGHT  # of the paper's light, by the brightness of a pixel
DARKNESS = [
    np.rint(255 * np.clip(LACKING / (2 * least), 0, 1)).astype(np.uint8) for least in DARKER
]
ALONG = 7  # px along which a line is averaged, so that noise does not break it
MIN_SIDE = 10  # px of the copy, of a cell
WAVER = 1.5  # px of the copy, of a cell's straight side
LARGEST = 1 / 3  # of the picture, of a cell
FULL = 0.87, 1.12  # share of its quadrilateral that a cell covers; a round loop covers more


def line_masks(grey: Grey) -> Iterator[Mask]:
    """Candidate masks of horizontal and vertical lines, each different from the one before.

    How much darker than the paper the lines are depends on print and light. Darker ink counts no
    more than twice that, so that its average does not reach faint lines beside it.
    """
    lines = np.zeros(0, np.uint8)
    evened = [cv2.divide(grey, light, scale=LIGHT) for light in _papers(grey)]
    for even, table in product(evened, DARKNESS):
        before = lines
        dark = cv2.LUT(even, table)
        along = cv2.max(cv2.blur(dark, (ALONG, 1)), cv2.blur(dark, (1, ALONG)))
        lines = np.asarray(cv2.threshold(along, 127, 1, cv2.THRESH_BINARY)[1], np.uint8)
        if not np.array_equal(lines, before):
            yield lines


def _papers(grey: Grey) -> list[Grey]:
    """The paper's light: a median of the copy, and the same with the edges of shadows restored.

    A median on a coarse copy shifts a hard edge, and the lines that it crosses are broken. A
    closing keeps the edge where it is, but takes broad strokes and noise for paper, so it only
    chooses between the medians on both sides. Beside dense writing these are lighter than the
    median, and the writing becomes broader. If both differ by less than ink would, the median is
    enough. If the closing is of one brightness, as in a program's drawing, it is the paper.
    """
    closed = cv2.morphologyEx(grey, cv2.MORPH_CLOSE, np.ones((BROADEST, BROADEST), np.uint8))
    if not np.ptp(closed):
        return [np.asarray(closed, np.uint8)]
    size = [max(1, side // COARSER) for side in grey.shape[::-1]]
    coarse = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    median = cv2.medianBlur(coarse, max(3, max(size) // AROUND | 1))
    near = np.ones((SHIFTED, SHIFTED), np.uint8)
    middle, low, high = (
        cv2.resize(side, grey.shape[::-1], interpolation=cv2.INTER_LINEAR)
        for side in (median, cv2.erode(median, near), cv2.dilate(median, near))
    )
    edged = cv2.min(cv2.max(closed, low), high)
    papers = [np.asarray(middle, np.uint8), np.asarray(edged, np.uint8)]
    has_edges = cv2.absdiff(middle, edged).max() > paper.MIN_CONTRAST
    return papers if has_edges else papers[:1]


def find(lines: Mask, most: int) -> Quads:
    """The light regions with four corners, whatever is written inside.

    The picture's border counts as a line, but not on opposite sides of a region. Where more regions
    begin than the smallest cells could fill the mask, it is noise, and none are found.

    Args:
        lines: one of the `line_masks`.
        most: regions that are looked at, the largest ones.
    """
    light, (height, width) = 1 - lines, lines.shape
    for half in (light, light[:, ::-1]):
        begun = half[1:, 1:] & ~half[:-1, 1:] & ~half[1:, :-1]
        if np.count_nonzero(begun) > lines.size / MIN_SIDE**2:
            return np.zeros((0, 4, 2), np.float32)
        half[1:, 1:] &= ~(begun & half[:-1, :-1])  # touches another region with a corner only
    outlines, levels = cv2.findContours(light, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    if not outlines:
        return np.zeros((0, 4, 2), np.float32)
    wide, high = np.array([cv2.boundingRect(outline)[2:] for outline in outlines]).T
    likely = (levels[0, :, 3] < 0) & (np.minimum(wide, high) >= MIN_SIDE)
    likely &= (wide < width) & (high < height) & (wide * high < LARGEST * lines.size)
    regions = [outlines[place] for place in np.flatnonzero(likely).tolist()]
    largest = sorted(regions, key=cv2.contourArea, reverse=True)[:most]
    return _quads([np.asarray(cv2.convexHull(region)) for region in largest])


def _quads(hulls: list[Quads]) -> Quads:
    """The corners of the regions that have four sides, from the hulls of all.

    The longest edge of a hull in each direction is a side; writing that touches the lines cuts off
    corners, but leaves part of each side.
    """
    if not hulls:
        return np.zeros((0, 4, 2), np.float32)
    outlines = [cv2.approxPolyDP(hull, WAVER, closed=True)[:, 0] for hull in hulls]
    region = np.repeat(np.arange(len(hulls)), [len(outline) for outline in outlines])
    begins = np.concatenate(outlines).astype(np.float64)
    edges = np.concatenate([np.append(o[1:], o[:1], axis=0) for o in outlines]) - begins
    facing = np.rint(np.arctan2(edges[:, 1], edges[:, 0]) / (np.pi / 2)).astype(int) % 4
    order = np.lexsort((np.hypot(*edges.T), facing, region))
    side = (4 * region + facing)[order]
    longest = order[np.append(side[1:] != side[:-1], True)]
    four = np.bincount(region[longest]) == 4
    sides = longest[four[region[longest]]].reshape(-1, 4)
    quads = _crossings(begins[sides], edges[sides])
    areas = np.array([cv2.contourArea(hull) for hull in hulls])[four]
    shares = areas / np.maximum(_areas(quads), 1)
    return np.asarray(quads[(shares > FULL[0]) & (shares < FULL[1])], np.float32)


def _crossings(points: NDArray[Any], ways: NDArray[Any]) -> Quads:
    """Where each of four lines, through a point in a direction, meets the one before it."""
    before, along = np.roll(points, 1, axis=1), np.roll(ways, 1, axis=1)
    far = _cross(points - before, ways) / _cross(along, ways)
    return np.asarray(before + far[..., None] * along)


def _areas(quads: Quads) -> NDArray[Any]:
    return np.asarray(np.abs(_cross(quads[:, 2] - quads[:, 0], quads[:, 3] - quads[:, 1])) / 2)


def _cross(some: NDArray[Any], others: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(some[..., 0] * others[..., 1] - some[..., 1] * others[..., 0])


def sides(cells: Quads) -> NDArray[Any]:
    """The lengths of each region's four sides, from the upper one clockwise."""
    return np.asarray(np.linalg.norm(cells - np.roll(cells, -1, axis=-2), axis=-1))


def at_border(points: Quads, picture: Grey) -> NDArray[Any]:
    """Which points are within a pixel of the picture's border."""
    last = np.array(picture.shape[::-1]) - 1
    return np.asarray(((points < 1) | (points > last - 1)).any(axis=-1))


def cut(cells: Quads, picture: Grey, margin: float = 1.0) -> NDArray[Any]:
    """Which sides of the picture (left, upper, right, lower) cut off each cell: …×4.

    Args:
        margin: px from the border; a cell that ends in it is cut off.
    """
    last = np.array(picture.shape[::-1]) - 1
    low, high = cells.min(axis=-2) < margin, cells.max(axis=-2) > last - margin
    return np.asarray(np.concatenate([low, high], axis=-1))
