"""ONNX session: one line of writing → its signs, with places and probabilities."""

import os
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from cnn_mnist import shelf
from cnn_mnist.inference.recognition.classifier import session_options
from cnn_mnist.inference.recognition.line import ALPHABET, DIGITS, HEIGHT, normalized

Box = tuple[float, float, float, float]

LOOKS = 1.0, 0.85  # width factors at which a line is read, the second only if in doubt
DOUBT = 0.9  # if a sign is less probable, the line is read again; the more certain reading is used
STRIDE = 2  # px of the normalised line per column of the network's output


@dataclass(frozen=True)
class Sign:
    """A sign of a line.

    A character of ALPHABET, its probability, its box x, y, width, height in the crop's pixels, and
    the probabilities of the ten digits there.
    """

    character: str
    confidence: float
    box: Box
    digit_probs: NDArray[np.float32]

    def moved(self, x: float, y: float) -> "Sign":
        """The sign with its box moved."""
        return replace(self, box=(self.box[0] + x, self.box[1] + y, *self.box[2:]))


class LineReader:
    """The line network, also usable alone on a crop of one line. Thread-safe."""

    def __init__(self, model: str | os.PathLike[str] | None = None) -> None:
        """Load an exported line network; None means the released one.

        Raises:
            ValueError: the file is missing, damaged, or another kind of model.
        """
        path = shelf.file(shelf.LINES, shelf.ONNX) if model is None else Path(model)
        try:
            self._session = onnxruntime.InferenceSession(
                path.read_bytes(), session_options(), providers=["CPUExecutionProvider"]
            )
        except OSError as error:
            raise ValueError(f"{path}: {error.strerror}; give an exported .onnx file") from error
        except Exception as error:  # ONNX Runtime's errors share no base class
            raise ValueError(f"{path} is not a line network, or is damaged") from error
        if {o.name for o in self._session.get_outputs()} != {"probabilities", "boxes"}:
            raise ValueError(f"{path} is not a line network exported by cnn-mnist")

    def read(self, grey: NDArray[np.uint8]) -> list[Sign]:
        """The signs of one line, from left to right.

        Args:
            grey: uint8 H×W, dark ink on light paper, from edge to edge of the line.
        """
        signs = self.look(grey)
        return self.look_again(grey, signs) if in_doubt(signs) else signs

    def look_again(self, grey: NDArray[np.uint8], signs: list[Sign]) -> list[Sign]:
        """The more certain reading: the signs of a first look, or those of a second one."""
        return max(signs, self.look(grey, LOOKS[1]), key=certainty)

    def look(self, grey: NDArray[np.uint8], width: float = LOOKS[0]) -> list[Sign]:
        """The signs of one line, read once, at a width factor."""
        line = normalized(grey, width)
        scale = grey.shape[1] / line.shape[2], grey.shape[0] / HEIGHT
        if line.shape[2] % STRIDE:
            line = np.pad(line, ((0, 0), (0, 0), (0, 1)))
        probs, boxes = self._session.run(["probabilities", "boxes"], {"lines": line[None]})
        signs = [_sign(probs[0], boxes[0], column, scale) for column in middles(probs[0])]
        return [replace(sign, box=_within(sign.box, grey.shape)) for sign in signs]


def in_doubt(signs: list[Sign]) -> bool:
    """Whether a line is worth a second look."""
    return any(sign.confidence < DOUBT for sign in signs)


def certainty(signs: list[Sign]) -> float:
    """The mean probability of a reading's signs; 0 if there are none."""
    return sum(sign.confidence for sign in signs) / max(1, len(signs))


def middles(probs: NDArray[np.float32]) -> list[int]:
    """The most certain column of each sign: best-path decoding of CTC (Graves).

    Args:
        probs: classes×columns.
    """
    columns = []
    for best, run in groupby(enumerate(probs.argmax(axis=0)), key=lambda pair: pair[1]):
        if best:
            columns.append(max((column for column, _ in run), key=lambda c: float(probs[best, c])))
    return columns


def _sign(
    probs: NDArray[np.float32],
    boxes: NDArray[np.float32],
    column: int,
    scale: tuple[float, float],
) -> Sign:
    best = int(probs[:, column].argmax())
    across, down = scale
    top, bottom, left, right = (boxes[:, column] * HEIGHT).tolist()
    x = (column + 0.5) * STRIDE - left
    box = (x * across, top * down, (left + right) * across, (bottom - top) * down)
    digits = probs[1 : 1 + len(DIGITS), column]
    return Sign(ALPHABET[best - 1], float(probs[best, column]), box, digits)


def _within(box: Box, shape: tuple[int, ...]) -> Box:
    """The part of a box inside a crop, at least one pixel wide and high."""
    x, y, width, height = box
    x0, y0 = (min(max(low, 0.0), size - 1.0) for low, size in ((x, shape[1]), (y, shape[0])))
    x1, y1 = min(x + width, shape[1]), min(y + height, shape[0])
    return x0, y0, max(x1 - x0, 1.0), max(y1 - y0, 1.0)
