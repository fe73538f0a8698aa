"""Tracing digits: the lines along the middle of their ink."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from cnn_mnist.training.synthetic.tracing import likeness, thin, trace
from drawn import coverage

Mask = NDArray[np.uint8]


@given(st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_thinning_is_that_of_the_paper(seed: int, coarse: int) -> None:
    noise = np.random.default_rng(seed).random((14, 11)).astype(np.float32)
    mask = (cv2.resize(noise, None, fx=coarse, fy=coarse) > 0.5).astype(np.uint8)
    assert np.array_equal(thin(mask), plain_thin(mask))


def plain_thin(mask: Mask) -> Mask:
    """Zhang and Suen's algorithm pixel by pixel, in the paper's names."""
    image = np.pad(mask, 1)
    while True:
        before = image.sum()
        for first in (True, False):
            for y, x in [(y, x) for y, x in np.argwhere(image) if deleted(image, y, x, first)]:
                image[y, x] = 2
            image[image == 2] = 0
        if image.sum() == before:
            return image[1:-1, 1:-1]


def deleted(image: Mask, y: int, x: int, first: bool) -> bool:
    around = ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))
    p2, p3, p4, p5, p6, p7, p8, p9 = p = [int(image[y + dy, x + dx] > 0) for dy, dx in around]
    if not 2 <= sum(p) <= 6:
        return False
    if sum(a < b for a, b in zip(p, [p3, p4, p5, p6, p7, p8, p9, p2], strict=True)) != 1:
        return False
    if first:
        return p2 * p4 * p6 == 0 and p4 * p6 * p8 == 0
    return p2 * p4 * p8 == 0 and p2 * p6 * p8 == 0


@pytest.mark.parametrize("text", "0123456789")
def test_a_traced_digit_is_like_its_image(text: str) -> None:
    image = np.rint(255 * coverage(text, 14, 2)).astype(np.uint8)
    assert likeness(image, trace(image)) > 0.8


def test_a_ring_is_one_closed_stroke() -> None:
    image = np.zeros((28, 28), np.uint8)
    cv2.circle(image, (14, 14), 8, 255, 3)
    (stroke,) = trace(image)
    assert np.array_equal(stroke[0], stroke[-1])
    assert np.hypot(*(stroke - 14.5).T) == pytest.approx(8, abs=0.6)
