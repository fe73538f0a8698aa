"""A sheet of paper, and ink on it."""

from collections.abc import Sequence
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from cnn_mnist.training.synthetic.tracing import Coverage

Option = TypeVar("Option")
Rng = np.random.Generator
Colour = tuple[int, int, int]
Paper = NDArray[np.float32]  # H×W×3, 0..255

WHITE: Colour = (255, 255, 255)
PAPERS: list[Colour] = [
    WHITE, (250, 248, 240), (235, 225, 200), (215, 205, 180), (200, 200, 200), (180, 180, 185),
    (245, 235, 150), (200, 225, 245), (245, 205, 210), (205, 235, 205),
]  # fmt: skip
PLAIN_PAPERS = PAPERS[:6]
INKS: list[Colour] = [
    (20, 20, 25), (30, 40, 120), (50, 60, 150), (60, 60, 60), (160, 30, 40), (20, 90, 50),
    (110, 40, 120),
]  # fmt: skip
RULINGS: list[Colour] = [(150, 170, 210), (170, 170, 175), (120, 140, 190), (210, 150, 150)]
SCREENS: list[tuple[Colour, Colour]] = [  # ground, pen
    (WHITE, (0, 0, 0)), (WHITE, (0, 0, 0)), (WHITE, (220, 40, 40)), (WHITE, (40, 90, 220)),
    ((0, 0, 0), WHITE), ((30, 30, 30), (235, 235, 235)), ((20, 40, 140), (240, 220, 40)),
    ((10, 60, 30), (230, 240, 225)),
]  # fmt: skip
DESKS: list[Colour] = [(90, 60, 40), (40, 40, 45), (130, 110, 90), (215, 210, 200)]


def paper(height: float, width: float, colour: Colour) -> Paper:
    return np.full((int(height), int(width), 3), colour, np.float32)


def stamp(page: Paper, ink: Coverage, corner: tuple[int, int], colour: ArrayLike) -> None:
    """Put ink on the page with its upper left corner at (x, y), clipped at the border."""
    x, y = corner
    inside = ink[max(0, -y) : page.shape[0] - y, max(0, -x) : page.shape[1] - x, None]
    x, y = max(0, x), max(0, y)
    region = page[y : y + inside.shape[0], x : x + inside.shape[1]]
    region += inside * (np.array(colour, np.float32) - region)


def somewhere(page: Paper, ink: Coverage, rng: Rng, margin: float = 3) -> tuple[int, int]:
    free = [page.shape[1] - ink.shape[1] - margin, page.shape[0] - ink.shape[0] - margin]
    x, y = (int(rng.uniform(margin, max(margin + 1, side))) for side in free)
    return x, y


def pick(rng: Rng, options: Sequence[Option]) -> Option:
    return options[int(rng.integers(len(options)))]


def as_drawn(page: Paper) -> NDArray[np.uint8]:
    return np.clip(np.rint(page), 0, 255).astype(np.uint8)


def ruled(page: Paper, rng: Rng, gap: float, thickness: float, squared: bool) -> None:
    """Print lines, a few degrees from horizontal."""
    lines = np.zeros(page.shape[:2], np.uint8)
    middle = np.array([page.shape[1] / 2, page.shape[0] / 2])
    reach = int(np.hypot(*page.shape[:2]))
    tilt = rng.uniform(-6, 6)
    for angle in np.radians([tilt, tilt + 90] if squared else [tilt]):
        along, across = (
            np.array([np.cos(angle), np.sin(angle)]),
            np.array([-np.sin(angle), np.cos(angle)]),
        )
        for place in np.arange(-reach, reach, gap) + rng.uniform(0, gap):
            ends = [middle + across * place + along * side * reach for side in (-1, 1)]
            begin, end = (tuple(int(8 * value) for value in point) for point in ends)
            cv2.line(lines, begin, end, 255, max(1, round(thickness)), cv2.LINE_AA, 3)
    stamp(page, np.divide(lines, 255, dtype=np.float32), (0, 0), pick(rng, RULINGS))
