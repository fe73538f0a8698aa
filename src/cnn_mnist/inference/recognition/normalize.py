"""One digit's ink → a 28×28 image like MNIST's.

MNIST's own procedure (LeCun et al. 1998, section III.A; the pixel index was measured on all
70,000 images): scale the ink's box to fit 20×20 keeping its aspect, average areas, then shift
by whole pixels until the centre of mass lies on pixel index 14.0.
"""

import math
from statistics import median
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE = 28
BOX = 20
CENTRE = 14.0
STROKE = 2.7  # of BOX, MNIST's mean
THIN, THICK = 2.0, 3.6  # of BOX; strokes in between are left unchanged
MAX_CHANGE = 24  # px; for larger changes a reduced copy is used
MEASURABLE = 40  # px; in smaller digits strokes are too few pixels wide to be measured


def to_mnist(ink: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Transform one digit into MNIST's frame.

    Args:
        ink: H×W, 0 = paper, 1 = full ink; any size with at least one pixel of ink.

    Returns:
        uint8 28×28, light ink on black, its centre of mass on pixel 14.0 ± 0.5 in both directions
        (closer to the frame if the digit would otherwise leave it).

    Raises:
        ValueError: there is no ink.
    """
    x, y, width, height = cv2.boundingRect((ink > 0).astype(np.uint8))
    if width == 0:
        raise ValueError("there is no ink to normalise")
    digit = ink[y : y + height, x : x + width].astype(np.float32)

    scale = BOX / max(digit.shape)
    height, width = (max(1, round(side * scale)) for side in digit.shape)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = np.asarray(cv2.resize(digit, (width, height), interpolation=how), np.float32)

    corner = np.zeros((SIDE, SIDE), np.float32)  # OpenCV takes an array N×2 for N points
    corner[:height, :width] = small
    mass = cv2.moments(corner)
    left = _offset(mass["m10"] / mass["m00"], width)
    top = _offset(mass["m01"] / mass["m00"], height)
    frame = np.zeros((SIDE, SIDE), np.uint8)
    frame[top : top + height, left : left + width] = np.rint(np.clip(small, 0, 1) * 255)
    return frame


def _offset(centre: float, size: int) -> int:
    """Offset in whole pixels from the frame's edge that puts the centre of mass on CENTRE."""
    return min(max(round(CENTRE - centre), 0), SIDE - size)


def ready_frame(pixels: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """The picture itself, light on black, if it is an MNIST image already; else None.

    Args:
        pixels: uint8 H×W×3.
    """
    if pixels.shape != (SIDE, SIDE, 3) or (pixels != pixels[..., :1]).any():
        return None
    frames, ready = ready_frames(pixels[None, ..., 0])
    return frames[0] if ready[0] else None


def ready_frames(images: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Grey images, light on black, and which of them are MNIST images already.

    Such an image has a plain black or white background, a box of 20 px and its centre of mass in
    the middle. Normalising it again would blur it.

    Args:
        images: uint8 N×28×28, also dark on white.
    """
    light = np.count_nonzero(images > 127, axis=(1, 2)) > SIDE * SIDE // 2
    frames = np.where(light[:, None, None], 255 - images, images)
    inked = np.asarray(frames > 0)
    rows, columns = np.any(inked, axis=2), np.any(inked, axis=1)
    high, wide = (SIDE - s.argmax(axis=1) - s[:, ::-1].argmax(axis=1) for s in (rows, columns))
    plain = (np.count_nonzero(inked, axis=(1, 2)) <= SIDE * SIDE // 2) & rows.any(axis=1)
    masses = [frames.sum(axis=axis, dtype=np.uint32).astype(np.float32) for axis in (1, 2)]
    totals = np.maximum(masses[0].sum(axis=1), 1)
    indices = np.arange(SIDE, dtype=np.float32)
    centred = [np.abs(mass @ indices / totals - CENTRE) < 1 for mass in masses]
    boxed = np.abs(np.maximum(high, wide) - BOX) <= 1
    return frames, plain & boxed & centred[0] & centred[1]


def even_stroke(ink: NDArray[np.floating]) -> NDArray[np.float32]:
    """Adjust the stroke width of one digit to MNIST's range.

    MNIST's strokes are 2.7 of the digit's 20 px wide (5-95%: 1.5 to 4.2). Hairlines vanish and
    markers clog in a 20-px box, so both are widened or thinned at full resolution. Strokes
    within the range, or too small to be measured, are returned unchanged.

    Args:
        ink: H×W, 0 = paper, 1 = full ink, cropped to the digit.

    Returns:
        float32, with a margin if the stroke grew.
    """
    digit = ink.astype(np.float32)
    side = max(digit.shape)
    if side < MEASURABLE:
        return digit
    width = stroke_width(digit)
    if THIN <= width * BOX / side <= THICK:
        return digit
    # A wider pen also makes the box larger: solve width' / (side + width' - width) for STROKE.
    change = (STROKE * side - BOX * width) / (BOX - STROKE)
    factor = math.ceil(abs(change) / MAX_CHANGE)
    if change < 0:
        thinner = np.asarray(cv2.erode(_reduced(digit, factor), _disc(change / factor)), np.float32)
        return thinner if thinner.max() > 0.5 else digit
    # A hairline would vanish in the reduced copy unless first widened to its pixels.
    grown = 2 * factor - 2
    digit = _with_margin(digit, grown)
    digit = _reduced(cv2.dilate(digit, np.ones((grown + 1,) * 2, np.uint8)), factor)
    disc = _disc((change - grown) / factor)
    return np.asarray(cv2.dilate(_with_margin(digit, len(disc)), disc), np.float32)


def _reduced(digit: NDArray[Any], factor: int) -> NDArray[np.float32]:
    """Area averages, so that kernels do not grow with the digit."""
    if factor == 1:
        return np.asarray(digit, np.float32)
    size = [max(1, round(side / factor)) for side in digit.shape[::-1]]
    return np.asarray(cv2.resize(digit, size, interpolation=cv2.INTER_AREA), np.float32)


def _disc(change: float) -> NDArray[np.uint8]:
    """The kernel that widens or thins a stroke by `change`."""
    side = 1 + round(abs(change))
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), np.uint8)


def stroke_width(ink: NDArray[np.floating]) -> float:
    """The typical stroke width in px: twice the distance to paper along the middle."""
    mask = _with_margin((ink > 0.5).astype(np.uint8), 1)
    distance = cv2.distanceTransform(mask, cv2.DIST_L2, 5)
    ridge = (distance >= cv2.dilate(distance, np.ones((3, 3), np.uint8))) & (mask > 0)
    if not ridge.any():
        return 1.0
    return float(2 * median(distance[ridge].tolist()) - 1)


def _with_margin(ink: NDArray[Any], margin: int) -> NDArray[Any]:
    """Paper all around; several times faster than np.pad."""
    return cv2.copyMakeBorder(ink, *(margin,) * 4, cv2.BORDER_CONSTANT, value=0)
