"""Lines of the paper that look like digits, and pale strokes that look like lines."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from cnn_mnist.inference.reader import Reader
from drawn import page

PAPER, EDGE = (190, 185, 180), (30, 30, 30)


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader()


def cell(
    text: str, grey: int, side: int, edge: int, height: int, lean: float, sides: str
) -> NDArray[np.uint8]:
    """A cell cut out of a photographed grid, with some of its sides; the left one may lean."""
    found = np.full((side, side, 3), PAPER, np.uint8)
    if text:
        written = page(text, height, height // 10, (grey,) * 3, PAPER)
        margin = (side - np.array(written.shape[:2])) // 2
        cut, (top, left) = np.maximum(-margin, 0), np.maximum(margin, 0)
        written = written[cut[0] : cut[0] + side, cut[1] : cut[1] + side]
        found[top : top + len(written), left : left + written.shape[1]] = written
    found[: edge * ("top" in sides)] = EDGE
    found[side - edge * ("bottom" in sides) :] = EDGE
    found[:, side - edge * ("right" in sides) :] = EDGE
    ends = (edge // 2 + int(lean * side), 0), (edge // 2, side)
    cv2.line(found, *ends, EDGE, edge, cv2.LINE_AA)
    noise = np.random.default_rng(0).normal(0, 3, found.shape)
    return np.clip(cv2.GaussianBlur(found, (0, 0), 1.5) + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("grey", [120, 135])
@pytest.mark.parametrize(
    ("side", "edge", "height", "lean", "sides"),
    [
        (100, 5, 60, 0, "top bottom"),
        (100, 5, 60, 0.04, "top bottom right"),
        (48, 4, 30, 0, "top bottom right"),
    ],
)
def test_a_pale_1_between_the_dark_sides_of_a_cell_is_read(
    reader: Reader, grey: int, side: int, edge: int, height: int, lean: float, sides: str
) -> None:
    assert reader.read(cell("1", grey, side, edge, height, lean, sides)).text == "1"


@pytest.mark.parametrize(
    ("text", "side", "edge", "height"),
    [("", 100, 10, 60), ("", 100, 5, 60), ("5", 100, 10, 60), ("5", 48, 4, 30), ("7", 48, 4, 30)],
)
def test_the_side_of_a_cell_is_no_1(
    reader: Reader, text: str, side: int, edge: int, height: int
) -> None:
    grey = 120 if text == "5" else 135
    assert reader.read(cell(text, grey, side, edge, height, 0.08, "")).text == text


def test_a_bar_is_no_0(reader: Reader) -> None:
    picture = np.full((70, 100, 3), PAPER, np.uint8)
    cv2.line(picture, (36, 32), (84, 32), EDGE, 6, cv2.LINE_AA)
    assert reader.read(cv2.GaussianBlur(picture, (0, 0), 1)).text == ""
