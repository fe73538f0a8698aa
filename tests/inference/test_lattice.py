"""Cells in rows and columns, some of which were not found."""

import numpy as np
import pytest

from cnn_mnist.inference.layout.lattice import (
    ALIKE,
    IRREGULAR,
    Lattice,
    arrange,
    joined,
    of_cells,
    transposed,
)
from cnn_mnist.inference.layout.quads import Quads

WIDTH, HEIGHT, LINE = 40, 30, 4  # px of a cell, and between cells
STEP = WIDTH + LINE


def cells(rows: int, columns: int) -> Quads:
    x, y = np.meshgrid(np.arange(columns) * (WIDTH + LINE), np.arange(rows) * (HEIGHT + LINE))
    cell = np.array([[0, 0], [WIDTH, 0], [WIDTH, HEIGHT], [0, HEIGHT]], np.float32)
    corners = np.stack([x, y], axis=-1).reshape(-1, 1, 2) + cell
    return np.asarray(corners, np.float32)


def lattice_of(found: Quads, inner: Quads | None = None) -> Lattice | None:
    return of_cells(found, found if inner is None else inner, next(arrange(found)), 1000)


@pytest.mark.parametrize("lost", [0, 7, 11])
def test_a_cell_that_was_not_found_is_placed_by_its_neighbours(lost: int) -> None:
    whole = cells(3, 4)
    lattice = lattice_of(np.delete(whole, lost, axis=0))
    assert lattice is not None
    assert lattice.num_found == 11
    assert np.allclose(lattice.corners.reshape(-1, 4, 2), whole, atol=1e-3)


def test_a_displaced_cell_is_placed_again() -> None:
    found = cells(4, 4)
    found[5] += [9, 8]
    lattice = lattice_of(found)
    assert lattice is not None
    assert np.allclose(lattice.corners.reshape(-1, 4, 2), cells(4, 4), atol=1e-3)


@pytest.mark.parametrize(("num_lost", "is_lattice"), [(1, True), (2, False)])
def test_few_cells_with_some_missing_are_no_lattice(num_lost: int, is_lattice: bool) -> None:
    """Of six cells, five are evidence of a grid; four and two gaps are not."""
    lattice = lattice_of(cells(2, 3)[: 6 - num_lost])
    assert (lattice is not None) == is_lattice


@pytest.mark.parametrize(("seen", "is_kept"), [(0.4, True), (0.25, False)])
def test_a_row_that_the_border_cuts_off_is_kept_unless_little_of_it_is_seen(
    seen: float, is_kept: bool
) -> None:
    """What is left of the last cell of a column is lower than the others, but still a cell."""
    found = cells(4, 4)
    found[-1, 2:, 1] -= (1 - seen) * HEIGHT
    inner = found.copy()
    inner[-1, 2:] = np.nan
    lattice = lattice_of(found, inner)
    assert lattice is not None
    assert lattice.num_found == 15 + is_kept
    bottom = lattice.corners[-1, -1, 2, 1]
    assert bottom == pytest.approx(found[-1, 2, 1] if is_kept else found[-2, 2, 1], abs=0.1)


def test_a_grid_of_which_each_cell_was_found_needs_no_neighbours() -> None:
    """Two columns off, as the edge of a shadow leaves them, would be a gap that nothing bridges."""
    found = cells(2, 6).reshape(2, 6, 4, 2)
    found[:, 2] += [[[0, 10]], [[10, 0]]]
    found[:, 3] -= [[[0, 10]], [[10, 0]]]
    lattice = lattice_of(found.reshape(-1, 4, 2))
    assert lattice is not None
    assert lattice.num_found == 8
    assert np.array_equal(lattice.corners, found)


@pytest.mark.parametrize(
    ("gap", "taller", "num_grids"),
    [
        (LINE, 1.0, 1),
        (LINE + STEP * IRREGULAR - 1, 1.0, 1),
        (LINE + STEP * IRREGULAR + 1, 1.0, 2),  # two grids side by side
        (LINE + STEP, 1.0, 1),  # with a cell between them
        (LINE, ALIKE - 0.1, 1),
        (LINE, ALIKE + 0.1, 2),
    ],
)
def test_parts_that_continue_each_other_are_one_grid(
    gap: float, taller: float, num_grids: int
) -> None:
    parts = [cells(2, count).reshape(2, count, 4, 2) for count in (4, 2, 3)]
    parts[1] += [4 * (WIDTH + LINE), 0]
    parts[2] += [6 * (WIDTH + LINE) - LINE + gap, 0]
    parts[2][..., 2:, 1] += (taller - 1) * HEIGHT
    whole = np.concatenate(parts[: 4 - num_grids], axis=1)
    if gap > STEP:
        whole = np.insert(whole, 6, whole[:, 5] + [STEP, 0], axis=1)
    for ways in (np.asarray, transposed):
        lattices = [Lattice(ways(part), part[..., 0, 0].size) for part in parts]
        found = joined([lattices[n] for n in (2, 0, 1)])
        assert len(found) == num_grids
        assert sum(one.num_found for one in found) == 18
        largest = max(found, key=lambda one: one.num_found)
        assert np.array_equal(largest.corners, ways(whole))


def test_grids_that_share_a_divided_cell_are_one() -> None:
    """A stroke from one side of a cell to the other leaves a part of it to either grid."""
    whole = cells(1, 7).reshape(1, 7, 4, 2)
    left, right = whole[:, :4].copy(), whole[:, 3:].copy()
    left[0, -1, :2, 1] += 0.4 * HEIGHT
    right[0, 0, 2:, 1] -= 0.4 * HEIGHT
    (found,) = joined([Lattice(right, 4), Lattice(left, 4)])
    assert found.num_found == 7
    assert np.allclose(found.corners, whole)


def test_a_transposed_grid_has_its_corners_in_order() -> None:
    grid = cells(2, 3).reshape(2, 3, 4, 2)
    assert np.array_equal(transposed(grid)[2, 1], grid[1, 2][[0, 3, 2, 1]])
    assert np.array_equal(transposed(transposed(grid)), grid)
