"""Which way up a page is: the ways are compared by what the networks say to its signs."""

import numpy as np
from numpy.typing import NDArray

from cnn_mnist.inference import lines
from cnn_mnist.inference.classifier import Classifier
from cnn_mnist.inference.line_reader import Box, LineReader, certainty

LEAST_SIGNS = 5  # fewer are no clear evidence
MOST_SIGNS = 200  # the classifier looks at
MOST_LINES = 6  # the line network looks at, each way
CLEAR = 0.3  # of the mean logarithm of a glyph's highest probability; by more is another way worse
BETTER = 0.04  # of the lines' certainty, by which it must be surer where the glyphs do not tell


def turn(
    classifier: Classifier,
    reader: LineReader,
    grey: NDArray[np.uint8],
    boxes: list[Box],
    frames: NDArray[np.uint8],
) -> int:
    """By how many degrees clockwise a page must be turned; 0 where the evidence is not clear.

    Args:
        grey: the page.
        boxes: of its glyphs.
        frames: uint8 N×28×28 of the same.
    """
    if len(boxes) < LEAST_SIGNS:
        return 0
    ways = _likely(classifier, frames)
    if ways == [0]:
        return 0
    sure = {way: _certainty(reader, grey, boxes, way) for way in {0, *ways}}
    best = max(sure, key=lambda way: sure[way])
    margin = BETTER if 0 in ways else 0.0
    return 90 * best if sure[best] > sure[0] + margin else 0


def _likely(classifier: Classifier, frames: NDArray[np.uint8]) -> list[int]:
    """The quarter turns under which the glyphs are about as likely digits as under any."""
    some = frames[:: -(-len(frames) // MOST_SIGNS)]
    turned = np.concatenate([np.rot90(some, -way, (1, 2)) for way in range(4)])
    probs = classifier.probs(np.ascontiguousarray(turned)).max(axis=1)
    means = np.log(probs).reshape(4, -1).mean(axis=1)
    return np.flatnonzero(means > means.max() - CLEAR).tolist()


def _certainty(reader: LineReader, grey: NDArray[np.uint8], boxes: list[Box], way: int) -> float:
    """How sure the line network is of some lines of a page after some quarter turns."""
    turned = np.ascontiguousarray(np.rot90(grey, -way))
    some = lines.sample(turned, _turned(boxes, grey.shape, way), MOST_LINES)
    return certainty([sign for line in some for sign in reader.read(line)])


def _turned(boxes: list[Box], shape: tuple[int, ...], way: int) -> list[Box]:
    height, width = shape
    for _ in range(way):
        boxes = [(height - y - high, x, high, wide) for x, y, wide, high in boxes]
        height, width = width, height
    return boxes
