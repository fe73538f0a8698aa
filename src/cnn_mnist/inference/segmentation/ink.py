"""A page → its ink map: how much of each pixel is covered by ink, whatever the colours.

Ink is what differs in colour from the paper, after uneven lighting is corrected. Knows nothing
about digits.
"""

import math
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from cnn_mnist.inference.percentiles import percentiles
from cnn_mnist.inference.segmentation import clutter, dotted, paper, ruling, sheet
from cnn_mnist.inference.segmentation.components import Components, Mask, components
from cnn_mnist.inference.segmentation.glyph import Ink
from cnn_mnist.inference.segmentation.paper import Picture

Contrast = NDArray[Any]  # uint8

# A linear fit of 8-bit CIE Lab over sRGB: lightness, red against green, yellow against blue. It is
# ten times as fast, and a shadow, which multiplies, only scales differences.
OPPONENT = np.array(
    [[0.24, 0.66, 0.10, 0], [0.29, -0.47, 0.18, 128], [0.14, 0.34, -0.48, 128]], np.float32
)
BAND = 64  # rows; a band fits into the processor's cache
LIT_PAPER = 80.0  # luma; darker paper is a board or a screen, whose lighting needs no correction
NOISE_FACTOR = 4.0
GRAIN = 4  # px; pieces of a stroke are never smaller, except on small pictures


def find(pixels: Picture) -> Ink:
    """The ink map of an RGB page.

    Args:
        pixels: uint8 H×W×3.

    Returns:
        float32 H×W, 0 = paper, 1 = full ink; all zero on a blank page. Ruled lines, page edges
        and specks are removed.
    """
    return find_with_dots(pixels)[0]


def find_with_dots(pixels: Picture) -> tuple[Ink, Mask]:
    """The ink map as of `find`, and the mask of the dotted rules, which are removed from it."""
    inside = sheet.find(pixels)
    if inside is None:
        drawn_on = paper.flat(pixels)
        return _ink(_contrast(pixels) if drawn_on is None else _distance(pixels, drawn_on))
    x, y, width, height = cv2.boundingRect(inside)
    box = np.s_[y : y + height, x : x + width]
    found, dots = np.zeros(pixels.shape[:2], np.float32), np.zeros(pixels.shape[:2], np.uint8)
    found[box], dots[box] = _ink(_contrast(_extended(pixels[box], inside[box])) * inside[box])
    return found, dots


def _ink(contrast: Contrast) -> tuple[Ink, Mask]:
    found, dots = np.zeros(contrast.shape, np.float32), np.zeros(contrast.shape, np.uint8)
    counts = _histogram(contrast)
    faint = math.ceil(max(paper.MIN_CONTRAST, NOISE_FACTOR * _percentile(counts, 50)))
    part = _marked(contrast, faint)
    if part is None:
        return found, dots
    seen = contrast[part.box]
    strong = _otsu(counts, faint)
    above_rules = _above_rules(seen, faint, strong, part)
    weak = max(above_rules, math.ceil(0.4 * strong))
    marks = _marks(seen, weak)
    if len(marks.stats) > dotted.LEAST:  # the soft edges of strong dots may touch
        dots[part.box] = dotted.find(_marks(seen, strong))
    if dots.any():
        seen = cv2.multiply(seen, 1 - dots[part.box])
        marks = _marks(seen, weak)
    marks = _hysteresis(marks, seen, strong, part.grain)
    if above_rules == faint:  # otherwise long marks are rings and axes on ruled paper
        marks = ruling.without_rules(marks)
    written = _without_lines(marks, part)
    mask = clutter.without_specks(clutter.without_clutter(written, seen), _reach(part.page))
    if not mask.any():
        return found, dots
    full = _percentile(_histogram(seen, mask), 75)
    soft = cv2.dilate(mask, np.ones((3, 3), np.uint8))
    share = cv2.multiply(seen, soft, scale=1 / full, dtype=cv2.CV_32F)
    found[part.box] = np.minimum(share, 1, out=share)
    return found, dots


def _marks(contrast: Contrast, weak: int) -> Components:
    return components((contrast >= weak).astype(np.uint8))


class _Part(NamedTuple):
    """The part of a page that holds all marks; most of a page is blank."""

    box: tuple[slice, slice]
    page: tuple[int, int]  # height and width

    @property
    def grain(self) -> int:
        """px; smaller marks are noise."""
        return GRAIN if min(self.page) >= paper.SMALL_PICTURE else 0

    def without_lines(self, mask: Mask) -> Mask:
        """Remove lines, measured against the whole page."""
        if not ruling.may_have_lines(mask, self.page):
            return mask
        whole = np.zeros(self.page, np.uint8)
        whole[self.box] = mask
        return ruling.without_lines(whole)[self.box]


def _reach(page: tuple[int, int]) -> int:
    """px; marks within this distance belong to one group."""
    return max(1, round(max(page) / 100))


def _marked(contrast: Contrast, faint: int) -> _Part | None:
    """The part with everything above `faint`, and blank paper around it as wide as `_reach`."""
    height, width = contrast.shape
    x, y, wide, high = cv2.boundingRect((contrast >= faint).astype(np.uint8))
    if wide == 0:
        return None
    page = height, width
    margin = _reach(page) + 1
    rows = slice(max(0, y - margin), y + high + margin)
    return _Part((rows, slice(max(0, x - margin), x + wide + margin)), page)


def _distance(pixels: Picture, drawn_on: paper.Flat) -> Contrast:
    """Distance of each pixel from paper of one colour in even light, as on a screen."""
    contrast = np.zeros(pixels.shape[:2], np.uint8)
    x, y, width, height = cv2.boundingRect(drawn_on.marks)
    if width == 0:
        return contrast
    colour = cv2.transform(drawn_on.colour.reshape(1, 1, 3), OPPONENT)
    ground = np.array([*colour.ravel(), 0], np.float64)  # OpenCV's scalars have four values
    for top in range(y, y + height, BAND):
        band = np.s_[top : min(top + BAND, y + height), x : x + width]
        difference = cv2.absdiff(cv2.transform(pixels[band], OPPONENT), ground)
        contrast[band] = np.minimum(_length(difference), 255)
    return contrast


def _length(difference: Picture) -> NDArray[Any]:
    """The length of each pixel's difference vector, float32 H×W."""
    squares = cv2.multiply(difference, difference, dtype=cv2.CV_32F)
    return cv2.sqrt(cv2.transform(squares, np.ones((1, 3), np.float32)))


def _contrast(pixels: Picture) -> Contrast:
    """Distance of each pixel from the surrounding paper, under corrected lighting."""
    blank = paper.estimate(pixels)
    luma = cv2.cvtColor(blank, cv2.COLOR_RGB2GRAY).astype(np.float32)
    light = float(percentiles(luma, 90)[0])
    gain = _trust(luma)
    if light > LIT_PAPER:
        gain *= np.clip(light / np.maximum(luma, 1), 1, paper.MAX_LIGHT_GAIN)
    ground = paper.resized(cv2.transform(blank, OPPONENT), pixels)
    gain = paper.resized(gain, pixels)
    contrast = np.empty(pixels.shape[:2], np.uint8)
    for top in range(0, len(pixels), BAND):
        rows = np.s_[top : top + BAND]
        difference = cv2.absdiff(cv2.transform(pixels[rows], OPPONENT), ground[rows])
        contrast[rows] = cv2.multiply(_length(difference), gain[rows], dtype=cv2.CV_8U)
    return contrast


def _extended(pixels: Picture, inside: Mask) -> Picture:
    """The picture with the sheet's colour continued beyond its edge."""
    small = paper.reduced(pixels, paper.SIDE).astype(np.float32)
    size = small.shape[1::-1]
    weight = cv2.resize(inside, size, interpolation=cv2.INTER_NEAREST).astype(np.float32)
    reach = (0, 0), 0.1 * max(size)
    near = cv2.GaussianBlur(small * weight[..., None], *reach)
    carried = near / np.maximum(cv2.GaussianBlur(weight, *reach), 1e-4)[..., None]
    carried = np.clip(carried, 0, 255).astype(np.uint8)
    return np.where(inside[..., None] > 0, pixels, paper.resized(carried, pixels))


def _trust(luma: Ink) -> Ink:
    """Weights below 1 along the page's own edge, where differences from the paper are not ink."""
    square = np.ones((3, 3), np.uint8)
    light, dark = cv2.dilate(luma, square), cv2.erode(luma, square)
    return np.clip(1.6 - 2 * (light - dark) / np.maximum(light, LIT_PAPER), 0, 1)


def _histogram(contrast: Contrast, mask: Mask | None = None) -> NDArray[Any]:
    return cv2.calcHist([contrast], [0], mask, [256], [0, 256]).ravel()


def _percentile(counts: NDArray[Any], share: float) -> float:
    below = np.cumsum(counts)
    return float(max(1, np.searchsorted(below, share / 100 * below[-1])))


def _otsu(counts: NDArray[Any], faint: int) -> int:
    """Otsu's threshold (1979) between faint and strong marks, from a page's histogram."""
    counts = counts.astype(np.float64)
    counts[:faint] = 0
    below, mass = np.cumsum(counts), np.cumsum(counts * np.arange(256))
    with np.errstate(divide="ignore", invalid="ignore"):
        between = (mass[-1] * below - mass * below[-1]) ** 2 / (below * (below[-1] - below))
    return max(int(np.nan_to_num(between, posinf=0).argmax()), faint)


def _hysteresis(marks: Components, contrast: Contrast, strong: float, grain: int) -> Components:
    """The marks that touch something above `strong`, without grains of noise.

    Hysteresis thresholding as in Canny 1986.
    """
    keep = np.zeros(len(marks.stats), np.bool_)
    keep[marks.labels[contrast >= strong]] = True
    return marks.only(keep & (marks.sides >= grain))


def _above_rules(contrast: Contrast, faint: int, strong: int, part: _Part) -> int:
    """The least contrast of ink: above that of ruled lines, if they are paler than the writing.

    They then go with their crossings, and what is darker stays, such as a margin. If most of what
    is as pale is no line, it is pale ink.
    """
    marks = (contrast >= faint).astype(np.uint8)
    lines = marks > part.without_lines(marks)
    if not lines.any():
        return faint
    paler = math.ceil(1.3 * float(percentiles(contrast[lines], 80)[0]))
    pale = (contrast >= faint) & (contrast < paler)
    is_ruled = np.count_nonzero(pale & lines) > np.count_nonzero(pale & ~lines)
    return paler if is_ruled and paler < strong else faint


def _without_lines(marks: Components, part: _Part) -> Components:
    """Remove ruled lines by their shape, and frames."""
    unframed = ruling.without_frames(marks)
    rest = part.without_lines(unframed.mask)
    return unframed if rest is unframed.mask else components(rest)
