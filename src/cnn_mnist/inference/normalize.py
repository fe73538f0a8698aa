"""One digit's ink → the 28×28 image that MNIST would hold.

MNIST's own procedure (LeCun et al. 1998, section III.A; the pixel index was measured on all
70,000 images): scale the ink's box to fit 20×20 keeping its aspect, average areas, then shift
by whole pixels until the centre of mass lies on pixel index 14.0.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE = 28
BOX = 20
CENTRE = 14.0


def to_mnist(ink: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Bring one digit into MNIST's frame.

    Args:
        ink: H×W, 0 = paper, 1 = full ink; any size with at least one pixel of ink.

    Returns:
        uint8 28×28, light ink on black, its centre of mass on pixel 14.0 ± 0.5 both ways
        (nearer the frame where the digit would otherwise leave it).

    Raises:
        ValueError: there is no ink.
    """
    rows, cols = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    if rows.size == 0:
        raise ValueError("there is no ink to normalise")
    digit = ink[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1].astype(np.float32)

    scale = BOX / max(digit.shape)
    height, width = (max(1, round(side * scale)) for side in digit.shape)
    shrinking = scale < 1
    resized = cv2.resize(
        digit, (width, height), interpolation=cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
    )

    digit = resized.astype(np.float32)
    frame = np.zeros((SIDE, SIDE), np.uint8)
    top, left = _offset(digit, axis=0), _offset(digit, axis=1)
    frame[top : top + height, left : left + width] = np.rint(np.clip(digit, 0, 1) * 255)
    return frame


def _offset(digit: NDArray[np.float32], axis: int) -> int:
    """Whole pixels from the frame's edge to the digit's box, so that its mass is on CENTRE."""
    mass = digit.sum(axis=1 - axis)
    centre = float((mass * np.arange(mass.size)).sum() / mass.sum())
    return int(np.clip(round(CENTRE - centre), 0, SIDE - mass.size))
