"""A page → its ink map: how much of each pixel is covered by the pen, whatever the colours.

Paper is what a large median sees; ink is what differs from it in colour (CIE Lab distance),
after the light has been made even. Knows nothing of digits.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from cnn_mnist.inference import ruling

Ink = NDArray[np.float32]
Mask = NDArray[np.uint8]

PAPER_SIDE = 192  # px; paper and its light change slowly, so they are estimated on a small copy
PAPER_WINDOWS = 0.6, 0.2  # of the picture's short side: wider than two strokes of a marker, a pen
MAX_LIGHT_GAIN = 6.0  # a shadow may take 5/6 of the light
LIT_PAPER = 80.0  # luma; darker paper is a board or a screen, whose light need not be evened
LEAST_CONTRAST = 9.0  # in 8-bit Lab units; JPEG and sensor noise stay below
NOISE_FACTOR = 4.0


def find(pixels: NDArray[np.uint8]) -> Ink:
    """The ink map of an RGB page.

    Args:
        pixels: uint8 H×W×3.

    Returns:
        float32 H×W, 0 = paper, 1 = full ink; all zero on a blank page. Ruled lines, page edges
        and specks are gone.
    """
    contrast = _contrast(pixels)
    faint = max(LEAST_CONTRAST, NOISE_FACTOR * float(np.median(contrast)))
    marked = contrast[contrast >= faint]
    if marked.size == 0:
        return np.zeros_like(contrast)
    strong = _otsu(marked)
    mask = _hysteresis(contrast, max(faint, 0.45 * strong), strong)
    mask = ruling.without_lines(mask)
    mask = _without_edges(_without_specks(mask))
    if not mask.any():
        return np.zeros_like(contrast)
    full = float(np.percentile(contrast[mask > 0], 75))
    soft = cv2.dilate(mask, np.ones((3, 3), np.uint8))
    return np.where(soft > 0, np.clip(contrast / full, 0, 1), 0).astype(np.float32)


def _contrast(pixels: NDArray[np.uint8]) -> Ink:
    """Distance of each pixel from the paper around it, under even light, in 8-bit Lab units."""
    paper = _paper(pixels)
    luma = cv2.cvtColor(paper, cv2.COLOR_RGB2GRAY).astype(np.float32)
    light = float(np.percentile(luma, 90))
    if light > LIT_PAPER:
        gain = np.clip(light / np.maximum(luma, 1), 1, MAX_LIGHT_GAIN)
        paper = _brighten(paper, gain)
        pixels = _brighten(pixels, _resized(gain, pixels))
    paper_lab = _resized(cv2.cvtColor(paper, cv2.COLOR_RGB2LAB), pixels)
    difference = cv2.absdiff(cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB), paper_lab)
    squares = cv2.multiply(difference, difference, dtype=cv2.CV_32F)
    return cv2.sqrt(cv2.transform(squares, np.ones((1, 3), np.float32)))


def _paper(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The paper's colour everywhere, on a copy of at most PAPER_SIDE pixels a side.

    The median of a wide window sees paper behind the broadest marker but not the light of a
    small shadow; that of a narrow window sees both as paper. The narrow one is right where the
    two differ without a sharp edge between them.
    """
    height, width = pixels.shape[:2]
    scale = min(1.0, PAPER_SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    wide, narrow = (
        cv2.medianBlur(small, max(3, int(window * min(size)) | 1)) for window in PAPER_WINDOWS
    )
    marker = _sharp_regions(small, cv2.absdiff(wide, narrow).max(axis=2))
    return np.where(marker[..., None] > 0, wide, narrow)


def _sharp_regions(small: NDArray[np.uint8], difference: NDArray[np.uint8]) -> Mask:
    """Regions of difference bounded by an edge about as high as the difference itself."""
    square = np.ones((3, 3), np.uint8)
    step = (cv2.dilate(small, square) - cv2.erode(small, square)).max(axis=2)
    count, labels = cv2.connectedComponents((difference > LEAST_CONTRAST).astype(np.uint8))
    rim = (labels > 0) & (cv2.erode((labels > 0).astype(np.uint8), square) == 0)
    length = np.bincount(labels[rim], minlength=count)
    edge = np.bincount(labels[rim], weights=step[rim], minlength=count)
    height = np.bincount(labels.ravel(), weights=difference.ravel(), minlength=count)
    mean_height = height / np.maximum(np.bincount(labels.ravel(), minlength=count), 1)
    sharp = (edge > 0.6 * mean_height * length).astype(np.uint8)
    sharp[0] = 0
    return cv2.dilate(sharp[labels], square)


def _brighten(pixels: NDArray[np.uint8], gain: NDArray[np.float32]) -> NDArray[np.uint8]:
    return cv2.multiply(pixels, cv2.merge([gain] * 3), dtype=cv2.CV_8U)


def _resized(field: NDArray[np.generic], like: NDArray[np.uint8]) -> NDArray[np.generic]:
    return cv2.resize(field, (like.shape[1], like.shape[0]), interpolation=cv2.INTER_LINEAR)


def _otsu(values: Ink) -> float:
    """Otsu's threshold (1979) between faint and strong marks."""
    bytes_ = np.clip(values, 0, 255).astype(np.uint8).reshape(1, -1)
    return max(float(cv2.threshold(bytes_, 0, 255, cv2.THRESH_OTSU)[0]), float(values.min()))


def _hysteresis(contrast: Ink, weak: float, strong: float) -> Mask:
    """Everything above `weak` that hangs together with something above `strong` (Canny 1986)."""
    count, labels = cv2.connectedComponents((contrast >= weak).astype(np.uint8))
    keep = np.zeros(count, np.uint8)
    keep[labels[contrast >= strong]] = 1
    keep[0] = 0
    return keep[labels]


def _without_specks(mask: Mask) -> Mask:
    """Drop groups of marks much smaller than the largest; a broken stroke is one group."""
    reach = max(1, round(max(mask.shape) / 100))
    near = cv2.dilate(mask, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(near)
    sides = np.maximum(stats[:, cv2.CC_STAT_WIDTH], stats[:, cv2.CC_STAT_HEIGHT]) - 2 * reach
    sides[0] = 0
    keep = (sides >= 0.12 * sides.max()).astype(np.uint8)
    return mask * keep[labels]


def _without_edges(mask: Mask) -> Mask:
    """Drop what lies along the picture's border: the desk beside the page, a scanner's rim."""
    _, labels = cv2.connectedComponents(mask, connectivity=8)
    keep = np.ones(labels.max() + 1, np.uint8)
    for border in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        contact = np.bincount(border, minlength=keep.size)
        contact[0] = 0
        keep[contact > 0.35 * border.size] = 0
    rest = mask * keep[labels]
    return rest if rest.any() else mask
