"""The cells of a table, a sudoku or a row of boxes, at any angle and bent.

Cells are light regions with four corners, bounded by lines of ink at some darkness. What is in rows
and columns is a grid, unless it is squared paper.
"""

from itertools import permutations
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cnn_mnist.inference.layout import groups, lattice, quads
from cnn_mnist.inference.layout.lattice import ALIKE, MIN_CELLS, Lattice
from cnn_mnist.inference.layout.quads import Grey, Mask, Quads
from cnn_mnist.inference.percentiles import median
from cnn_mnist.inference.segmentation import sheet

SEARCH_SIDE = 1200  # px; cells are searched on a copy at most this large
DARK = 128  # of 255; lines may be lighter than a page that is mostly darker
READABLE = 16  # px of the picture; no number fits into a smaller cell, but letters look like some
MAX_CELLS, FEW_CELLS = 1000, 100  # of large pictures, and of any
CELL_ROOM = 2000  # px of the picture for each of them
FILLED = 0.5  # of the picture's width or height, by a grid to which it was cut
SQUARE = 1.3  # times as long as wide; squared paper seen at an angle
STRIP = 3  # times as long as wide, on average: cells that are cut off are longer between lines
MAX_STRIPS = 2  # columns of a ruled sheet: its strips, divided by the line of a margin
MAX_ALIKE = 2  # regions of a cell's size for each cell; around squared paper's grids are more


def find(grey: Grey) -> list[Quads]:
    """The grids of a page from top to bottom, each as its cells' corners, rows×columns×4×2.

    The corners are inside the lines around a cell.

    Args:
        grey: uint8 H×W, the page.
    """
    scale = min(1.0, SEARCH_SIDE / max(grey.shape))
    small = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    most = min(max(grey.size // CELL_ROOM, FEW_CELLS), MAX_CELLS)
    best = lattice.joined(_best_lattices(np.asarray(small, np.uint8), most))
    outer = [grid for grid, _ in best if not any(_is_within(grid, other) for other, _ in best)]
    ordered = sorted(outer, key=lambda grid: float(grid[..., 1].mean()))
    return [grid / scale for grid in ordered if _least_side(grid) >= READABLE * scale]


def is_cut(grid: Quads, picture: Grey) -> NDArray[np.bool_]:
    """Which of a grid's cells the picture's border cuts off, rows×columns."""
    pixel = max(1.0, max(picture.shape) / SEARCH_SIDE)  # of the copy
    return np.asarray(quads.cut(grid, picture, 2 * pixel).any(axis=-1))


def is_ruled_sheet(grid: Quads, pixels: NDArray[np.uint8]) -> bool:
    """Whether the cells are the strips between a sheet's ruled lines, whose ends are its edges.

    The line of a margin makes two columns of them. The sheet may be on its side.

    Args:
        pixels: uint8 H×W×3, the page.
    """
    ways = [grid, lattice.transposed(grid)]
    strips = [way for way in ways if way.shape[1] <= MAX_STRIPS]
    on_sheet = sheet.find(pixels) if strips else None
    if on_sheet is None:
        return False
    ends = [(way[:, 0, [0, 3]].mean(axis=1), way[:, -1, [1, 2]].mean(axis=1)) for way in strips]
    return any(all(_at(end, on_sheet) < 0.5 for end in pair) for pair in ends)


def _least_side(grid: Quads) -> float:
    """The typical shorter side of a grid's cells."""
    return float(median(quads.sides(grid).min(axis=-1)))


def _worth(lattices: list[Lattice]) -> int:
    return sum(one.worth for one in lattices)


def _best_lattices(grey: Grey, most: int) -> list[Lattice]:
    """The grids with dark lines, at whichever darkness most cells are found, or with light ones."""
    found: list[list[Lattice]] = [[]]
    masks: list[tuple[Mask, Quads]] = []
    for shown in (grey, 255 - grey):
        for mask in quads.line_masks(shown):
            cells = quads.find(mask, most)
            lattices = _lattices(mask, cells, most)
            if lattices is None:
                return _completed(found)
            found.append(lattices)
            masks.append((mask, cells))
        if any(found) or 2 * np.count_nonzero(grey < DARK) <= grey.size:
            break
    lattices = _completed(found)
    if any(len(one.corners) > 1 for one in lattices):
        return lattices
    return _with_groups(lattices, [*groups.find(masks)])


def _with_groups(lattices: list[Lattice], rows: list[Lattice]) -> list[Lattice]:
    """The rows of boxes of a page without another grid, each replaced by one with more boxes."""
    for row in sorted(rows, key=lambda row: -row.num_found):
        middles = row.corners.mean(axis=2)
        beside = [one for one in lattices if _contains(one.corners, middles).any()]
        if all(one.corners.shape[1] < row.num_found for one in beside):
            lattices = [one for one in lattices if not any(one is other for other in beside)]
            lattices.append(row)
    return lattices


def _completed(found: list[list[Lattice]]) -> list[Lattice]:
    """The best mask's lattices, each replaced if another mask has a larger part of its grid.

    The edge of a shadow may cut a grid in two, but not at every darkness. Parts that overlap in
    other masks are taken as they are in the best one.
    """
    of_any = [one for lattices in found for one in lattices]
    best = max(found, key=_worth)
    wholes: list[Lattice] = []
    for part in best:
        middle = part.corners.mean(axis=(0, 1, 2))
        around = [one for one in of_any if _contains(one.corners, middle)]
        whole = max(around, key=lambda one: one.worth)
        if not any(whole is other for other in wholes):
            wholes.append(whole)
    overlap = any(
        _contains(whole.corners, other.corners.mean(axis=2)).any()
        for whole, other in permutations(wholes, 2)
    )
    return best if overlap else wholes


def _lattices(lines: Mask, cells: Quads, most: int) -> list[Lattice] | None:
    """The cells between lines, in rows and columns, at most `most`; None on squared paper."""
    if len(cells) < MIN_CELLS:
        return []
    inner = np.where(quads.at_border(cells, lines)[..., None], np.nan, cells)
    linked = (
        places
        for places in lattice.arrange(cells)
        if len(places) >= MIN_CELLS
        and _are_cells([*places.values()], cells[[*places]], inner[[*places]], lines)
    )
    placed = (lattice.of_cells(cells, inner, places, most) for places in linked)
    found = [one for one in placed if one is not None]
    if not found:
        return []
    near = np.asarray(cv2.dilate(lines, np.ones((5, 5), np.uint8)), np.uint8)
    grids = [one for one in found if not _runs_on(one.corners, lines, near)]
    num_cells = sum(grid.corners[..., 0, 0].size for grid in grids)
    num_squares = _num_alike(cells, grids)
    if num_squares <= MAX_ALIKE * num_cells:
        return grids
    return None if num_squares > FEW_CELLS else []


def _are_cells(places: list[tuple[int, int]], cells: Quads, inner: Quads, lines: Mask) -> bool:
    """Whether linked regions are cells: some are whole, or they are cut off, but fill the picture.

    Then they are not as long as strips between ruled lines, and of one height, or in one row.
    """
    num_cut = quads.cut(cells, lines).sum(axis=1)
    if (num_cut == 0).sum() >= MIN_CELLS:
        return True
    extent = np.ptp(cells, axis=(0, 1)) / lines.shape[::-1]
    if (num_cut <= 1).sum() < MIN_CELLS or extent.max() < FILLED:
        return False
    is_row = len({row for row, _ in places}) == 1
    alike = _sizes(inner)[0 if is_row else 1]
    spread = np.fmax.reduce(alike) / np.fmin.reduce(alike)
    return bool(_elongation(cells).mean() < STRIP and not spread > ALIKE)  # NaN: all are cut off


def _sizes(cells: Quads) -> tuple[NDArray[Any], NDArray[Any]]:
    """The width and height of cells, from the sides that are known."""
    sides = quads.sides(cells)
    return np.fmax(sides[..., 0], sides[..., 2]), np.fmax(sides[..., 1], sides[..., 3])


def _elongation(cells: Quads) -> NDArray[Any]:
    """How many times as long as wide each cell is."""
    wide, high = _sizes(cells)
    return np.asarray(np.maximum(wide / high, high / wide))


def _num_alike(cells: Quads, grids: list[Lattice]) -> int:
    """How many regions have the size of the grids' cells."""
    if not grids:
        return 0
    inside = np.concatenate([quads.sides(grid.corners).reshape(-1, 4) for grid in grids])
    relative = quads.sides(cells) / median(inside, axis=0)
    alike = (relative < ALIKE) & (relative > 1 / ALIKE)
    return int(alike.all(axis=1).sum())


def _runs_on(grid: Quads, lines: Mask, near: Mask) -> bool:
    """Whether the lines continue beyond opposite sides of a grid, as on squared paper.

    Beyond the picture's border they are taken to continue if there are many squares already.
    """
    cut = np.asarray(quads.cut(grid, lines).any(axis=(0, 1)))
    if (cut[:2] & cut[2:]).any():
        elongation = float(median(_elongation(grid)))
        return grid[..., 0, 0].size > FEW_CELLS and elongation < SQUARE
    sides = [grid, grid[::-1, ::-1][..., [2, 3, 0, 1], :]]
    turned = [lattice.transposed(side) for side in sides]
    return any(
        all(_lines_continue_above(side, lines, near) for side in pair) for pair in (sides, turned)
    )


def _lines_continue_above(grid: Quads, lines: Mask, near: Mask) -> bool:
    """Whether the vertical lines, with light between them, continue above the top cells."""
    top, middle = grid[0], grid[0].mean(axis=1)
    if len(top) < 3:
        return False
    upper, lower = (top[:-1, 1] + top[1:, 0]) / 2, (top[:-1, 2] + top[1:, 3]) / 2
    beyond = upper + (upper - lower) / 3
    between = middle + (top[:, :2].mean(axis=1) - middle) * 5 / 3
    return _at(beyond, near) > 0.8 and _at(between, lines) < 0.2


def _at(points: NDArray[Any], mask: NDArray[Any]) -> float:
    """The share of points (x, y) in a mask; points outside count at its border."""
    x, y = np.rint(points).astype(int).T
    return float(mask[y.clip(0, len(mask) - 1), x.clip(0, mask.shape[1] - 1)].mean())


def _contains(grid: Quads, points: NDArray[Any]) -> NDArray[np.bool_]:
    """Which points, …×2, are in a grid's bounding box."""
    low, high = grid.min(axis=(0, 1, 2)), grid.max(axis=(0, 1, 2))
    return np.asarray(((points >= low) & (points <= high)).all(axis=-1))


def _is_within(grid: Quads, other: Quads) -> bool:
    return grid is not other and bool(_contains(other, grid).all())
