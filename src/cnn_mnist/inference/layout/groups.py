"""Rows of boxes of one size, in groups if they are a date's or an account's.

Writing divides a box, or joins it to the paper outside. So the boxes beside one that was found are
looked for by their sides.
"""

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from cnn_mnist.inference.layout import quads
from cnn_mnist.inference.layout.lattice import MIN_CELLS, Lattice
from cnn_mnist.inference.layout.quads import Mask, Quads

MASKS = 3  # that are looked at
MAX_ROWS = 5  # of a page
EVEN = 1.25  # maximum ratio of the sides of a row's boxes
MIN_ALIKE = 2  # boxes found as regions
APART = 1.5  # of a box's width, between its groups
COVERED = 0.85  # of each of a box's sides, at least
INSET = 0.15  # of a box's size
CROSSED = 0.3  # of the outline within it, at most
NUM_POINTS = 13  # of each side that are looked at
BESIDE = 0.3  # of a box's height, to the one above or below
STEEP = 3  # px of the copy: how much higher or lower the next box may be
FARTHER = 3  # px of the copy beyond the first place that is a box; one of them may fit better


def find(masks: list[tuple[Mask, Quads]]) -> Iterator[Lattice]:
    """The rows of boxes in the masks that have most regions of one size.

    Args:
        masks: masks of lines, each with its regions.
    """
    whole = [regions[~quads.cut(regions, lines).any(axis=1)] for lines, regions in masks]
    alike = [_alike(regions) for regions in whole]
    most = [each.sum(axis=1).max(initial=0) for each in alike]
    for best in np.argsort(most)[: -1 - MASKS : -1].tolist():
        yield from _rows(masks[best][0], whole[best], alike[best])


def _alike(regions: Quads) -> NDArray[np.bool_]:
    """Which regions have sides of nearly the same lengths, N×N."""
    alike = np.ones((len(regions), len(regions)), np.bool_)
    for side in np.log(quads.sides(regions)).T:
        alike &= np.abs(side[:, None] - side) < np.log(EVEN)
    return alike


def _rows(lines: Mask, regions: Quads, alike: NDArray[np.bool_]) -> Iterator[Lattice]:
    """The rows of a mask, each with those of its regions that are most alike among the rest."""
    near = np.asarray(cv2.dilate(lines, np.ones((5, 5), np.uint8)), np.uint8)
    middles, rest = regions.mean(axis=1), np.ones(len(regions), np.bool_)
    for _ in range(MAX_ROWS):
        num_alike = alike[:, rest].sum(axis=1) * rest
        if num_alike.max(initial=0) < MIN_ALIKE:
            return
        row = _row(regions[num_alike.argmax()], lines, near)
        if len(row) >= MIN_CELLS and not _has_rows_beside(row, lines, near):
            yield Lattice(row[None], len(row))
        low, high = row.min(axis=(0, 1)), row.max(axis=(0, 1))
        rest &= ~((low <= middles) & (middles <= high)).all(axis=1)


def _has_rows_beside(row: Quads, lines: Mask, near: Mask) -> bool:
    """Whether most boxes have others above or below them, as on squared paper."""
    down = row[:, 2:].mean(axis=1) - row[:, :2].mean(axis=1)
    steps = np.arange(1, 1 + BESIDE, 2 / np.linalg.norm(down, axis=1).mean())
    for side in (-1, 1):
        beyond = row + side * steps[:, None, None, None] * down[:, None]
        is_box = _covered(beyond.reshape(-1, 4, 2), lines, near).reshape(len(steps), -1) > 0
        if 2 * np.count_nonzero(is_box.any(axis=0)) > len(row):
            return True
    return False


def _row(box: Quads, lines: Mask, near: Mask) -> Quads:
    """The boxes in a row with one of them, from left to right."""
    row = [box]
    while (after := _next(row[-1], lines, near, 1)) is not None:
        row.append(after)
    while (before := _next(row[0], lines, near, -1)) is not None:
        row.insert(0, before)
    return np.stack(row)


def _next(box: Quads, lines: Mask, near: Mask, side: int) -> Quads | None:
    """The box to the right (1) or left (-1) of one: the same, moved to where all its sides are."""
    across = box[[1, 2]].mean(axis=0) - box[[0, 3]].mean(axis=0)
    wide = np.linalg.norm(across)
    steps = side * (1 + np.arange(0, APART * wide) / wide)
    falls = np.arange(-STEEP, STEEP + 1)
    moves = steps[:, None, None] * across + np.stack([0 * falls, falls], axis=1)
    moved = box + moves.reshape(-1, 1, 2)
    covered = _covered(moved, lines, near)
    if not covered.any():
        return None
    first = int((covered > 0).argmax())
    few = covered[first : first + FARTHER * len(falls)]
    return np.asarray(moved[first + few.argmax()], np.float32)


def _covered(boxes: Quads, lines: Mask, near: Mask) -> NDArray[np.float64]:
    """How much of the side that has least of it is a line; 0 for what is no box."""
    covered = np.zeros(len(boxes))
    ends = np.flatnonzero((_on(boxes, near, [1, 3]).mean(axis=2) >= COVERED).all(axis=1))
    some = boxes[ends]
    inner = some + INSET * (some.mean(axis=1, keepdims=True) - some)
    least = _on(some, near).mean(axis=2).min(axis=1)
    is_box = (least >= COVERED) & (_on(inner, lines).mean(axis=(1, 2)) <= CROSSED)
    covered[ends[is_box]] = least[is_box]
    return covered


def _on(boxes: Quads, mask: Mask, sides: Sequence[int] = range(4)) -> NDArray[np.uint8]:
    """Which points along the sides of boxes are in a mask: N×4×points."""
    ways = np.linspace(0, 1, NUM_POINTS)[:, None]
    begins, ends = boxes[:, sides, None], np.roll(boxes, -1, axis=1)[:, sides, None]
    x, y = np.moveaxis(np.rint(begins + ways * (ends - begins)).astype(int), -1, 0)
    inside = (x >= 0) & (y >= 0) & (x < mask.shape[1]) & (y < mask.shape[0])
    return np.asarray(mask[y.clip(0, len(mask) - 1), x.clip(0, mask.shape[1] - 1)] * inside)
