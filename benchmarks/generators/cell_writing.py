"""A short text, written by hand with MNIST's test digits or printed, as ink."""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from cnn_mnist.training.data import WRONG_TEST_LABELS
from cnn_mnist.training.lines import typefaces
from cnn_mnist.training.synthetic.tracing import Coverage
from generators.paper import Rng, pick

Draw = Callable[[str, float], Coverage]  # a text and the height of its digits → its ink
Digits = dict[str, list[Coverage]]  # the images of each digit


def digits_of(images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> Digits:
    """The images of each digit, cropped to the ink."""
    found: Digits = {}
    for index, (image, label) in enumerate(zip(images, labels, strict=True)):
        if index not in WRONG_TEST_LABELS:
            found.setdefault(str(label), []).append(_tight(image / np.float32(255)))
    return found


def by_hand(digits: Digits, rng: Rng) -> Draw:
    """One person's handwriting."""
    apart = rng.uniform(0.06, 0.2)

    def write(text: str, height: float) -> Coverage:
        line = np.zeros((round(1.5 * height), round(height * (1.4 * len(text) + 1))), np.float32)
        x, floor, pen = 0.0, 1.25 * height, max(2, round(0.12 * height))
        for character in text:
            if character in digits:
                ink = _enlarged(pick(rng, digits[character]), height * rng.uniform(0.9, 1.05))
            else:
                ink = np.ones((pen, pen if character == "." else round(0.4 * height)), np.float32)
            middle = character == "-"
            y = floor - (0.5 * height if middle else ink.shape[0]) + rng.normal(0, 0.02) * height
            _lay(line, ink, round(x), round(y))
            x += ink.shape[1] + height * apart * rng.uniform(0.6, 1.4)
        return _tight(line)

    return write


def _enlarged(image: Coverage, height: float) -> Coverage:
    """An MNIST digit with smooth edges; a wide one is lower, as in MNIST."""
    scale = height / max(image.shape)
    large = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(2.5 * (large - 0.5) + 0.5, 0, 1), np.float32)


def in_print(rng: Rng) -> Draw:
    """A printed typeface."""
    face = typefaces.printed(pick(rng, list(typefaces.PRINTED[:10])))

    def write(text: str, height: float) -> Coverage:
        unit = typefaces.height(face)
        line = np.zeros((3 * unit, 3 * unit * len(text)), np.float32)
        x = 0
        for character in text:
            ink, top = typefaces.draw(face, character)
            _lay(line, ink, x, unit + top)
            x += ink.shape[1] + round(0.12 * unit)
        ink, scale = _tight(line), height / unit
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        return np.asarray(cv2.resize(ink, None, fx=scale, fy=scale, interpolation=how))

    return write


def _lay(line: Coverage, ink: Coverage, x: int, y: int) -> None:
    y = max(0, y)
    part = line[y : y + ink.shape[0], x : x + ink.shape[1]]
    np.maximum(part, ink[: part.shape[0], : part.shape[1]], out=part)


def _tight(line: Coverage) -> Coverage:
    x, y, wide, high = cv2.boundingRect((line > 0).astype(np.uint8))
    return line[y : y + high, x : x + wide]
