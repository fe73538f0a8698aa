"""A page → the colour of its paper at every pixel, as it would be without ink, in any light."""

import math
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from cnn_mnist.inference.percentiles import median

Picture = NDArray[Any]  # uint8 H×W×3
Mask = NDArray[Any]  # uint8
Labels = NDArray[Any]  # int32 H×W: the region of each pixel, 0 for none

FLAT = 0.6  # in a program's drawing, this much of the border, and on average of border and
# picture, has the paper's exact colour
SHADED = 0.02  # of a picture, in nearly this colour: a shadow on overexposed paper ends softly
SIDE = 192  # px; paper and its lighting vary slowly, so they are estimated on a small copy
WINDOWS = 1.0, 0.2  # of the picture's short side: wider than two strokes of a marker, and of a pen
MIN_CONTRAST = 9.0  # of 255; JPEG and sensor noise stay below
SHARP = 0.85  # of a region's outline; a shadow's edge is soft, a broad stroke's sharp all round
SMALL_PICTURE = 64  # px
MAX_LIGHT_GAIN = 6.0  # a shadow may remove 5/6 of the light


class Flat(NamedTuple):
    """A drawing program's paper: its exact colour, and a mask, 255 where a pixel differs."""

    colour: Picture
    marks: Mask


def flat(pixels: Picture) -> Flat | None:
    """The paper of a program's drawing; None for a photograph or a scan."""
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    colour = np.sort(border, axis=0, kind="stable")[len(border) // 2]  # of bytes, a radix sort
    exact = tuple(colour.tolist())
    at_border = cv2.countNonZero(cv2.inRange(border[None], exact, exact)) / len(border)
    if at_border <= FLAT:
        return None
    marks = cv2.bitwise_not(cv2.inRange(pixels, exact, exact))
    share = 1 - cv2.countNonZero(marks) / marks.size
    if at_border + share <= 2 * FLAT:
        return None
    low, high = (tuple((colour + way * MIN_CONTRAST).tolist()) for way in (-1, 1))
    alike = cv2.countNonZero(cv2.inRange(pixels, low, high)) / marks.size
    return Flat(colour, marks) if alike - share < SHADED else None


def estimate(pixels: Picture) -> Picture:
    """The paper's colour at every pixel of a copy of SIDE² pixels.

    The median of a wide window sees paper behind the broadest marker, but misses the light of a
    small shadow; a narrow window takes both for paper. The narrow one is right where the two
    differ without a sharp edge between them.
    """
    height, width = pixels.shape[:2]
    scale = min(1.0, SIDE / math.sqrt(height * width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    half = (size[0] // 2, size[1] // 2) if min(size) >= SMALL_PICTURE else size
    wide = median_filter(cv2.resize(small, half, interpolation=cv2.INTER_AREA), WINDOWS[0])
    wide, narrow = resized(wide, small), median_filter(small, WINDOWS[1])
    return _choose_by_region(small, wide, _sharpened(small, narrow))


def _sharpened(small: Picture, paper: Picture) -> Picture:
    """A median of the paper, with the edges of shadows restored.

    Ink in the window shifts the edge of a shadow. A morphological closing (an opening for light
    ink) wider than the pen removes the ink and keeps every edge in place.
    """
    window = int(WINDOWS[1] * min(small.shape[:2]))
    if window < 8:
        return paper
    square = np.ones((window * 5 // 8 | 1,) * 2, np.uint8)
    wider = _continued(cv2.medianBlur(small, 5), window)
    difference = small.astype(np.int16) - paper
    channels = []
    for channel, seen in enumerate(cv2.split(wider)):
        marks = difference[..., channel][np.abs(difference[..., channel]) > MIN_CONTRAST]
        lighter = marks.size and marks.mean() > 0
        operation = cv2.MORPH_OPEN if lighter else cv2.MORPH_CLOSE
        channels.append(cv2.medianBlur(cv2.morphologyEx(seen, operation, square), 5))
    return cv2.merge(channels)[window:-window, window:-window]


def _continued(pixels: Picture, margin: int) -> Picture:
    """The picture with a margin, mirrored so that a stroke ending at the border is not prolonged.

    Light that fades towards the border keeps fading.
    """
    around = (margin,) * 4
    mirrored = cv2.copyMakeBorder(pixels, *around, cv2.BORDER_REFLECT)
    calm = cv2.medianBlur(pixels, margin | 1)
    edge = cv2.copyMakeBorder(calm, *around, cv2.BORDER_REPLICATE).astype(np.int16)
    inner = cv2.copyMakeBorder(calm, *around, cv2.BORDER_REFLECT)
    return np.clip(mirrored + 2 * (edge - inner), 0, 255).astype(np.uint8)


def _choose_by_region(small: Picture, wide: Picture, narrow: Picture) -> Picture:
    """The narrow median, except in broad strokes.

    These are sharply outlined regions where the wide median is more like the page as a whole.
    """
    difference = largest_channel(cv2.absdiff(wide, narrow))
    count, labels = cv2.connectedComponents((difference > MIN_CONTRAST).astype(np.uint8))
    page = np.array([*map(median, cv2.split(wide)), 0])  # OpenCV's scalars have four values
    away = [cv2.absdiff(each.astype(np.float32), page) for each in (narrow, wide, small)]
    nearer = _total(away[0] - away[1])
    like_page = np.bincount(labels.ravel(), weights=nearer.ravel(), minlength=count) > 0
    strokes = (_sharp(small, difference, labels, count) & like_page).astype(np.uint8)
    strokes[0] = 0
    chosen = cv2.dilate(strokes[labels], np.ones((7, 7), np.uint8))
    paper = np.where(chosen[..., None] > 0, wide, narrow)

    # A median loses the corners of a page that lies on a dark desk.
    lighter = _total(cv2.subtract(small, paper, dtype=cv2.CV_32F)) > 0
    corners = (largest_channel(away[2]) < 30) & lighter
    return np.where(corners[..., None], small, paper)


def _total(field: NDArray[Any]) -> NDArray[np.float32]:
    """The sum of each pixel's three channels; much faster than numpy's `sum`."""
    return np.asarray(cv2.transform(field, np.ones((1, 3), np.float32)))


def _sharp(small: Picture, difference: Mask, labels: Labels, count: int) -> NDArray[np.bool_]:
    """Which regions have a sharp outline nearly all round."""
    size = np.maximum(np.bincount(labels.ravel(), minlength=count), 1)
    height = np.bincount(labels.ravel(), weights=difference.ravel(), minlength=count) / size
    square = np.ones((3, 3), np.uint8)
    window = int(WINDOWS[1] * min(small.shape[:2]))
    broad = cv2.medianBlur(small, window // 3 | 1)  # without ruled lines
    step = largest_channel(cv2.dilate(broad, square) - cv2.erode(broad, square))
    reach = window // 4 + 2  # medians round off corners
    step = cv2.dilate(step, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
    rim = labels * (cv2.erode((labels > 0).astype(np.uint8), square) == 0)
    edge = np.bincount(rim.ravel(), minlength=count)
    steep = np.bincount(rim[step > 0.6 * height[labels]], minlength=count)
    return np.asarray(steep > SHARP * edge)


def median_filter(pixels: Picture, share: float) -> Picture:
    """The median over a square whose side is a share of the picture's short side."""
    window = max(3, int(share * min(pixels.shape[:2])) | 1)
    margin = window // 2
    wider = _continued(pixels, margin)
    return np.asarray(cv2.medianBlur(wider, window)[margin:-margin, margin:-margin])


def largest_channel(field: NDArray[Any]) -> NDArray[Any]:
    """The maximum over each pixel's three channels; much faster than numpy's `max`."""
    return cv2.max(cv2.max(field[..., 0], field[..., 1]), field[..., 2])


def reduced(pixels: NDArray[Any], side: int) -> NDArray[Any]:
    """A copy whose longer side has at most `side` px."""
    scale = min(1.0, side / max(pixels.shape[:2]))
    size = max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA))


def resized(field: NDArray[Any], like: Picture) -> NDArray[Any]:
    """A field at the size of a picture."""
    return cv2.resize(field, (like.shape[1], like.shape[0]), interpolation=cv2.INTER_LINEAR)
