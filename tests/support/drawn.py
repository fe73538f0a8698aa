"""Digits written with a known pen for tests: lines and arcs in a box 10 wide and 20 tall."""

import cv2
import numpy as np
from numpy.typing import NDArray

WHITE, BLACK = (255, 255, 255), (20, 20, 25)
Colour = tuple[int, int, int]


Arc = tuple[float, float, float, float, int, int]  # centre x, y, radii, from and to degrees

STROKES: dict[str, list[list[tuple[float, float]] | Arc]] = {
    "0": [(5, 10, 5, 10, 0, 360)],
    "1": [[(2, 4), (6, 0), (6, 20)]],
    "2": [(5, 5, 5, 5, 180, 380), [(9.6, 7), (0, 20), (10, 20)]],
    "3": [(5, 5, 5, 5, 210, 450), (5, 15, 5, 5, 270, 510)],
    "4": [[(7, 0), (0, 13), (10, 13)], [(7, 0), (7, 20)]],
    "5": [[(9, 0), (1, 0), (1, 9)], (4, 13.5, 6, 6.5, 240, 500)],
    "6": [[(8, 0), (0.6, 11)], (5, 14.5, 5, 5.5, 0, 360)],
    "7": [[(0, 0), (10, 0), (4, 20)]],
    "8": [(5, 5, 4, 5, 0, 360), (5, 15, 5, 5, 0, 360)],
    "9": [(5, 5.5, 5, 5.5, 0, 360), [(10, 5), (8, 20)]],
}
SUBPIXEL = 4  # bits of OpenCV's drawing coordinates


def coverage(text: str, height: int, pen: int) -> NDArray[np.float32]:
    """How much of each pixel the pen covers, 0..1, with a margin of half the height."""
    unit = height / 20
    margin = height / 2
    width = round(height * (0.8 * len(text) - 0.3) + 2 * margin)
    drawn = np.zeros((2 * height, width), np.uint8)
    for index, digit in enumerate(text):
        corner = np.array([margin + 0.8 * height * index, margin])
        for stroke in STROKES[digit]:
            points = np.array(stroke) if isinstance(stroke, list) else arc(*stroke)
            line = np.rint((points * unit + corner) * 2**SUBPIXEL).astype(np.int32)
            cv2.polylines(drawn, [line], False, 255, pen, cv2.LINE_AA, SUBPIXEL)
    return np.divide(drawn, 255, dtype=np.float32)


def arc(
    x: float, y: float, across: float, down: float, start: int, end: int
) -> NDArray[np.float64]:
    angles = np.radians(np.linspace(start, end, 33))
    return np.stack([x + across * np.cos(angles), y + down * np.sin(angles)], axis=1)


def page(
    text: str, height: int = 100, pen: int = 10, ink: Colour = BLACK, paper: Colour = WHITE
) -> NDArray[np.uint8]:
    """An RGB page with `text` written on it."""
    share = coverage(text, height, pen)[..., None]
    mixed = share * np.array(ink) + (1 - share) * np.array(paper)
    return np.asarray(np.rint(mixed), np.uint8)
