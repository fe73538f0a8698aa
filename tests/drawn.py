"""Digits drawn with a known pen for tests: OpenCV's single-stroke font stands in for a hand."""

import cv2
import numpy as np
from numpy.typing import NDArray

WHITE, BLACK = (255, 255, 255), (20, 20, 25)
Colour = tuple[int, int, int]


def coverage(text: str, height: int, pen: int) -> NDArray[np.float32]:
    """How much of each pixel the pen covers, 0..1, with a margin of half the height."""
    scale = height / 21  # the font's digits are 21 units tall
    width = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, pen)[0][0]
    drawn = np.zeros((2 * height, width + height), np.uint8)
    corner = (height // 2, height * 3 // 2)
    cv2.putText(drawn, text, corner, cv2.FONT_HERSHEY_SIMPLEX, scale, 255, pen, cv2.LINE_AA)
    return drawn.astype(np.float32) / 255


def page(
    text: str, height: int = 100, pen: int = 10, ink: Colour = BLACK, paper: Colour = WHITE
) -> NDArray[np.uint8]:
    """An RGB page with `text` written on it."""
    share = coverage(text, height, pen)[..., None]
    mixed = share * np.array(ink) + (1 - share) * np.array(paper)
    return np.rint(mixed).astype(np.uint8)
