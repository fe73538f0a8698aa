"""The generator of hard conditions is what it says, and the reader stands up to it."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from cnn_mnist import Reader
from generators import pen
from generators.conditions import CONDITIONS, generate
from generators.mnist_digits import mnist_test
from generators.rows import ROWS

Test = tuple[NDArray[np.uint8], NDArray[np.uint8]]


@pytest.fixture(scope="module")
def test_images(mnist_folder: Path) -> Test:
    return mnist_test(mnist_folder)


@pytest.mark.parametrize("name", CONDITIONS)
def test_pictures_follow_their_seed_and_show_their_truth(name: str, test_images: Test) -> None:
    first, again, other = (next(generate(name, *test_images, 1, seed)) for seed in (3, 3, 4))
    assert np.array_equal(first.source, again.source)
    assert not np.array_equal(first.source, other.source)
    assert len(first.truth) == len(first.ideal)
    assert (2 <= len(first.truth) <= 12) == (name in ROWS)


@pytest.mark.parametrize("width", [1, 6, 30])
def test_a_pen_leaves_strokes_of_its_width(width: int) -> None:
    line = [np.array([[14.0, 4.0], [14.0, 24.0]])]
    ink = pen.draw(line, 300, width)
    assert float(ink[ink.shape[0] // 2].sum()) == pytest.approx(width, abs=1)


@pytest.mark.parametrize("name", ["canvas", "shadow80", "ruled_paper", "desk"])
def test_most_are_read(name: str, test_images: Test) -> None:
    reader = Reader()
    pictures = list(generate(name, *test_images, 12, seed=1))
    right = sum(reader.read(p.source, single=True).text == p.truth for p in pictures)
    assert right >= 11
