"""Pictures by a writer whose unusual digits are easily mistaken for other digits."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from cnn_mnist.training.synthetic.strokes import Glyph, Stroke, arc, polylines

SIDE = 200  # px of a picture
UNSTEADY = 0.25  # times the glyph's height of 10: standard deviation of a stroke's points

FORMS: dict[int, Glyph] = {
    0: [arc(5, 5, 2.6, 3.6, -90, 270), [(10, -1), (0, 11)]],  # slash twice as long as the oval
    1: [[(1.5, 10), (5, 0), (7, 10)]],  # a hook down to the baseline on both sides
    2: [[(1.5, 0), (8.5, 0), (1.5, 10), (8.5, 10)], [(3, 5), (7, 5)]],  # a barred Z
    3: [[(1.5, 0), (8.5, 0), (4, 4), *arc(4.5, 7, 3.5, 3, -70, 160)]],  # with a flat top
    4: [[(1, 0), (3, 3.5), (8, 3)], [(9, 0), (4, 10)]],  # wide open
    5: [arc(5, 2.6, 3, 2.6, -20, -270), arc(5, 7.6, 3, 2.4, -90, 160)],  # an S
    6: [[(2.2, 0), (2.2, 8)], arc(4.6, 7.6, 2.4, 2.4, 180, 540)],  # a b
    7: [[(2, 4), (2, 0), (7.5, 0.3), (4.5, 10)], [(2, 6.5), (8, 6)]],  # a long serif, crossed low
    8: [[(8, 0.5), (2, 9), (8, 9.5), (2, 0.5), (8, 0.5)]],  # an hourglass
    9: [arc(4.6, 3, 3, 3, 0, 360), [(7.6, 3), (7.6, 8)], arc(5, 8, 2.6, 2, 0, 130)],  # a g
}


def pictures(count: int, seed: int = 0) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Digits 0 to 9 in turn and their pictures, dark on white; deterministic for a seed."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        yield number % 10, _picture(FORMS[number % 10], rng)


def _picture(glyph: Glyph, rng: np.random.Generator) -> NDArray[np.uint8]:
    height, slant, aspect = rng.uniform(90, 140), rng.normal(0, 0.06), rng.uniform(0.6, 0.85)
    turn = np.array([[aspect, slant], [rng.normal(0, 0.04), 1]]) * height / 10
    page = np.full((SIDE, SIDE), 255, np.uint8)
    ink, pen = int(rng.integers(10, 70)), int(rng.integers(6, 12))
    for stroke in glyph:
        line = _unsteady(stroke, rng) @ turn.T + SIDE / 2 + rng.normal(0, 1)
        polylines(page, [line], pen, ink)
    return page


def _unsteady(stroke: Stroke, rng: np.random.Generator) -> NDArray[np.float64]:
    points = np.array(stroke, float) - 5
    return points + rng.normal(0, UNSTEADY, points.shape)
