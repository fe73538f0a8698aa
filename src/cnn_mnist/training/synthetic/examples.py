"""What MNIST lacks: other forms of the digits, and images that are not digits.

Half of the digits are drawn with our own strokes, half are MNIST's 1s, 7s and 0s with a flag and a
foot, a bar or a slash added. The non-digits are letters and signs, scribbles, and pairs of MNIST
digits squeezed into one frame.
"""

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cnn_mnist.inference.recognition.normalize import SIDE, to_mnist
from cnn_mnist.training.data import NOT_A_DIGIT, Split
from cnn_mnist.training.synthetic.forms import any_form
from cnn_mnist.training.synthetic.nondigits import scribble, symbol, zigzag
from cnn_mnist.training.synthetic.strokes import Glyph, draw, write

Image = NDArray[np.uint8]
Random = np.random.Generator

FLOURISHED = {1: 0.6, 7: 0.25, 0: 0.15}  # share of each digit among the flourished copies
NONDIGITS = {symbol: 0.5, scribble: 0.15, zigzag: 0.1}  # share of each kind; the rest are pairs
PEN = (1.6, 3.6)  # px wide, of the 28×28 frame


def extend(train: Split, count: int, seed: int = 0) -> Split:
    """The training images, then `count` drawn digits, then `count` non-digits.

    The labels of the non-digits are NOT_A_DIGIT. The same arguments give the same split; every
    training uses that of seed 0, so that its own seed changes nothing but chance.

    Args:
        train: MNIST's training images, or a part of them that has 0s, 1s and 7s.
    """
    if not count:
        return train
    rng = np.random.default_rng(seed)
    images, labels = train.images.cpu().numpy(), train.labels.cpu().numpy()
    copies, copied = _flourished(images, labels, count // 2, rng)
    digits = rng.integers(0, 10, count - count // 2)
    drawn = [draw_digit(int(digit), rng) for digit in digits]
    others = _nondigits(images, count, rng)
    added_labels = np.concatenate([copied, digits, np.full(count, NOT_A_DIGIT)])
    return Split(
        _append(train.images, np.stack([*copies, *drawn, *others])),
        _append(train.labels, added_labels.astype(np.int64)),
        train.wrong_labels,
    )


def _append(tensor: Tensor, array: NDArray[np.generic]) -> Tensor:
    return torch.cat([tensor, torch.from_numpy(array).to(tensor.device)])


def draw_digit(digit: int, rng: Random) -> Image:
    """Draw the digit in a random form, as an image like MNIST's."""
    glyph = any_form(digit, rng.uniform(0, 1), rng)
    return write(glyph, rng.uniform(*PEN), rng.uniform(0.55, 1), rng.uniform(0, 0.035), rng)


def _nondigits(images: Image, count: int, rng: Random) -> list[Image]:
    made = []
    for make, share in NONDIGITS.items():
        for _ in range(round(share * count)):
            aspect, tremor = rng.uniform(0.5, 1.35), rng.uniform(0, 0.09)
            made.append(write(make(rng), rng.uniform(*PEN), aspect, tremor, rng))
    lefts, rights = rng.integers(len(images), size=(2, count - len(made)))
    pairs = [pair(images[a], images[b], rng) for a, b in zip(lefts, rights, strict=True)]
    return made + pairs


def pair(left: Image, right: Image, rng: Random) -> Image:
    """Two digits side by side, touching or almost, squeezed into one frame."""
    distance, drop = int(rng.integers(11, 21)), int(rng.integers(0, 5))
    wide = np.zeros((SIDE + 4, SIDE + distance), np.uint8)
    wide[2 : SIDE + 2, :SIDE] = left
    place = wide[drop : drop + SIDE, distance:]
    np.maximum(place, right, out=place)
    return to_mnist(wide / 255)


def _flourished(
    images: Image, labels: NDArray[np.int64], count: int, rng: Random
) -> tuple[list[Image], NDArray[np.int64]]:
    """Flourished copies of randomly chosen 1s, 7s and 0s, and their labels."""
    digits = rng.choice(list(FLOURISHED), count, p=list(FLOURISHED.values()))
    rows = {digit: np.flatnonzero(labels == digit) for digit in FLOURISHED}
    copies = [flourish(images[rng.choice(rows[digit])], int(digit), rng) for digit in digits]
    return copies, digits.astype(np.int64)


def flourish(image: Image, digit: int, rng: Random) -> Image:
    """Add a flag, a foot or both, a bar, or a slash to an MNIST image of a 1, 7 or 0.

    The frame and the centre stay unchanged.
    """
    glyph = {1: _flag_and_foot, 7: _bar, 0: _slash}[digit](image, rng)
    ink = cv2.resize(draw(glyph, rng.uniform(1.8, 3.2)), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return np.maximum(image, ink.astype(np.uint8))


def _flag_and_foot(image: Image, rng: Random) -> Glyph:
    top, bottom = _rows(image)
    head, sole = (_middle(image[top + 1]), top + 1.5), (_middle(image[bottom - 1]), bottom - 0.5)
    length, angle = rng.uniform(2.5, 10), rng.uniform(0.4, 1.25)
    tip = (head[0] - length * np.sin(angle), head[1] + length * np.cos(angle))
    left, right = rng.uniform(1, 7, 2)
    y, slope = sole[1] + rng.uniform(-0.6, 0.6), rng.uniform(-0.6, 0.6)
    flag, foot = [head, tip], [(sole[0] - left, y + slope), (sole[0] + right, y - slope)]
    form = rng.random()
    return [flag] if form < 0.5 else [foot] if form < 0.65 else [flag, foot]


def _bar(image: Image, rng: Random) -> Glyph:
    top, bottom = _rows(image)
    row = round(top + (bottom - top) * rng.uniform(0.4, 0.62))
    x, half, slope = _middle(image[row]), rng.uniform(3, 6), rng.uniform(-1.2, 1.2)
    return [[(x - half, row + 0.5 + slope), (x + half, row + 0.5 - slope)]]


def _slash(image: Image, rng: Random) -> Glyph:
    top, bottom = _rows(image)
    x, y = _middle(image.sum(axis=0)), (top + bottom + 1) / 2
    reach, angle = (bottom - top) * rng.uniform(0.25, 0.55), rng.uniform(0.25, 0.9)
    dx, dy = reach * np.sin(angle), reach * np.cos(angle)
    return [[(x + dx, y - dy), (x - dx, y + dy)]]


def _rows(image: Image) -> tuple[int, int]:
    """The first and the last row with ink."""
    rows = np.flatnonzero(image.any(axis=1))
    return int(rows[0]), int(rows[-1])


def _middle(row: NDArray[np.integer]) -> float:
    """The x of a row's centre of ink, or the frame's centre if the row has none."""
    if not row.any():
        return SIDE / 2
    return float(np.average(np.arange(SIDE) + 0.5, weights=row))
