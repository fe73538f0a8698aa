"""Cells → a lattice: the cells in rows and columns, with those placed that were not found.

Each cell has similar cells to its right and below. Cells that do not fit among their neighbours are
left out, and placed again by these.
"""

import heapq
from collections.abc import Iterator
from itertools import permutations, product
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from cnn_mnist.inference.layout import quads
from cnn_mnist.inference.layout.quads import Quads
from cnn_mnist.inference.percentiles import median

Links = NDArray[np.int64]  # for each cell the next one to the right, or below; or NOBODY

WALL = 0.9  # of a cell's shorter side, from each corner to that of the next cell
MIN_CELLS = 4
ALIKE = 1.6  # maximum ratio to the width of the column's cells and the height of the row's
CUT_ALIKE = 3  # of cells that the picture's border cuts off, in places obliquely
DISPLACED = 0.2  # of a cell's shorter side
WORST = 0.7  # of the largest displacement; cells with less may be right
MIN_FOUND = 0.6  # of a grid's cells
MIN_OUTER = 0.3  # of an outer row's or column's
IRREGULAR = 1 / 3  # of a step: how much longer or shorter one between two parts of a grid may be
MAX_PARTS = 20  # of grids; each is compared with each
NOBODY = -1


class Lattice(NamedTuple):
    """A grid, and how many of its cells were found; the others were placed by their neighbours."""

    corners: Quads
    num_found: int

    @property
    def worth(self) -> int:
        """Cells found minus cells missing."""
        return 2 * self.num_found - self.corners[..., 0, 0].size


def arrange(cells: Quads) -> Iterator[dict[int, tuple[int, int]]]:
    """Row and column of the cells of each grid.

    Cells with neighbours in both directions are followed first: a cell merged with the next one
    through a broken line has them in one direction only, and leads to a wrong column.
    """
    steps = _steps(*_links(cells))
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


def of_cells(
    cells: Quads, inner: Quads, places: dict[int, tuple[int, int]], most: int
) -> Lattice | None:
    """The cells in rows and columns, with gaps filled; None if too few or too many were found.

    Args:
        inner: the cells with corners at the picture's border NaN, since they are not
            crossings of the grid's lines.
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
    each = _known(crossings)
    _remove_displaced(crossings)
    known = _known(crossings)
    if known.mean() < MIN_FOUND:
        return None
    whole = _filled(np.where(known[..., None, None], seen, np.nan))
    if whole is None and each.all():  # a gap of two columns, but there is nothing to fill
        whole = seen
    if whole is None:
        return None
    lattice = Lattice(whole, int(np.count_nonzero(known)))
    return lattice if lattice.worth >= MIN_CELLS else None


def _known(grid: Quads) -> NDArray[np.bool_]:
    """Which cells have a corner."""
    return np.asarray(~np.isnan(grid).all(axis=(2, 3)))


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


def _steps(right: Links, below: Links) -> list[list[tuple[int, int, int]]]:
    """The steps from each cell: the next cell, rows down, columns to the right."""
    steps: list[list[tuple[int, int, int]]] = [[] for _ in right]
    for links, down, across in ((right, 0, 1), (below, 1, 0)):
        for cell in np.flatnonzero(links != NOBODY).tolist():
            steps[cell].append((int(links[cell]), down, across))
            steps[int(links[cell])].append((cell, -down, -across))
    return steps


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
            low, high = np.flatnonzero(shares >= min(MIN_OUTER, shares.max()))[[0, -1]]
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

    Once they are gone, the neighbours that they misled fit.
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


def joined(parts: list[Lattice]) -> list[Lattice]:
    """The grids, where two that continue each other are one, unless there are very many."""
    for one, other in permutations(parts, 2) if len(parts) <= MAX_PARTS else ():
        if (whole := _continued(one, other)) is not None:
            rest = [part for part in parts if part is not one and part is not other]
            return joined([*rest, whole])
    return parts


def _continued(one: Lattice, other: Lattice) -> Lattice | None:
    """A grid and the one that continues its rows to the right, or its columns downwards.

    A digit that reaches two sides of its cell may have left one part of it to either grid.
    """
    for ways in (np.asarray, transposed):
        left, right = ways(one.corners), ways(other.corners)
        for ends in ((left, right), (left[:, :-1], right[:, 1:])):
            if (whole := _beside(*ends)) is not None:
                num_found = one.num_found + other.num_found
                return Lattice(ways(whole), min(num_found, whole[..., 0, 0].size))
    return None


def _typical_sides(grid: Quads) -> NDArray[Any]:
    return median(quads.sides(grid).reshape(-1, 4), axis=0)


def _beside(left: Quads, right: Quads) -> Quads | None:
    """The rows of a grid that go on in another, by steps and cells as they are in both.

    One cell may be missing between them, as the edge of a shadow leaves it.
    """
    if len(left) != len(right) or min(left.shape[1], right.shape[1]) < 2:
        return None
    sizes = _typical_sides(left) / _typical_sides(right)
    if (np.maximum(sizes, 1 / sizes) > ALIKE).any():
        return None
    centres = np.concatenate([left[:, -2:], right[:, :2]], axis=1).mean(axis=2)
    steps = np.diff(centres, axis=1)  # before, between and after
    regular = (steps[:, 0] + steps[:, 2]) / 2
    for missing in (0, 1):
        off = np.linalg.norm(steps[:, 1] - (1 + missing) * regular, axis=-1)
        if (off < IRREGULAR * np.linalg.norm(regular, axis=-1)).all():
            between = (left[:, -1:] + right[:, :1]) / 2
            return np.concatenate([left, between[:, :missing], right], axis=1)
    return None


def transposed(grid: Quads) -> Quads:
    """The grid with rows as columns, mirrored: corners stay clockwise from the upper left."""
    return grid.transpose(1, 0, 2, 3)[..., [0, 3, 2, 1], :]
