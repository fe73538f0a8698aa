"""Quick writing: forms of digits, and what haste does to any glyph."""

import numpy as np
import pytest

from cnn_mnist.training.synthetic.cursive import hurry
from cnn_mnist.training.synthetic.forms import FORMS, any_form
from cnn_mnist.training.synthetic.glyphs import DIGITS
from cnn_mnist.training.synthetic.strokes import Glyph

ANGLE: Glyph = [[(2, 9), (5, 1), (8, 9)]]


def points(glyph: Glyph) -> np.ndarray:
    return np.concatenate([np.array(stroke) for stroke in glyph])


@pytest.mark.parametrize("digit", range(10))
def test_forms_of_quick_writing_stay_in_the_square(digit: int) -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        drawn = points(FORMS[digit](rng))
        assert drawn.min() > -3
        assert drawn.max() < 14


@pytest.mark.parametrize("digit", range(10))
def test_haste_leaves_a_digit_about_where_it_is(digit: int) -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        drawn = points(any_form(digit, 1, rng))
        assert drawn.min() > -6
        assert drawn.max() < 17
        assert np.ptp(drawn[:, 1]) > 5


def test_without_haste_a_glyph_stays_as_it_is() -> None:
    for digit in DIGITS:
        glyph = digit(np.random.default_rng(0))
        kept = hurry(glyph, 0, np.random.default_rng(1))
        assert len(kept) == len(glyph)
        assert np.allclose(points(kept), points(glyph))


def test_a_corner_becomes_a_bow_or_a_loop() -> None:
    """A bow keeps the sides of the strokes; a loop crosses over, and both stay at the corner."""
    rng = np.random.default_rng(0)
    crossed = []
    for _ in range(300):
        drawn = hurry(ANGLE, 1, rng)[0]
        crossed.append(_crosses(drawn))
        assert np.hypot(*(np.array(drawn) - ANGLE[0][1]).T).min() < 5
    assert 0.05 < np.mean(crossed) < 0.4


def test_strokes_are_connected_only_where_they_are_near() -> None:
    near: Glyph = [[(2, 0), (2, 10)], [(6, 9), (6, 0)]]
    far: Glyph = [[(2, 0), (2, 10)], [(9, 0), (9, 10)]]
    rng = np.random.default_rng(0)
    assert {len(hurry(near, 1, rng)) for _ in range(50)} == {1, 2}
    assert {len(hurry(far, 1, rng)) for _ in range(50)} == {2}


def _crosses(stroke: list[tuple[float, float]]) -> bool:
    """Whether a polyline meets itself."""
    line = np.array(stroke)
    pairs = [(i, j) for i in range(len(line) - 1) for j in range(i + 2, len(line) - 1)]
    return any(_meet(*line[[i, i + 1, j, j + 1]]) for i, j in pairs)


def _meet(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> bool:
    def side(p: np.ndarray, q: np.ndarray, r: np.ndarray) -> float:
        return float((q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0]))

    return side(a, b, c) * side(a, b, d) < 0 and side(c, d, a) * side(c, d, b) < 0
