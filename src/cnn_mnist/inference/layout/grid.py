"""The cells of a table, a sudoku or a row of boxes, at any angle and bent.

Cells are bounded by lines of ink: a cell is a light region with four corners and similar cells to
its right and below. Each cell is straightened by its own corners.
"""

import heapq
from collections.abc import Iterator
from itertools import permutations, product
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from cnn_mnist.inference.layout import quads
from cnn_mnist.inference.layout.quads import Grey, Mask, Quads

Links = NDArray[np.int64]  # for each cell the next one to the right, or below; or NOBODY

SEARCH_SIDE = 1200  # px; cells are searched on a copy at most this large
DARK = 128  # of 255; lines may be lighter than a page that is mostly darker
READABLE = 16  # px of the picture; no number fits into a smaller cell, but letters look like some
MOST_CELLS, FEW_CELLS = 1000, 100  # of large pictures, and of any
CELL_ROOM = 2000  # px of the picture for each of them
WALL = 0.9  # of a cell's shorter side, from each corner to that of the next cell
LEAST_CELLS = 4
FILLED = 0.5  # of the picture's width or height, by a grid to which it was cut
SQUARE = 1.3  # times as long as wide; squared paper seen at an angle
STRIP = 3  # times as long as wide, on average: cells that are cut off are longer between lines
ALIKE = 1.6  # maximum ratio to the width of the column's cells and the height of the row's
CUT_ALIKE = 3  # of cells that the picture's border cuts off, in places obliquely
DISPLACED = 0.2  # of a cell's shorter side
WORST = 0.7  # of the largest displacement; cells with less may be right
LEAST_FOUND = 0.6  # of a grid's cells
LEAST_OUTER = 0.3  # of an outer row's or column's
MOST_ALIKE = 2  # regions of a cell's size for each cell; around squared paper's grids are more
NOBODY = -1


def find(grey: Grey) -> list[Quads]:
    """The grids of a page from the top, each the corners of its cells, rows×columns×4×2.

    The corners are inside the lines around a cell.

    Args:
        grey: uint8 H×W, the page.
    """
    scale = min(1.0, SEARCH_SIDE / max(grey.shape))
    small = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    most = min(max(grey.size // CELL_ROOM, FEW_CELLS), MOST_CELLS)
    best = _best_lattices(np.asarray(small, np.uint8), most)
    outer = [grid for grid, _ in best if not any(_is_within(grid, other) for other, _ in best)]
    ordered = sorted(outer, key=lambda grid: float(grid[..., 1].mean()))
    return [grid / scale for grid in ordered if _least_side(grid) >= READABLE * scale]


def is_cut(grid: Quads, picture: Grey) -> NDArray[np.bool_]:
    """Which of a grid's cells the picture's border cuts off, rows×columns."""
    pixel = max(1.0, max(picture.shape) / SEARCH_SIDE)  # of the copy
    return np.asarray(quads.cut(grid, picture, 2 * pixel).any(axis=-1))


def _least_side(grid: Quads) -> float:
    """The typical shorter side of a grid's cells."""
    return float(np.median(quads.sides(grid).min(axis=-1)))


class Lattice(NamedTuple):
    """A grid, and how many of its cells were found; the others were placed by their neighbours."""

    corners: Quads
    num_found: int

    @property
    def worth(self) -> int:
        """Cells found minus cells missing."""
        return 2 * self.num_found - self.corners[..., 0, 0].size


def _worth(lattices: list[Lattice]) -> int:
    return sum(lattice.worth for lattice in lattices)


def _best_lattices(grey: Grey, most: int) -> list[Lattice]:
    """The grids with dark lines, at whichever darkness most cells are found, or with light ones."""
    found: list[list[Lattice]] = [[]]
    for shown in (grey, 255 - grey):
        for mask in quads.line_masks(shown):
            lattices = _lattices(mask, most)
            if lattices is None:
                return _completed(found)
            found.append(lattices)
        if any(found) or np.median(grey) >= DARK:
            break
    return _completed(found)


def _completed(found: list[list[Lattice]]) -> list[Lattice]:
    """The lattices of the best mask, or what are larger parts of the same grids in other ones.

    The edge of a shadow may cut a grid in two, but not at every darkness. Parts that overlap in
    other masks are taken as they are in the best one.
    """
    of_any = [lattice for lattices in found for lattice in lattices]
    best = max(found, key=_worth)
    wholes: list[Lattice] = []
    for part in best:
        middle = part.corners.mean(axis=(0, 1, 2))
        around = [lattice for lattice in of_any if _contains(lattice.corners, middle)]
        whole = max(around, key=lambda lattice: lattice.worth)
        if not any(whole is other for other in wholes):
            wholes.append(whole)
    overlap = any(
        _contains(whole.corners, other.corners.mean(axis=2)).any()
        for whole, other in permutations(wholes, 2)
    )
    return best if overlap else wholes


def _lattices(lines: Mask, most: int) -> list[Lattice] | None:
    """The cells bounded by lines, in rows and columns, at most so many; None on squared paper."""
    if len(cells := quads.find(lines, LEAST_CELLS, most)) < LEAST_CELLS:
        return []
    inner = np.where(quads.at_border(cells, lines)[..., None], np.nan, cells)
    linked = (
        places
        for places in _places(*_links(cells))
        if _are_cells([*places.values()], cells[[*places]], inner[[*places]], lines)
    )
    placed = (_lattice(cells, inner, places, most) for places in linked)
    near = np.asarray(cv2.dilate(lines, np.ones((5, 5), np.uint8)), np.uint8)
    found = (lattice for lattice in placed if lattice is not None)
    grids = [lattice for lattice in found if not _runs_on(lattice.corners, lines, near)]
    return None if _among_squares(grids, cells) else grids


def _are_cells(places: list[tuple[int, int]], cells: Quads, inner: Quads, lines: Mask) -> bool:
    """Whether linked regions are cells: some are whole, or they are cut off, but fill the picture.

    Then they are not as long as strips between ruled lines, and of one height, or in one row.
    """
    num_cut = quads.cut(cells, lines).sum(axis=1)
    if (num_cut == 0).sum() >= LEAST_CELLS:
        return True
    extent = np.ptp(cells, axis=(0, 1)) / lines.shape[::-1]
    if (num_cut <= 1).sum() < LEAST_CELLS or extent.max() < FILLED:
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


def _among_squares(grids: list[Lattice], cells: Quads) -> bool:
    """Whether most regions of the size of the grids' cells are outside, as on squared paper."""
    if not grids:
        return False
    inside = np.concatenate([quads.sides(grid.corners).reshape(-1, 4) for grid in grids])
    relative = quads.sides(cells) / np.median(inside, axis=0)
    alike = (relative < ALIKE) & (relative > 1 / ALIKE)
    return bool(alike.all(axis=1).sum() > MOST_ALIKE * len(inside))


def _links(cells: Quads) -> tuple[Links, Links]:
    reach = WALL * quads.sides(cells).min(axis=1)
    right = _link(cells[:, [1, 2]], cells[:, [0, 3]], reach)
    below = _link(cells[:, [3, 2]], cells[:, [0, 1]], reach)
    return right, below


def _link(ends: Quads, begins: Quads, reach: NDArray[Any]) -> Links:
    """The cell that begins where another ends: mutually nearest, and near at both corners."""
    sides = [corners.reshape(-1, 4) for corners in (ends, begins)]
    _, found = cv2.batchDistance(sides[0], sides[1], cv2.CV_32F, K=1, crosscheck=True)
    nearest = np.asarray(found)[:, 0]
    away = np.linalg.norm(ends - begins[nearest], axis=2).max(axis=1)
    near = (nearest != NOBODY) & (away <= np.minimum(reach, reach[nearest]))
    return np.asarray(np.where(near, nearest, NOBODY), np.int64)


def _places(right: Links, below: Links) -> Iterator[dict[int, tuple[int, int]]]:
    """Row and column of the cells of each grid.

    Cells with neighbours in both directions are followed first: a cell merged with the next one
    through a broken line has them in one direction only, and leads to a wrong column.
    """
    steps = _steps(right, below)
    rank = [len({row for _, row, _ in around}) for around in steps]  # 2 if in both directions
    placed: set[int] = set()
    for start in sorted(range(len(steps)), key=lambda cell: -len(steps[cell])):
        if start in placed:
            continue
        places, waiting = {start: (0, 0)}, [(-rank[start], 0, start)]
        while waiting:
            cell = heapq.heappop(waiting)[-1]
            row, column = places[cell]
            for onward, down, across in steps[cell]:
                if onward not in places:
                    places[onward] = row + down, column + across
                    heapq.heappush(waiting, (-rank[onward], len(places), onward))
        placed |= places.keys()
        yield places


def _steps(right: Links, below: Links) -> list[list[tuple[int, int, int]]]:
    """The steps from each cell: the next cell, rows down, columns to the right."""
    steps: list[list[tuple[int, int, int]]] = [[] for _ in right]
    for links, down, across in ((right, 0, 1), (below, 1, 0)):
        for cell in np.flatnonzero(links != NOBODY).tolist():
            steps[cell].append((int(links[cell]), down, across))
            steps[int(links[cell])].append((cell, -down, -across))
    return steps


def _lattice(
    cells: Quads, inner: Quads, places: dict[int, tuple[int, int]], most: int
) -> Lattice | None:
    """The cells in rows and columns, with gaps filled; None if too few or too many were found.

    Args:
        inner: the cells with corners at the picture's border NaN, since they are no crossings of
            the grid's lines.
    """
    where = np.array(list(places.values()))
    where -= where.min(axis=0)
    found = np.full(where.max(axis=0) + 1, NOBODY)
    for cell, (row, column) in reversed(list(zip(places, where.tolist(), strict=True))):
        found[row, column] = cell
    found = _trimmed(found)
    if found.size > most:
        return None
    crossings = _arranged(inner, found)
    seen = _arranged(cells, found)
    crossings[_misshapen(crossings, ALIKE) | _misshapen(seen, CUT_ALIKE)] = np.nan
    _remove_displaced(crossings)
    grid = np.where(np.isnan(crossings).all(axis=(2, 3), keepdims=True), np.nan, seen)
    num_found = int(np.count_nonzero(~np.isnan(grid[..., 0, 0])))
    if num_found < LEAST_FOUND * found.size or (whole := _filled(grid)) is None:
        return None
    lattice = Lattice(whole, num_found)
    return lattice if lattice.worth >= LEAST_CELLS else None


def _arranged(cells: Quads, found: Links) -> Quads:
    grid = np.full((*found.shape, 4, 2), np.nan, np.float32)
    grid[found != NOBODY] = cells[found[found != NOBODY]]
    return grid


def _trimmed(found: Links) -> Links:
    """The grid without outer rows and columns of few cells, the slivers cut off by writing."""
    before = None
    while before != found.shape:
        before, is_found = found.shape, found != NOBODY
        kept = []
        for axis in (1, 0):
            shares = is_found.mean(axis=axis)
            low, high = np.flatnonzero(shares >= min(LEAST_OUTER, shares.max()))[[0, -1]]
            kept.append(slice(low, high + 1))
        found = found[tuple(kept)]
    return found


def _misshapen(grid: Quads, most: float) -> NDArray[np.bool_]:
    """Cells whose width or height differs much from their column's or row's."""
    sides = quads.sides(grid)
    wide, high = sides[..., ::2].mean(axis=2), sides[..., 1::2].mean(axis=2)
    of_column, of_row = (1, 1) if len(grid) == 1 else (0, 0) if len(grid[0]) == 1 else (0, 1)
    across, down = wide / _median(wide, axis=of_column), high / _median(high, axis=of_row)
    return np.asarray((np.fmax(across, down) > most) | (np.fmin(across, down) < 1 / most))


def _median(sizes: NDArray[Any], axis: int) -> NDArray[Any]:
    """The median of the cells found; numpy's nanmedian takes many times as long."""
    ordered = np.sort(sizes, axis=axis)  # missing ones last
    found = np.count_nonzero(~np.isnan(sizes), axis=axis, keepdims=True)
    middle = (found - 1) // 2, found // 2
    return np.asarray(sum(np.take_along_axis(ordered, half, axis) for half in middle) / 2)


def _remove_displaced(grid: Quads) -> None:
    """Set cells with a corner that no three neighbours confirm to NaN, the worst first.

    What they displace by their example is then right.
    """
    worst = np.inf
    while worst > DISPLACED:
        off = np.linalg.norm(_guesses(grid) - grid, axis=-1)
        off = np.fmin.reduce(np.fmax.reduce(off, axis=-1)) / np.fmin.reduce(
            quads.sides(grid), axis=-1
        )
        worst = float(np.fmax.reduce(off, axis=None))
        grid[off >= max(DISPLACED, WORST * worst)] = np.nan


def _filled(grid: Quads) -> Quads | None:
    """The grid with missing cells placed by their neighbours."""
    while np.isnan(grid).any():
        guesses = _guesses(grid)
        known = ~np.isnan(guesses)
        fits = np.isnan(grid) & known.any(axis=0)
        if not fits.any():
            return None
        guess = np.where(known, guesses, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        grid = np.where(fits, guess, grid)
    return grid


def _guesses(grid: Quads) -> Quads:
    """Each cell's corners, extrapolated as parallelograms from three neighbours each."""
    padded = np.pad(grid, ((1, 1), (1, 1), (0, 0), (0, 0)), constant_values=np.nan)
    level = padded[1:-1, :-2], padded[1:-1, 2:]
    upright = padded[:-2, 1:-1], padded[2:, 1:-1]
    oblique = padded[:-2, :-2], padded[2:, :-2], padded[:-2, 2:], padded[2:, 2:]
    beside = zip(product(level, upright), oblique, strict=True)
    return np.stack([a + b - c for (a, b), c in beside])


def _runs_on(grid: Quads, lines: Mask, near: Mask) -> bool:
    """Whether the lines continue beyond opposite sides of a grid, as on squared paper.

    Beyond the picture's border they are taken to continue if there are many squares already.
    """
    cut = np.asarray(quads.cut(grid, lines).any(axis=(0, 1)))
    if (cut[:2] & cut[2:]).any():
        elongation = float(np.median(_elongation(grid)))
        return grid[..., 0, 0].size > FEW_CELLS and elongation < SQUARE
    sides = [grid, grid[::-1, ::-1][..., [2, 3, 0, 1], :]]
    turned = [side.transpose(1, 0, 2, 3)[..., [0, 3, 2, 1], :] for side in sides]
    return any(all(_goes_on(side, lines, near) for side in pair) for pair in (sides, turned))


def _goes_on(grid: Quads, lines: Mask, near: Mask) -> bool:
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
