"""MNIST's normalisation against a slow plain version, the stroke's width, and ready frames."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from PIL import Image

from cnn_mnist.inference.recognition.normalize import (
    BOX,
    THICK,
    THIN,
    even_stroke,
    ready_frame,
    stroke_width,
    to_mnist,
)
from cnn_mnist.training.data import Splits
from drawn import coverage


def centre_of_mass(frame: NDArray[np.uint8]) -> NDArray[np.float64]:
    grid = np.indices(frame.shape)
    return np.asarray((grid * frame).sum(axis=(1, 2)) / frame.sum())


def area_average(ink: NDArray[np.float32], height: int, width: int) -> NDArray[np.float64]:
    """Each output pixel is the mean of the input area that it covers; plain and slow."""

    def weights(old: int, new: int) -> NDArray[np.float64]:
        edges = np.arange(new + 1) * old / new
        pixels = np.arange(old)
        low = np.maximum(edges[:-1, None], pixels)
        high = np.minimum(edges[1:, None], pixels + 1)
        return np.asarray(np.clip(high - low, 0, None) * new / old)

    return weights(ink.shape[0], height) @ ink @ weights(ink.shape[1], width).T


@pytest.mark.parametrize("text", list("0123456789"))
def test_against_a_plain_version(text: str) -> None:
    ink = coverage(text, 90, 12)
    rows, cols = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    crop = ink[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]
    scale = BOX / max(crop.shape)
    small = area_average(crop, *(max(1, round(side * scale)) for side in crop.shape))
    grid = np.indices(small.shape)
    top, left = (round(14.0 - c) for c in (grid * small).sum(axis=(1, 2)) / small.sum())
    expected = np.zeros((28, 28))
    expected[top : top + small.shape[0], left : left + small.shape[1]] = small * 255
    assert np.abs(to_mnist(ink).astype(float) - expected).max() <= 1


@settings(max_examples=200)
@given(arrays(np.float32, st.tuples(*[st.integers(1, 60)] * 2), elements=st.floats(0, 1, width=16)))
def test_any_ink_fits_the_frame(ink: NDArray[np.float32]) -> None:
    if not ink.any():
        with pytest.raises(ValueError, match="no ink"):
            to_mnist(ink)
        return
    frame = to_mnist(ink)
    assert frame.shape == (28, 28)
    assert frame.dtype == np.uint8


def test_the_centre_of_mass_is_on_pixel_14() -> None:
    for text in "0123456789":
        assert np.abs(centre_of_mass(to_mnist(coverage(text, 70, 8))) - 14.0).max() <= 0.52


def test_normalising_again_changes_nothing() -> None:
    frame = to_mnist(coverage("8", 200, 20))
    assert np.array_equal(to_mnist(frame / np.float32(255)), frame)


@pytest.mark.parametrize("pen", [1, 2, 3, 4, 8, 9, 16, 30])
def test_pens_are_measured(pen: int) -> None:
    bar = np.zeros((120, 120), np.float32)
    bar[20:100, 40 : 40 + pen] = 1
    even = pen % 2 == 0  # with no pixel in the middle
    assert stroke_width(bar) == (pen - 1 if even else pen)


def test_ink_too_faint_to_measure_is_a_hairline() -> None:
    assert stroke_width(np.full((50, 50), 0.4)) == 1


# A pen wider than a fifth of the height closes every loop.
@pytest.mark.parametrize(
    ("text", "height", "pen"),
    [("3", h, p) for h in (100, 240) for p in (1, 2, 4, 10, 20, 36) if p <= h / 5]
    + [("3", 1000, 1), ("7", 700, 300)],
)
def test_hairlines_and_markers_come_into_range(text: str, height: int, pen: int) -> None:
    ink = coverage(text, height, pen)
    rows, cols = np.flatnonzero((ink > 0.3).any(axis=1)), np.flatnonzero((ink > 0.3).any(axis=0))
    even = even_stroke(ink[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1])
    rows, cols = np.flatnonzero((even > 0.3).any(axis=1)), np.flatnonzero((even > 0.3).any(axis=0))
    tall, wide = np.ptp(rows) + 1, np.ptp(cols) + 1
    side = max(tall, wide)
    assert tall > wide
    assert THIN - 0.3 <= stroke_width(even) * BOX / side <= THICK + 0.3


@pytest.mark.parametrize("height", [40, 100, 900])  # the last one is widened in a reduced copy
def test_a_hairline_gets_mnists_stroke_to_the_pixel(height: int) -> None:
    even = even_stroke(np.ones((height, 1), np.float32)) > 0.5
    tall, wide = (np.count_nonzero(even.any(axis=axis)) for axis in (1, 0))
    assert wide == pytest.approx(2.7 / BOX * tall, abs=1)


def test_small_and_ordinary_strokes_are_left_alone() -> None:
    for ink in (coverage("3", 18, 1), coverage("3", 100, 14)):
        rows, cols = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
        crop = ink[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]
        assert np.array_equal(even_stroke(crop), crop)


def test_a_blot_that_would_vanish_is_left_alone() -> None:
    blot = np.zeros((61, 61), np.float32)
    cv2.circle(blot, (30, 30), 30, 1.0, -1)
    assert np.array_equal(even_stroke(blot), blot)


def as_page(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(frame).convert("RGB"))


@pytest.mark.parametrize("text", list("0123456789"))
def test_a_ready_frame_is_passed_unharmed_in_both_polarities(text: str) -> None:
    frame = to_mnist(coverage(text, 90, 12))
    for picture in (as_page(frame), as_page(255 - frame)):
        ready = ready_frame(picture)
        assert ready is not None
        assert np.array_equal(ready, frame)


def test_other_pictures_are_not_ready() -> None:
    frame = to_mnist(coverage("5", 90, 12))
    coloured = as_page(frame).copy()
    coloured[..., 0] //= 2
    moved = np.roll(as_page(frame), 4, axis=1)
    others = [coloured, moved, as_page(frame)[:27], np.zeros((28, 28, 3), np.uint8)]
    filled = np.zeros((28, 28), np.uint8)
    filled[4:24, 4:24] = 100  # more than half of the picture
    others.append(as_page(filled))
    for picture in others:
        assert ready_frame(picture) is None


@pytest.mark.parametrize(
    ("side", "ready"), [(10, False), (18, False), (19, True), (21, True), (22, False), (26, False)]
)
def test_a_box_of_about_20_pixels_is_ready(side: int, ready: bool) -> None:
    square = np.zeros((28, 28), np.uint8)
    begin = 14 - side // 2
    cv2.rectangle(square, (begin,) * 2, (begin + side - 1,) * 2, 255)
    assert (ready_frame(as_page(square)) is not None) == ready


def test_mnist_is_ready(mnist: Splits) -> None:
    images = mnist.test.images[:2000].numpy()
    assert all(ready_frame(as_page(image)) is not None for image in images)


def test_mnist_normalised_again_hardly_changes(mnist: Splits) -> None:
    images = mnist.test.images[:500].numpy()
    again = np.stack([to_mnist(image / np.float32(255)) for image in images])
    assert np.mean(np.abs(again.astype(int) - images).max(axis=(1, 2)) == 0) > 0.6
