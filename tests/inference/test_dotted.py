"""Dotted and dashed rules are no writing; the points and dashes of numbers are."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from cnn_mnist.inference.layout import view
from cnn_mnist.inference.pictures.page import Page, rotated
from cnn_mnist.inference.reader import Reader
from cnn_mnist.inference.segmentation import dotted, ink
from cnn_mnist.inference.segmentation.components import components
from drawn import page


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader()


def ruled(text: str, dot: tuple[int, int], step: int, below: int = 8) -> NDArray[np.uint8]:
    """A number with a rule of dots (width, height) below it, from border to border."""
    form = np.full((150, 500, 3), 255, np.uint8)
    number = page(text, 60, 6)
    form[: number.shape[0], 100 : 100 + number.shape[1]] = number
    top = 90 + below
    for x in range(2, form.shape[1] - dot[0], step):
        form[top : top + dot[1], x : x + dot[0]] = 90
    return form


@pytest.mark.parametrize("tilt", [0, 3])
@pytest.mark.parametrize("below", [8, 12])
@pytest.mark.parametrize(("dot", "step"), [((3, 3), 9), ((4, 4), 13), ((5, 5), 18), ((14, 3), 20)])
def test_a_number_on_a_dotted_rule(
    reader: Reader, dot: tuple[int, int], step: int, below: int, tilt: int
) -> None:
    form = rotated(ruled("25374", dot, step, below), tilt, cv2.BORDER_REPLICATE)
    assert [line.text for line in reader.read(form).lines] == ["25374"]


def test_the_rule_is_gone_from_ink_and_grey() -> None:
    form = ruled("253", (3, 3), 9)
    seen = view.of_page(Page(form, form.shape[1::-1]))
    assert not seen.ink[95:].any()
    assert seen.ink[:92].any()
    assert seen.grey[:, :100].min() > 240


def test_the_points_of_a_number_are_no_rule() -> None:
    form = page("2537425374", 60, 6)
    for x in range(70, form.shape[1] - 30, 48):
        cv2.circle(form, (x, 88), 4, (20, 20, 25), -1, cv2.LINE_AA)
    marks, dots = ink.find_with_dots(form)
    assert not dots.any()
    assert marks[86:90, 68:72].all()


def test_small_digits_below_those_of_a_broad_pen_are_no_rule() -> None:
    sheet = np.full((560, 760, 3), 255, np.uint8)
    for text, height, pen, x, y in [("583", 200, 20, 0, 0), ("2742742745", 36, 3, 100, 420)]:
        number = page(text, height, pen)
        sheet[y : y + number.shape[0], x : x + number.shape[1]] = number
    assert not ink.find_with_dots(sheet)[1].any()


@pytest.mark.parametrize("seed", range(20))
def test_uneven_marks_are_no_rule(seed: int) -> None:
    rng = np.random.default_rng(seed)
    mask = np.zeros((60, 900), np.uint8)
    for x in range(10, 880, 16):
        width, height = rng.integers(2, 12, 2)
        mask[20 : 20 + height, x : x + width] = 1
    assert not dotted.find(components(mask)).any()


def test_dust_is_no_rule() -> None:
    form = page("253742537425374", 60, 6)
    rng = np.random.default_rng(1)
    for x, y in rng.integers(4, (form.shape[1] - 8, form.shape[0] - 8), (60, 2)):
        form[y : y + 4, x : x + 4] = 60
    assert not ink.find_with_dots(form)[1].any()
