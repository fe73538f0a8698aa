"""Shadows with a clear edge are removed from a page, and nothing else is."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from cnn_mnist.inference.layout import grid
from cnn_mnist.inference.reader import Reader
from cnn_mnist.inference.reading import Digit, Reading, surer
from cnn_mnist.inference.segmentation import ink, shadows
from drawn import Colour, page

PAPER: Colour = (240, 238, 230)
Shade = NDArray[np.float32]  # H×W, 0 = lit, 1 = in shadow
Drawn = Callable[[tuple[int, ...]], Shade]


def written() -> NDArray[np.uint8]:
    """Two lines of writing with a pen, in a photograph of a page."""
    lines = [page(text, 60, 5, paper=PAPER) for text in ("405726", "923584")]
    wide = cv2.copyMakeBorder(
        np.concatenate(lines), 100, 100, 200, 200, cv2.BORDER_CONSTANT, value=PAPER
    )
    noise = np.random.default_rng(0).normal(0, 2, wide.shape)
    return np.asarray(np.clip(wide + noise, 0, 255), np.uint8)


def blinds(size: tuple[int, ...]) -> Shade:
    y, x = np.indices(size[:2])
    stripes = ((y + 0.35 * x) % 80 < 40).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(stripes, (0, 0), 3))


def fingers(size: tuple[int, ...]) -> Shade:
    shade = np.zeros(size[:2], np.float32)
    for x in (250, 320, 390, 460):
        cv2.line(shade, (x, 80), (x + 60, size[0]), 1.0, 34)
    return np.asarray(cv2.GaussianBlur(shade, (0, 0), 4))


def half(size: tuple[int, ...]) -> Shade:
    y, x = np.indices(size[:2], np.float32)
    return np.asarray(np.clip((size[1] / 2 - x + 0.14 * y) / 3, 0, 1))


def in_shadow(
    pixels: NDArray[np.uint8], shade: Shade, of: Colour = (0, 0, 0), dark: float = 0.5
) -> NDArray[np.uint8]:
    """The page in the shade, or under a translucent colour."""
    share = 1 - dark * shade[..., None] * (1 - np.array(of) / 255)
    return np.asarray(np.rint(pixels * share), np.uint8)


@pytest.mark.parametrize("shade", [blinds, fingers, half])
def test_writing_under_shadows_is_read(shade: Drawn) -> None:
    pixels = in_shadow(written(), shade(written().shape))
    assert [line.text for line in Reader().read(pixels).lines] == ["405726", "923584"]


def test_a_page_without_a_grid_is_searched_for_one_once(monkeypatch: pytest.MonkeyPatch) -> None:
    searched, find = [], grid.find

    def spy(grey: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        searched.append(grey)
        return find(grey)

    monkeypatch.setattr(grid, "find", spy)
    pixels = in_shadow(written(), half(written().shape))
    assert shadows.without(pixels) is not None
    assert Reader().read(pixels).ok
    assert len(searched) == 1


@pytest.mark.parametrize("shade", [blinds, fingers, half])
def test_without_shadows_the_ink_is_the_same(shade: Drawn) -> None:
    lit = shadows.without(in_shadow(written(), shade(written().shape)))
    assert lit is not None
    found, truth = ink.find(lit) > 0.5, ink.find(written()) > 0.5
    assert (found & truth).sum() > 0.9 * (found | truth).sum()


def test_a_page_in_even_or_fading_light_has_no_shadow() -> None:
    pixels = written()
    fading = np.linspace(0.6, 1, pixels.shape[1])[:, None]
    assert shadows.without(pixels) is None
    assert shadows.without(np.rint(pixels * fading).astype(np.uint8)) is None


def test_a_black_page_has_no_shadow() -> None:
    pixels = np.zeros((300, 400, 3), np.uint8)
    pixels[0] = pixels[-1] = (200, 30, 30)
    with np.errstate(all="raise"):
        assert shadows.without(pixels) is None


def test_stripes_of_another_colour_are_no_shadows() -> None:
    pixels = in_shadow(written(), blinds(written().shape), of=(255, 200, 40), dark=0.7)
    assert shadows.without(pixels) is None


def test_holes_darker_than_any_shadow_stay() -> None:
    pixels = in_shadow(written(), fingers(written().shape))
    cv2.circle(pixels, (60, 60), 25, (15, 15, 15), -1)
    lit = shadows.without(pixels)
    assert lit is not None
    assert lit[50:70, 50:70].max() < 60


def digits(*confidences: float, height: int = 60) -> Reading:
    image, probs = np.zeros((28, 28), np.uint8), np.full(10, 0.1, np.float32)
    return Reading(tuple(Digit(1, each, (0, 0, 30, height), image, probs) for each in confidences))


def test_the_reading_with_more_certain_digits_is_surer() -> None:
    first = digits(0.99, 0.95)
    for other in (digits(0.99, 0.99), digits(0.99, 0.95, 0.5), digits(*[0.99] * 3, height=20)):
        assert surer(first, other) is first
    more = digits(0.99, 0.95, 0.95)
    assert surer(first, more) is more
