"""The sheets of paper in a picture; nothing around them is ink.

Pages photographed on a darker desk, at any angle, or a canvas in a drawing program's window.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cnn_mnist.inference.percentiles import median
from cnn_mnist.inference.segmentation.components import Mask
from cnn_mnist.inference.segmentation.paper import Picture, reduced

Outline = NDArray[Any]  # N×2 or N×1×2: x, y

SEARCH_SIDE = 200  # px
MIN_PICTURE = 64  # px
MIN_STEP = 35  # luma between sheet and desk
MIN_SHARE, MAX_SHARE = 0.1, 0.95  # of the picture: a sheet, and all together
FULL = 0.88  # of the enclosing quadrilateral; even a broad 0 fills less
WAVER = 3  # px of the small copy, of a sheet's side
BEYOND = 6  # px of it, beyond a side, where the desk is looked at
UNEVEN = 0.25  # of the step from the desk to the sheet: how much the desk may differ
SHARP = 0.8  # of the outline; the rim of a shadow is soft
MAX_STRAY = 0.12  # of the surroundings may be as light as the sheets
MIN_INK = 0.0005  # of the sheets; without any ink inside, a light area may be the ink itself


def find(pixels: Picture) -> Mask | None:
    """A mask of the sheets, slightly inside their edges; None if the picture is all paper."""
    if min(pixels.shape[:2]) < MIN_PICTURE or _rim_is_lightest(pixels):
        return None
    grey = cv2.cvtColor(reduced(pixels, SEARCH_SIDE), cv2.COLOR_RGB2GRAY)
    luma = cv2.medianBlur(grey, 5)
    level, light = cv2.threshold(luma, 0, 1, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    filled = _quadrilaterals(light, luma)
    middle = cv2.erode(filled, _square(9))
    if not middle.any() or filled.mean() > MAX_SHARE:
        return None
    around = luma[filled == 0]
    step = float(median(luma[filled > 0])) - float(median(around))
    stray = float((around > level).mean())
    ink = float((grey[middle > 0] <= level).mean())
    if step < MIN_STEP or stray > MAX_STRAY or ink < MIN_INK:
        return None
    if not _is_sharp(luma, filled, step):
        return None
    inside = cv2.erode(filled, _square(5), borderType=cv2.BORDER_CONSTANT, borderValue=1)
    return cv2.resize(inside, pixels.shape[1::-1], interpolation=cv2.INTER_NEAREST)


def _rim_is_lightest(pixels: Picture) -> bool:
    """Whether a broad rim is the lightest part, as on a drawing program's white canvas."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    rim = 1 + max(grey.shape) * 4 // SEARCH_SIDE
    strips = grey[:rim], grey[-rim:], grey[:, :rim], grey[:, -rim:]
    return bool(min(int(strip.min()) for strip in strips) == int(grey.max()))


def _square(side: int) -> NDArray[np.uint8]:
    return np.ones((side, side), np.uint8)


def _quadrilaterals(light: Mask, luma: Picture) -> Mask:
    """The large light regions with the outline of a sheet, filled."""
    outlines, _ = cv2.findContours(light, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = np.zeros_like(light)
    sheets = [outline for outline in outlines if _is_sheet(outline, luma)]
    cv2.drawContours(filled, sheets, -1, 1, cv2.FILLED)
    return filled


def _is_sheet(outline: Outline, luma: Picture) -> bool:
    """Whether an outline is a sheet's, seen at any angle, possibly cut off by the border.

    Without a corner inside the picture, or with a side where it is not as dark as at the others, it
    may be where a straight shadow ends: such an outline must be a rectangle.
    """
    area = cv2.contourArea(outline)
    if area < MIN_SHARE * luma.size:
        return False
    shape = _quadrilateral(outline)
    if not (_inside(shape, luma.shape).any() and _is_even_around(shape, luma)):
        shape = cv2.boxPoints(cv2.minAreaRect(outline))
    return bool(area > FULL * cv2.contourArea(shape))


def _quadrilateral(outline: Outline) -> Outline:
    """The enclosing quadrilateral; a triangle itself."""
    hull = cv2.approxPolyDP(cv2.convexHull(outline), WAVER, closed=True)
    return np.asarray(cv2.approxPolyN(hull, 4)[0] if len(hull) > 4 else hull[:, 0])


def _is_even_around(shape: Outline, luma: Picture) -> bool:
    """Whether it is nearly as dark beyond each side of a sheet as beyond the darkest."""
    corners = np.rint(shape).astype(np.int32)
    inside = cv2.fillConvexPoly(np.zeros_like(luma), corners, 1)
    beyond = cv2.dilate(inside, _square(2 * BEYOND + 1)) > cv2.dilate(inside, _square(5))
    levels = []
    for begin, end in zip(corners.tolist(), np.roll(corners, -1, axis=0).tolist(), strict=True):
        near = beyond & (cv2.line(np.zeros_like(luma), begin, end, 1, 2 * BEYOND) > 0)
        if near.any():
            levels.append(float(median(luma[near])))
    step = float(median(luma[inside > 0])) - min(levels, default=0)
    return not levels or max(levels) - min(levels) < UNEVEN * step


def _inside(points: Outline, picture: tuple[int, ...]) -> NDArray[np.bool_]:
    """Which points are away from the border of a picture (height, width)."""
    height, width = picture
    last = np.array([width, height]) - 1
    return np.asarray(((points > WAVER) & (points < last - WAVER)).all(axis=1))


def _is_sharp(luma: Picture, filled: Mask, step: float) -> bool:
    rim = cv2.morphologyEx(filled, cv2.MORPH_GRADIENT, _square(3))
    rim[[0, -1]] = 0
    rim[:, [0, -1]] = 0
    local = cv2.dilate(luma, _square(7)).astype(int) - cv2.erode(luma, _square(7))
    return bool(rim.any() and (local[rim > 0] > 0.5 * step).mean() > SHARP)
