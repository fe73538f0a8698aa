"""Pen strokes: the ink is where geometry puts it."""

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import center_of_mass

from cnn_mnist.training.synthetic.strokes import OVERSAMPLING, Glyph, arc, draw, write


def distance(glyph: Glyph, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """From each place to the nearest point of the glyph, sampled densely."""
    points = np.concatenate(
        [np.linspace(a, b, 200) for stroke in glyph for a, b in itertools.pairwise(stroke)]
    )
    near: NDArray[np.float64] = np.hypot(
        x[..., None] - points[:, 0], y[..., None] - points[:, 1]
    ).min(axis=-1)
    return near


@pytest.mark.parametrize("width", [1.5, 2.0, 3.5])
def test_a_pen_inks_what_lies_within_half_its_width(width: float) -> None:
    glyph: Glyph = [[(6, 5), (20, 8.5), (9, 21)], [(22, 12), (22, 24)]]
    frame = draw(glyph, width)
    y, x = (np.mgrid[: len(frame), : len(frame)] + 0.5) / OVERSAMPLING
    away = distance(glyph, x, y)
    tolerance = 1.5 / OVERSAMPLING
    assert (frame[away < width / 2 - tolerance] == 255).all()
    assert (frame[away > width / 2 + tolerance] == 0).all()


def test_an_arc_lies_on_its_ellipse_and_ends_where_it_should() -> None:
    points = np.array(arc(5, 4, 3, 2, -90, 180))
    assert ((points[:, 0] - 5) / 3) ** 2 + ((points[:, 1] - 4) / 2) ** 2 == pytest.approx(1)
    assert points[0] == pytest.approx([5, 2])
    assert points[-1] == pytest.approx([2, 4])
    assert len(points) == 10


def test_writing_ends_in_mnists_frame() -> None:
    glyph: Glyph = [[(100, 50), (140, 50), (120, 150)]]
    image = write(glyph, 2.5, 1.0, 0.0, np.random.default_rng(0))
    rows = np.flatnonzero(image.any(axis=1))
    assert image.shape == (28, 28)
    assert image.dtype == np.uint8
    assert rows[-1] - rows[0] + 1 == 20
    assert center_of_mass(image) == pytest.approx((14, 14), abs=0.5)


def test_aspect_narrows_and_tremor_moves() -> None:
    glyph: Glyph = [[(0, 0), (10, 0), (10, 10), (0, 10), (0, 0)]]
    steady = write(glyph, 2, 0.5, 0, np.random.default_rng(0))
    shaken = write(glyph, 2, 0.5, 0.05, np.random.default_rng(0))
    assert np.ptp(np.flatnonzero(steady.any(axis=0))) + 1 == pytest.approx(11, abs=1)
    assert (steady != shaken).any()
    assert np.array_equal(shaken, write(glyph, 2, 0.5, 0.05, np.random.default_rng(0)))
