"""Digits are separated, joined and ordered by shape and place alone."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from cnn_mnist.inference.segmentation import segment
from drawn import coverage

Ink = NDArray[np.float32]


def sheet(*placed: tuple[str, int, int, int], size: tuple[int, int] = (400, 600)) -> Ink:
    """Texts, each with the height of its digits and the corner of its margin (y, x)."""
    ink = np.zeros(size, np.float32)
    for text, height, y, x in placed:
        share = coverage(text, height, max(2, height // 10))
        region = ink[y : y + share.shape[0], x : x + share.shape[1]]
        np.maximum(region, share[: region.shape[0], : region.shape[1]], out=region)
    return ink


def bar(ink: Ink, y: int, x: int, height: int, width: int) -> None:
    ink[y : y + height, x : x + width] = 1


def test_blank_paper_has_no_signs() -> None:
    assert segment.single(np.zeros((50, 50), np.float32)).glyphs == []
    assert segment.split(np.zeros((50, 50), np.float32)).glyphs == []


@pytest.mark.parametrize(
    ("y", "x", "is_sign"), [(158, 45, True), (158, 245, True), (200, 45, False), (158, 300, False)]
)
def test_a_dash_beside_the_middle_of_a_number_is_a_sign(y: int, x: int, is_sign: bool) -> None:
    ink = sheet(("45", 80, 80, 60), size=(240, 400))  # from x=100 to y=120..200
    bar(ink, y, x, 6, 25)
    boxes = [glyph.box for glyph in segment.split(ink).glyphs]
    assert len(boxes) == 2 + is_sign


def test_signs_are_found_from_the_left() -> None:
    glyphs = segment.split(sheet(("12345", 60, 100, 50))).glyphs
    lefts = [glyph.box[0] for glyph in glyphs]
    assert len(glyphs) == 5
    assert lefts == sorted(lefts)


def test_digits_stacked_closely_stay_apart() -> None:
    assert len(segment.split(sheet(("5", 100, 0, 100), ("6", 100, 120, 100))).glyphs) == 2


def five_with_a_loose_bar() -> Ink:
    ink = np.zeros((200, 300), np.float32)
    bar(ink, 60, 60, 8, 50)  # the bar of the 5
    bar(ink, 78, 60, 40, 8)
    bar(ink, 110, 60, 8, 40)
    bar(ink, 110, 92, 50, 8)
    bar(ink, 152, 55, 8, 45)
    return ink


@pytest.mark.parametrize("find", [segment.single, segment.split])
def test_the_loose_bar_of_a_five_belongs_to_it(find: object) -> None:
    (glyph,) = find(five_with_a_loose_bar()).glyphs  # type: ignore[operator]
    assert glyph.box[3] >= 100


def test_the_stem_of_an_open_four_belongs_to_it() -> None:
    ink = np.zeros((200, 300), np.float32)
    bar(ink, 40, 60, 60, 8)
    bar(ink, 92, 60, 8, 70)
    bar(ink, 40, 110, 45, 8)
    assert len(segment.split(ink).glyphs) == 1


def test_single_takes_the_digit_and_leaves_a_cut_neighbour() -> None:
    ink = sheet(("5", 120, 60, 200))
    bar(ink, 380, 250, 20, 60)
    (glyph,) = segment.single(ink).glyphs
    assert glyph.box[1] + glyph.box[3] < 380


def test_single_takes_the_digit_and_leaves_a_frame_across_the_picture() -> None:
    ink = sheet(("5", 90, 60, 200), size=(280, 340))
    bar(ink, 0, 6, 280, 12)
    (glyph,) = segment.single(ink).glyphs
    assert glyph.box[0] > 18


def test_a_glyph_holds_no_ink_of_its_neighbour() -> None:
    ink = sheet(("7", 100, 50, 50))
    bar(ink, 120, 112, 60, 6)  # under the 7's bar
    glyphs = segment.split(ink).glyphs
    assert sum(float(glyph.ink.sum()) for glyph in glyphs) <= float(ink.sum()) * 1.01


@pytest.mark.parametrize("height", [60, 140])
def test_a_stroke_that_the_border_cuts_off_is_a_neighbours(height: int) -> None:
    """It may even be longer than the digit, whose own parts stand as far apart."""
    ink = np.zeros((140, 120), np.float32)
    bar(ink, 30, 50, 80, 12)
    bar(ink, 30, 82, 80, 12)  # 20 px from the other
    alone = segment.single(ink).glyphs[0].box
    bar(ink, 0, 0, height, 30)  # also 20 px
    assert segment.single(ink).glyphs[0].box == alone


@given(arrays(np.float32, st.tuples(*[st.integers(1, 40)] * 2), elements=st.floats(0, 1, width=16)))
def test_boxes_lie_inside_the_map_and_fit_their_ink(ink: Ink) -> None:
    for glyph in [*segment.single(ink).glyphs, *segment.split(ink).glyphs]:
        x, y, width, height = glyph.box
        assert glyph.ink.shape == (height, width)
        assert min(x, y) >= 0
        assert x + width <= ink.shape[1]
        assert y + height <= ink.shape[0]
        assert glyph.ink.max() > segment.INK
        assert (glyph.ink <= ink[y : y + height, x : x + width]).all()


def test_a_label_close_above_a_digit_is_no_part_of_it() -> None:
    digit = coverage("4", 100, 8)
    left, right = np.flatnonzero(digit.any(axis=0))[[0, -1]]
    top = int(np.flatnonzero(digit.any(axis=1))[0])
    labelled = digit.copy()
    for x in range(left, right - 12, 24):
        labelled[top - 40 : top - 15, x : x + 12] = 1
    (alone,), (glyph,) = segment.split(digit).glyphs, segment.split(labelled).glyphs
    assert glyph.box == alone.box


def test_digits_beside_one_tall_mark_are_left_out() -> None:
    lines = [("4072", 40, 60 + 80 * row, 20) for row in range(3)]
    ink = sheet(*lines, size=(400, 600))
    assert segment.split(ink).left_out(None) is None
    bar(ink, 20, 400, 300, 8)
    bar(ink, 20, 400, 8, 100)
    assert len(segment.split(ink).glyphs) == 1
    height = segment.split(ink).left_out(None) or 0
    assert 40 <= height <= 50  # with soft edges and the pen's width
    assert len(segment.split(segment.without_tall(ink, height)).glyphs) == 12


def test_a_ring_around_digits_leaves_out_the_others() -> None:
    ink = sheet(*[("4072", 40, 60 + 80 * row, 20) for row in range(3)], size=(400, 600))
    cv2.ellipse(ink, (100, 100), (90, 60), 0, 0, 360, 1.0, 4)
    assert segment.split(ink).left_out(40) == 40
    assert segment.split(ink).left_out(120) is None


def crowd(*heights: int) -> Ink:
    """A page full of strokes, with a margin on the left."""
    ink = np.zeros((600, 800), np.float32)
    for number, (y, x) in enumerate(np.ndindex(25, 30)):
        bar(ink, 24 * y, 200 + 20 * x, heights[number % len(heights)], 3)
    return ink


def test_digits_over_a_crowd_of_low_marks_are_found() -> None:
    digits = sheet(("47", 120, 100, 0), size=(600, 800))
    assert len(segment.split(np.maximum(digits, crowd(12))).glyphs) == 2


@pytest.mark.parametrize("heights", [(12,), (8,) * 9 + (20,)])
def test_a_crowd_with_none_much_taller_is_refused(heights: tuple[int, ...]) -> None:
    with pytest.raises(segment.CrowdedError):
        segment.split(crowd(*heights))


def test_erasing_tall_marks_leaves_the_others_as_they_are() -> None:
    digits = sheet(("4072", 40, 60, 20))
    ink = digits.copy()
    bar(ink, 20, 400, 300, 8)
    np.testing.assert_array_equal(segment.without_tall(ink, 42), digits)
    np.testing.assert_array_equal(segment.without_tall(ink, 200), ink)


def test_signs_too_small_for_others_are_found_afterwards() -> None:
    large, middle, small = ("47", 200, 0, 0), ("305", 60, 310, 20), ("916", 20, 440, 20)
    signs = segment.split(sheet(large, middle, small, size=(480, 500)))
    layers = [signs.glyphs, signs.smaller().glyphs, signs.smaller().smaller().glyphs]
    assert [len(layer) for layer in layers] == [2, 3, 3]
    assert signs.smaller().smaller().smaller().glyphs == []
    alone = segment.split(sheet(small, size=(480, 500))).glyphs
    for one, other in zip(layers[2], alone, strict=True):
        assert one.box == other.box
        np.testing.assert_array_equal(one.ink, other.ink)


def test_blank_paper_has_no_smaller_signs() -> None:
    assert segment.split(np.zeros((50, 50), np.float32)).smaller().glyphs == []
