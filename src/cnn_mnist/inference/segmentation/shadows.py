"""A page → the same page without shadows that have a clear edge, as of fingers and blinds.

A shadow multiplies all colours by one factor: paper in it keeps its colour and is darker, and what
is written in it is darker still.
"""

from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cnn_mnist.inference.percentiles import percentiles
from cnn_mnist.inference.segmentation import paper
from cnn_mnist.inference.segmentation.paper import Picture

SIDE = 512  # px; a copy of this size shows the strokes of a pen
WIDTHS = 1, 3, 5, 7, 11, 15, 21, 31, 43, 61, 87  # px of it
FAINT = 0.25  # of the ink's contrast; a lighter shadow is no mark


def without(pixels: Picture) -> Picture | None:
    """A page of dark ink without its shadows; None if it has none with a clear edge.

    Args:
        pixels: uint8 H×W×3.
    """
    if min(pixels.shape[:2]) < paper.SMALL_PICTURE or paper.flat(pixels) is not None:
        return None
    small = paper.reduced(pixels, SIDE)
    width = _broader_than_pen(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY))
    blank = _closed(small, width)
    lit = np.array([percentiles(channel, 90)[0] for channel in cv2.split(blank)], np.float32)
    if lit.max() <= paper.MIN_CONTRAST:
        return None
    may_be_shaded = _is_paper(blank, lit)
    edges = _edges(small, blank, width)
    if 2 * np.count_nonzero(edges & may_be_shaded) <= np.count_nonzero(edges):
        return None
    scale = max(pixels.shape) / max(small.shape)
    light = _light(_closed(pixels, round(width * scale) | 1), lit)
    gain = 1 / np.clip(light, 1 / paper.MAX_LIGHT_GAIN, 1)
    near = cv2.dilate(may_be_shaded.astype(np.uint8), _square(3))
    gain[cv2.resize(near, gain.shape[::-1], interpolation=cv2.INTER_NEAREST) == 0] = 1
    bright = cv2.multiply(pixels, cv2.merge([gain] * 3), dtype=cv2.CV_32F)
    return np.minimum(bright, 255).astype(np.uint8)  # OpenCV would round


def _square(side: int) -> NDArray[np.uint8]:
    return np.ones((side, side), np.uint8)


def _closed(field: NDArray[Any], width: int) -> NDArray[Any]:
    """The field without what is darker and narrower than a square; the rest keeps its edges."""
    border = cv2.BORDER_REFLECT
    return np.asarray(cv2.morphologyEx(field, cv2.MORPH_CLOSE, _square(width), borderType=border))


def _broader_than_pen(grey: NDArray[Any]) -> int:
    """The least width beyond that of the strokes at which little is dark.

    A granulometry (Matheron 1975): how much is filled when the square grows.
    """
    below, before, falls = grey, 0.0, False
    for narrower, width in pairwise(WIDTHS):
        above = _closed(grey, width)
        filled = cv2.subtract(above, below)
        dark = filled > paper.MIN_CONTRAST
        amount = float((filled[dark] / above[dark]).sum())
        if falls and amount >= before:
            return narrower
        falls |= amount < before
        below, before = above, amount
    return WIDTHS[-1]


def _edges(seen: Picture, blank: Picture, width: int) -> NDArray[np.bool_]:
    """Where blank paper changes by so much within a width that the change may be a mark."""
    ink = paper.largest_channel(cv2.subtract(blank, seen))
    inked = ink[ink > paper.MIN_CONTRAST]
    if not inked.size:
        return np.zeros(ink.shape, np.bool_)
    step = paper.largest_channel(cv2.morphologyEx(blank, cv2.MORPH_GRADIENT, _square(width)))
    least = max(paper.MIN_CONTRAST, FAINT * float(percentiles(inked, 75)[0]))
    return np.asarray(step > least)


def _light(colours: Picture, lit: NDArray[np.float32]) -> NDArray[np.float32]:
    """The light of each pixel, as a share of that of the lit paper."""
    return np.asarray(cv2.transform(colours.astype(np.float32), (lit / (lit @ lit))[None]))


def _is_paper(blank: Picture, lit: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Where a blank page has the colour of the lit paper, in less light."""
    light = _light(blank, lit)
    off = cv2.absdiff(blank.astype(np.float32), light[..., None] * lit)
    alike = paper.largest_channel(off) < paper.MIN_CONTRAST
    return np.asarray(alike & (light > 1 / paper.MAX_LIGHT_GAIN))
