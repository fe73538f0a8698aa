"""Ruled and squared paper, form boxes: find straight lines in a mask and remove them.

Pixels where a stroke crosses a line are kept, so that digits are not cut.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from cnn_mnist.inference.percentiles import median
from cnn_mnist.inference.segmentation.components import (
    WRITING,
    Components,
    Mask,
    components,
    crowded,
    much_longer,
    typical_side,
)
from cnn_mnist.inference.segmentation.paper import reduced

SEARCH_SIDE = 400  # px; the slope is searched on a small copy
SQUEEZED = 4  # columns of it are one: a line of SLOPES falls by less than a pixel across them
SLOPES = np.tan(np.radians(np.arange(-12, 12.1, 0.5)))
MIN_SIDE = 64  # px; in smaller pictures a stroke is as long as a ruled line
SPAN = 0.7  # of the picture that a ruled line must cover
RIM = 0.02  # of the picture: a line that ends farther from its border ends inside
SEVERAL = 3  # parallel lines that form one mark; no digit has as many
LONGER = 2  # times as long as the typical mark beside it: a line that ends inside
PIECE = 0.12  # of the picture that it must cover without a gap
MAX_THICKNESS = 0.02  # of the picture's long side
MIN_FRAME = 1.5  # times width and height; a frame along four sides has more ink
FRAME_SIDE = 24  # px; in smaller signs the corners of a 0 cannot be told from a frame's
DIRECTIONS = 3  # of lines that form one mark: a triangle, the axes of a chart
SLIM = 30  # length over thickness of a line in a mark; a pen's strokes are shorter


def may_have_lines(mask: Mask, page: tuple[int, ...]) -> bool:
    """Whether any marks on a part of a page (height, width) are long enough for a line."""
    high, wide = (int(np.count_nonzero(mask.any(axis=axis))) for axis in (1, 0))
    return min(page) >= MIN_SIDE and (wide > SPAN * page[1] or high > SPAN * page[0])


def without_lines(mask: Mask) -> Mask:
    """The mask without lines across the picture, up to 12° from horizontal or vertical."""
    rest = _without_level_lines(mask)
    rest = cv2.transpose(_without_level_lines(cv2.transpose(rest)))
    return rest if rest.any() else mask


def without_frames(marks: Components) -> Components:
    """The marks without the boxes and tables of a form, unless there are no others."""
    keep = np.ones(len(marks.stats), np.bool_)
    width, height, area = marks.stats[:, 2:].astype(np.int64).T
    likely = np.minimum(width, height) >= FRAME_SIDE
    likely &= (area < 0.3 * width * height) & (area > MIN_FRAME * (width + height))
    likely[0] = False
    if crowded(marks.stats[likely, 2:4], marks.mask.size):
        return marks
    for index in np.flatnonzero(likely):
        x, y, wide, high = marks.stats[index, :4]
        keep[index] = not _is_frame(marks.labels[y : y + high, x : x + wide] == index)
    return marks.only(keep) if keep[1:].any() else marks


def without_rules(marks: Components) -> Components:
    """The marks without lines much longer than the writing around them, at any angles and bent.

    A long mark without writing around it is a stroke, not a line.
    """
    likely = much_longer(marks.sides)
    if not likely.any() or crowded(marks.stats[likely, 2:4], marks.mask.size):
        return marks
    mask = marks.mask.copy()
    for index in np.flatnonzero(likely):
        x, y, wide, high = marks.stats[index, :4]
        region = np.s_[y : y + high, x : x + wide]
        part = (marks.labels[region] == index).astype(np.uint8)
        for _ in range(DIRECTIONS):
            lines = part & _rules(part)
            if not lines.any():
                break
            part -= lines
            mask[region] -= lines
    return components(mask)


def _rules(part: Mask) -> Mask:
    """The pixels of one direction's lines in a mark, except where other strokes cross them."""
    found = cv2.HoughLines(_small(part), 1, np.pi / 180, 1 + SEARCH_SIDE // 10)
    if found is None:
        return np.zeros_like(part)
    degrees = float(np.degrees(found[0, 0, 1])) - 90
    matrix = cv2.getRotationMatrix2D((0, 0), degrees, 1)
    points = cv2.findNonZero(part).reshape(-1, 1, 2)
    left, top, across, down = cv2.boundingRect(cv2.transform(points, matrix))
    matrix[:, 2] -= left - 1, top - 1
    level = cv2.warpAffine(part, matrix, (across + 2, down + 2), flags=cv2.INTER_NEAREST)
    lines = _thin_runs(level)
    how = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    back = cv2.warpAffine(lines, matrix, part.shape[::-1], flags=how)
    return np.asarray(cv2.dilate(back, np.ones((3, 3), np.uint8)))


def _thin_runs(level: Mask) -> Mask:
    """What is thin and long from left to right, bridging the strokes that cross it."""
    inked = np.count_nonzero(level, axis=0)
    runs = np.count_nonzero(level[1:] > level[:-1], axis=0)
    thickness = float(median(inked[runs > 0] / runs[runs > 0]))
    least, most = SLIM * thickness, 2 + int(1.5 * thickness)
    upright = cv2.morphologyEx(level, cv2.MORPH_OPEN, np.ones((most + 1, 1), np.uint8))
    thin = cv2.subtract(level, upright)
    bridged = components(cv2.morphologyEx(thin, cv2.MORPH_CLOSE, np.ones((1, 3 * most), np.uint8)))
    return np.asarray(thin & bridged.pixels(bridged.stats[:, cv2.CC_STAT_WIDTH] >= least))


def _is_frame(part: NDArray[np.bool_]) -> bool:
    """Ink runs along all four sides, up to the corners, which even a round 0 leaves empty."""
    height, width = part.shape
    deep, wide = round(0.12 * height), round(0.12 * width)
    across = min(part[:deep].any(axis=0).mean(), part[-deep:].any(axis=0).mean())
    down = min(part[:, :wide].any(axis=1).mean(), part[:, -wide:].any(axis=1).mean())
    return bool(min(across, down) > 0.9)


def _without_level_lines(mask: Mask) -> Mask:
    if np.count_nonzero(mask.any(axis=0)) <= SPAN * mask.shape[1]:
        return mask
    small = _small(mask)
    slope = _slope(small)
    if not _level_lines(_shear(small, -slope)).any():
        return mask
    level = _shear(mask, -slope)
    lines = _level_lines(level)
    if not lines.any():
        return mask
    rest: Mask = level & ~lines
    thickness = int(np.ceil(lines.sum() / max(1, np.count_nonzero(lines.any(axis=0)))))
    per_line = max(3, min(thickness, round(MAX_THICKNESS * max(mask.shape))))
    bridge = np.ones((2 * per_line + 3, 1), np.uint8)
    crossing: Mask = cv2.morphologyEx(rest, cv2.MORPH_CLOSE, bridge)
    kept = _shear(rest | (crossing & level), slope)
    without = np.asarray(mask & kept & ~_shear(lines & ~crossing, slope))
    count = int((np.diff(lines.any(axis=1).astype(int), prepend=0) > 0).sum())
    return without if _are_ruled(mask > without, mask, count) else mask


def _are_ruled(lines: NDArray[np.bool_], mask: Mask, count: int) -> bool:
    """Whether level lines cross the picture, or are long beside the writing; else a pen drew them.

    The roof of a large 7 may be as long and thin as a ruled line, but it is not one of several that
    form one mark, as squares do.
    """
    rim = 1 + round(RIM * mask.shape[1])
    if lines[:, :rim].any() and lines[:, -rim:].any():
        return True
    marks = components(mask)
    is_line = np.zeros(len(marks.stats), np.bool_)
    is_line[marks.labels[lines]] = True
    if count >= SEVERAL * np.count_nonzero(is_line):
        return True
    length, beside = marks.sides[is_line].max(initial=0), marks.sides[1:][~is_line[1:]]
    return bool(beside.sum() > WRITING * length > WRITING * LONGER * typical_side(marks, ~is_line))


def _small(mask: Mask) -> Mask:
    share = reduced(mask * np.uint8(255), SEARCH_SIDE)
    return (share > 40).astype(np.uint8)


def _slope(mask: Mask) -> float:
    """The slope along which the mask's row sums vary most, as on ruled paper."""
    height, width = mask.shape
    size = -(-width // SQUEEZED), height
    narrow = cv2.resize(mask * np.uint8(255), size, interpolation=cv2.INTER_AREA)
    sheared = (_shear(narrow, -slope * width / size[0]) for slope in SLOPES)
    rows = [cv2.reduce(level, 1, cv2.REDUCE_SUM, dtype=cv2.CV_32F) for level in sheared]
    return float(SLOPES[int(np.argmax([cv2.norm(row) for row in rows]))])


def _shear(mask: Mask, slope: float) -> Mask:
    """Move each column down by slope times its distance from the middle."""
    height, width = mask.shape
    matrix = np.array([[1, 0, 0], [slope, 1, -slope * width / 2]], np.float32)
    return cv2.warpAffine(mask, matrix, (width, height), flags=cv2.INTER_NEAREST)


def _level_lines(mask: Mask) -> Mask:
    """Thin horizontal structures that cover SPAN of the width."""
    height, width = mask.shape
    drift = 1 + round(0.004 * width)  # half a step of SLOPES over half the width
    thickened = cv2.dilate(mask, np.ones((3, 1), np.uint8))  # a line wavers by a pixel
    piece = np.ones((1, max(3, round(PIECE * width))), np.uint8)
    runs: Mask = cv2.morphologyEx(thickened, cv2.MORPH_OPEN, piece)
    near = cv2.dilate(runs, np.ones((2 * drift + 1, 1), np.uint8))
    full = (near.sum(axis=1) > SPAN * width).astype(np.uint8)[:, None]
    thin = 2 * drift + round(MAX_THICKNESS * max(height, width)) + 2
    thick = cv2.morphologyEx(full, cv2.MORPH_OPEN, np.ones((thin, 1), np.uint8))
    bands: Mask = cv2.dilate(full - thick, np.ones((2 * drift + 1, 1), np.uint8))
    return np.asarray(runs & mask & bands)
