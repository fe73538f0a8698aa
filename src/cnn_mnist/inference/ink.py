"""A page → its ink map: how much of each pixel is covered by the pen, whatever the colours.

Paper is what a large median sees; ink is what differs from it in colour, after the light has been
made even. Knows nothing of digits.
"""

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cnn_mnist.inference import ruling, sheet
from cnn_mnist.inference.components import components

Ink = NDArray[np.float32]
Contrast = NDArray[Any]  # uint8
Mask = NDArray[Any]  # uint8, 0 or 1
Picture = NDArray[Any]  # uint8 H×W×3

# A linear fit of 8-bit CIE Lab over sRGB: lightness, red against green, yellow against blue. It is
# ten times as fast, and under a shadow, which multiplies, a difference only scales.
OPPONENT = np.array(
    [[0.24, 0.66, 0.10, 0], [0.29, -0.47, 0.18, 128], [0.14, 0.34, -0.48, 128]], np.float32
)
BAND = 64  # rows; what is worked on stays in the processor's cache
PAPER_SIDE = 192  # px; paper and its light change slowly, so they are estimated on a small copy
PAPER_WINDOWS = 1.0, 0.2  # of the picture's short side: wider than two strokes of a marker, a pen
MAX_LIGHT_GAIN = 6.0  # a shadow may take 5/6 of the light
LIT_PAPER = 80.0  # luma; darker paper is a board or a screen, whose light need not be evened
FLAT = 0.6  # where a program drew, that much of the border, and on the average of border and
# picture, has the paper's exact colour
LEAST_CONTRAST = 9.0  # of 255; JPEG and sensor noise stay below
NOISE_FACTOR = 4.0
SHARP = 0.85  # of a region's outline; a shadow's is soft, a broad stroke's an edge all round
ALONG = 0.35  # of the picture's border, which surroundings touch and digits do not
SMALL_PICTURE = 64  # px
SPECK = 6  # px; no digit that can be read is smaller
GRAIN = 4  # px; no piece of a stroke is smaller, but on small pictures


def find(pixels: Picture) -> Ink:
    """The ink map of an RGB page.

    Args:
        pixels: uint8 HxWx3.

    Returns:
        float32 HxW, 0 = paper, 1 = full ink; all zero on a blank page. Ruled lines, page edges
        and specks are gone.
    """
    inside = sheet.find(pixels)
    if inside is None:
        colour = _flat_paper(pixels)
        return _ink(_contrast(pixels) if colour is None else _distance(pixels, colour))
    x, y, width, height = cv2.boundingRect(inside)
    box = np.s_[y : y + height, x : x + width]
    found = np.zeros(pixels.shape[:2], np.float32)
    found[box] = _ink(_contrast(_extended(pixels[box], inside[box])) * inside[box])
    return found


def _ink(contrast: Contrast) -> Ink:
    blank = np.zeros(contrast.shape, np.float32)
    faint = math.ceil(max(LEAST_CONTRAST, NOISE_FACTOR * _percentile(contrast, 50)))
    contrast = _without_surroundings(contrast, max(faint, 25))
    if not (contrast >= faint).any():
        return blank
    strong = _otsu(contrast, faint)
    mask = _hysteresis(contrast, max(faint, math.ceil(0.4 * strong)), strong)
    mask = _without_specks(_without_lines(mask, contrast, strong))
    if not mask.any():
        return blank
    full = _percentile(contrast, 75, mask)
    soft = cv2.dilate(mask, np.ones((3, 3), np.uint8))
    share = cv2.multiply(contrast, soft, scale=1 / full, dtype=cv2.CV_32F)
    return np.asarray(np.minimum(share, 1, out=share), np.float32)


def _flat_paper(pixels: Picture) -> Picture | None:
    """The one exact colour of a drawing program's paper; None in a photograph or a scan."""
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    colour = np.median(border, axis=0).astype(np.uint8)
    at_border = float((border == colour).all(axis=1).mean())
    share = cv2.countNonZero(_where(pixels, colour)) / (pixels.size / 3)
    return colour if at_border > FLAT and at_border + share > 2 * FLAT else None


def _where(pixels: Picture, colour: Picture) -> Mask:
    """255 where a pixel has exactly that colour."""
    exact = tuple(colour.tolist())
    return cv2.inRange(pixels, exact, exact)


def _distance(pixels: Picture, paper: Picture) -> Contrast:
    """Distance of each pixel from paper of one colour, in light as even as a screen's."""
    contrast = np.zeros(pixels.shape[:2], np.uint8)
    x, y, width, height = cv2.boundingRect(~_where(pixels, paper))
    if width == 0:
        return contrast
    inked = np.s_[y : y + height, x : x + width]
    colours = cv2.transform(pixels[inked], OPPONENT)
    ground = np.full_like(colours, cv2.transform(paper.reshape(1, 1, 3), OPPONENT))
    contrast[inked] = np.minimum(_length(cv2.absdiff(colours, ground)), 255)
    return contrast


def _length(difference: Picture) -> NDArray[Any]:
    """Of each pixel's three differences, float32 H×W."""
    squares = cv2.multiply(difference, difference, dtype=cv2.CV_32F)
    return cv2.sqrt(cv2.transform(squares, np.ones((1, 3), np.float32)))


def _contrast(pixels: Picture) -> Contrast:
    """Distance of each pixel from the paper around it, under even light."""
    paper = _paper(pixels)
    luma = cv2.cvtColor(paper, cv2.COLOR_RGB2GRAY).astype(np.float32)
    light = float(np.percentile(luma, 90))
    gain = _trust(luma)
    if light > LIT_PAPER:
        gain *= np.clip(light / np.maximum(luma, 1), 1, MAX_LIGHT_GAIN)
    ground = _resized(cv2.transform(paper, OPPONENT), pixels)
    gain = _resized(gain, pixels)
    contrast = np.empty(pixels.shape[:2], np.uint8)
    for top in range(0, len(pixels), BAND):
        rows = np.s_[top : top + BAND]
        difference = cv2.absdiff(cv2.transform(pixels[rows], OPPONENT), ground[rows])
        contrast[rows] = cv2.multiply(_length(difference), gain[rows], dtype=cv2.CV_8U)
    return contrast


def _extended(pixels: Picture, inside: Mask) -> Picture:
    """The sheet's own colour carried on beyond its edge."""
    scale = min(1.0, PAPER_SIDE / max(inside.shape))
    size = max(1, round(inside.shape[1] * scale)), max(1, round(inside.shape[0] * scale))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    weight = cv2.resize(inside, size, interpolation=cv2.INTER_NEAREST).astype(np.float32)
    reach = (0, 0), 0.1 * max(size)
    near = cv2.GaussianBlur(small * weight[..., None], *reach)
    carried = near / np.maximum(cv2.GaussianBlur(weight, *reach), 1e-4)[..., None]
    carried = np.clip(carried, 0, 255).astype(np.uint8)
    return np.where(inside[..., None] > 0, pixels, _resized(carried, pixels))


def _trust(luma: Ink) -> Ink:
    """Less than 1 along the page's own edge, where what differs from the paper is no ink."""
    square = np.ones((3, 3), np.uint8)
    light, dark = cv2.dilate(luma, square), cv2.erode(luma, square)
    return np.clip(1.6 - 2 * (light - dark) / np.maximum(light, LIT_PAPER), 0, 1)


def _paper(pixels: Picture) -> Picture:
    """The paper's colour everywhere, on a copy of PAPER_SIDE² pixels.

    The median of a wide window sees paper behind the broadest marker but not the light of a
    small shadow; that of a narrow window sees both as paper. The narrow one is right where the
    two differ without a sharp edge between them.
    """
    height, width = pixels.shape[:2]
    scale = min(1.0, PAPER_SIDE / math.sqrt(height * width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    half = (size[0] // 2, size[1] // 2) if min(size) >= SMALL_PICTURE else size
    wide = _median(cv2.resize(small, half, interpolation=cv2.INTER_AREA), PAPER_WINDOWS[0])
    wide, narrow = _resized(wide, small), _median(small, PAPER_WINDOWS[1])
    return _choose_by_region(small, wide, _sharpened(small, narrow))


def _sharpened(small: Picture, paper: Picture) -> Picture:
    """A median of the paper, its shadows' edges put where they are.

    Ink in its window moves the edge of a shadow. A morphological closing (for light ink an
    opening), wider than the pen, removes the ink and leaves every edge in its place.
    """
    window = int(PAPER_WINDOWS[1] * min(small.shape[:2]))
    if window < 8:
        return paper
    square = np.ones((window * 5 // 8 | 1,) * 2, np.uint8)
    wider = _continued(cv2.medianBlur(small, 5), window)
    difference = small.astype(np.int16) - paper
    channels = []
    for channel, seen in enumerate(cv2.split(wider)):
        marks = difference[..., channel][np.abs(difference[..., channel]) > LEAST_CONTRAST]
        lighter = marks.size and marks.mean() > 0
        operation = cv2.MORPH_OPEN if lighter else cv2.MORPH_CLOSE
        channels.append(cv2.medianBlur(cv2.morphologyEx(seen, operation, square), 5))
    return cv2.merge(channels)[window:-window, window:-window]


def _median(pixels: Picture, share: float) -> Picture:
    """Median over a square, as wide as a share of the picture's short side."""
    window = max(3, int(share * min(pixels.shape[:2])) | 1)
    margin = window // 2
    wider = _continued(pixels, margin)
    return np.asarray(cv2.medianBlur(wider, window)[margin:-margin, margin:-margin])


def _continued(pixels: Picture, margin: int) -> Picture:
    """The picture with a margin around: mirrored, so that a stroke which ends at the border is
    not drawn on and on; and light that fades towards the border goes on fading."""
    around = (margin,) * 4
    mirrored = cv2.copyMakeBorder(pixels, *around, cv2.BORDER_REFLECT)
    calm = cv2.medianBlur(pixels, margin | 1)
    edge = cv2.copyMakeBorder(calm, *around, cv2.BORDER_REPLICATE).astype(np.int16)
    inner = cv2.copyMakeBorder(calm, *around, cv2.BORDER_REFLECT)
    return np.clip(mirrored + 2 * (edge - inner), 0, 255).astype(np.uint8)


def _choose_by_region(small: Picture, wide: Picture, narrow: Picture) -> Picture:
    """The narrow median, but for regions with a sharp outline where the wide one looks more
    like the page as a whole: those are broad strokes."""
    difference = cv2.absdiff(wide, narrow).max(axis=2)
    regions = (difference > LEAST_CONTRAST).astype(np.uint8)
    count, labels = cv2.connectedComponents(regions)
    size = np.maximum(np.bincount(labels.ravel(), minlength=count), 1)
    height = np.bincount(labels.ravel(), weights=difference.ravel(), minlength=count) / size

    square = np.ones((3, 3), np.uint8)
    window = int(PAPER_WINDOWS[1] * min(small.shape[:2]))
    broad = cv2.medianBlur(small, window // 3 | 1)  # without ruled lines
    step = (cv2.dilate(broad, square) - cv2.erode(broad, square)).max(axis=2)
    reach = window // 4 + 2  # medians round corners off
    step = cv2.dilate(step, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
    rim = labels * (cv2.erode(regions, square) == 0)
    edge = np.bincount(rim.ravel(), minlength=count)
    steep = np.bincount(rim[step > 0.6 * height[labels]], minlength=count)

    page = np.median(wide.reshape(-1, 3), axis=0)
    nearer = np.abs(narrow - page).sum(axis=2) - np.abs(wide - page).sum(axis=2)
    closeness = np.bincount(labels.ravel(), weights=nearer.ravel(), minlength=count)
    stroke = ((steep > SHARP * edge) & (closeness > 0)).astype(np.uint8)
    stroke[0] = 0
    chosen = cv2.dilate(stroke[labels], np.ones((7, 7), np.uint8))
    paper = np.where(chosen[..., None] > 0, wide, narrow)

    # A median loses the corners of a page that lies on a dark desk.
    like_page = (np.abs(small - page).max(axis=2) < 30) & (small.sum(axis=2) > paper.sum(axis=2))
    return np.where(like_page[..., None], small, paper)


def _resized(field: NDArray[Any], like: Picture) -> NDArray[Any]:
    return cv2.resize(field, (like.shape[1], like.shape[0]), interpolation=cv2.INTER_LINEAR)


def _histogram(contrast: Contrast, mask: Mask | None = None) -> NDArray[Any]:
    return cv2.calcHist([contrast], [0], mask, [256], [0, 256]).ravel()


def _percentile(contrast: Contrast, share: float, mask: Mask | None = None) -> float:
    below = np.cumsum(_histogram(contrast, mask))
    return float(max(1, np.searchsorted(below, share / 100 * below[-1])))


def _otsu(contrast: Contrast, faint: int) -> int:
    """Otsu's threshold (1979) between faint and strong marks."""
    counts = _histogram(contrast).astype(np.float64)
    counts[:faint] = 0
    below, mass = np.cumsum(counts), np.cumsum(counts * np.arange(256))
    with np.errstate(divide="ignore", invalid="ignore"):
        between = (mass[-1] * below - mass * below[-1]) ** 2 / (below * (below[-1] - below))
    return max(int(np.nan_to_num(between, posinf=0).argmax()), faint)


def _hysteresis(contrast: Contrast, weak: int, strong: float) -> Mask:
    """What is above `weak` and hangs together with something above `strong` (Canny 1986);
    grains of noise are dropped."""
    labels, stats = components((contrast >= weak).astype(np.uint8))
    keep = np.zeros(len(stats), np.uint8)
    keep[labels[contrast >= strong]] = 1
    if min(contrast.shape) >= SMALL_PICTURE:
        keep[_sides(stats) < GRAIN] = 0
    keep[0] = 0
    return np.asarray(keep[labels])


def _without_lines(mask: Mask, contrast: Contrast, strong: int) -> Mask:
    """Take out ruled lines: by their paler ink where that is possible, else by their shape."""
    rest = ruling.without_lines(mask)
    ruled = contrast[mask > rest]
    if ruled.size:
        paler = math.ceil(1.3 * float(np.percentile(ruled, 80)))
        if paler < strong:
            return ruling.without_frames(_hysteresis(contrast, paler, strong))
    unframed = ruling.without_frames(mask)
    return rest if np.array_equal(unframed, mask) else ruling.without_lines(unframed)


def _without_specks(mask: Mask) -> Mask:
    """Drop groups of marks much smaller than the largest; a broken stroke is one group."""
    reach = max(1, round(max(mask.shape) / 100))
    near = cv2.dilate(mask, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
    labels, stats = components(near)
    sides = _sides(stats) - 2 * reach
    sides[0] = 0
    keep = (sides >= max(SPECK, 0.12 * sides.max())).astype(np.uint8)
    return np.asarray(mask * keep[labels])


def _sides(stats: NDArray[Any]) -> NDArray[Any]:
    """The longer side of each component's box."""
    return np.asarray(stats[:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]].max(axis=1))


def _without_surroundings(contrast: Contrast, level: int) -> Contrast:
    """Blank what lies along the picture's border: the desk beside the page, a scanner's rim."""
    mask = (contrast >= level).astype(np.uint8)
    crowded = [b for b in (mask[0], mask[-1], mask[:, 0], mask[:, -1]) if b.mean() > ALONG]
    if not crowded or min(mask.shape) < SMALL_PICTURE:  # strokes lie along a close crop's border
        return contrast
    reach = 2 + round(ruling.MAX_THICKNESS * max(mask.shape))
    broad: Mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((reach, reach), np.uint8))
    count, labels = cv2.connectedComponents(broad)
    outside = np.zeros(count, np.uint8)
    for border in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        outside |= np.bincount(border, minlength=count) > ALONG * border.size
    outside[0] = 0
    if not outside.any() or not (mask & ~outside[labels]).any():
        return contrast
    blank = cv2.dilate(outside[labels], np.ones((reach + 5, reach + 5), np.uint8))
    return np.asarray(np.where(blank > 0, 0, contrast), np.uint8)
