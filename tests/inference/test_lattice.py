"""Cells in rows and columns, some of which were not found."""

import numpy as np
import pytest

from cnn_mnist.inference.layout.lattice import Lattice, arrange, of_cells
from cnn_mnist.inference.layout.quads import Quads

WIDTH, HEIGHT, LINE = 40, 30, 4  # px of a cell, and between cells


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
