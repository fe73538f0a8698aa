"""ONNX session: one line of writing → its signs, with places and probabilities."""

import copy
import math
import os
from itertools import groupby
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from cnn_mnist import shelf
from cnn_mnist.inference.percentiles import median
from cnn_mnist.inference.recognition.classifier import session_options
from cnn_mnist.inference.recognition.line import (
    ALPHABET,
    DIGITS,
    HEIGHT,
    STRIDE,
    Box,
    Sign,
    normalized,
    normalized_width,
)
from cnn_mnist.inference.recognition.slashes import leaning

DOUBT = 0.9  # if a sign is less probable, the line is read again; the better reading is used
DIGIT_HEIGHT, DIGIT_ASPECT = 0.5, 0.95  # of the line, and width over height, in the second look
STRETCH = 0.7, 1.6  # least and most width factor of the second look
SLANTS = 0.0, -0.15, 0.15  # of the line in a second look: px to the right for each px upwards
LONGER = 2  # times as many columns as the line has, at most, once it is scaled
AGAIN = len(SLANTS) + LONGER  # columns of a second look for each of a first one, at most
SAME = 0.5  # intersection over union of two boxes above which they are of one sign
PART, INSIDE = 1 / 3, 0.9  # of a sign, from which what lies inside it is a part, as the + of a 4


class LineReader:
    """The line network, also usable alone on a crop of one line. Thread-safe."""

    def __init__(self, model: str | os.PathLike[str] | None = None) -> None:
        """Load an exported line network; None means the released one.

        Raises:
            ValueError: the file is missing, damaged, or another kind of model.
        """
        path = shelf.file(shelf.LINES, shelf.INT8) if model is None else Path(model)
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
        self._left = math.inf  # columns for second looks

    def limited(self, columns: int) -> "LineReader":
        """A copy, for one thread, whose second looks together take at most this many columns."""
        new = copy.copy(self)
        new._left = columns
        return new

    def read(self, grey: NDArray[np.uint8]) -> list[Sign]:
        """The signs of one line, from left to right.

        Args:
            grey: uint8 H×W, dark ink on light paper, from edge to edge of the line.
        """
        return self.look_again(grey, self.look(grey))

    def look(self, grey: NDArray[np.uint8]) -> list[Sign]:
        """The signs of one line, read once."""
        return self._look([grey])

    def look_again(self, grey: NDArray[np.uint8], signs: list[Sign]) -> list[Sign]:
        """The signs of a first look, or if one is in doubt, the better of two more readings.

        One is of the line at several slants. The other is of the line scaled to digits of the size
        at which the network is best, as the first look shows them.
        """
        cost = AGAIN * normalized_width(*grey.shape)
        if not in_doubt(signs) or cost > self._left:
            return signs
        self._left -= cost
        slanted = self._look([_slanted(grey, slant) for slant in SLANTS])
        digits = np.array([sign.box for sign in signs if sign.character in DIGITS])
        if not len(digits):
            return slanted
        top, height = median(digits[:, 1::2], axis=0).tolist()
        rows = max(round(height / DIGIT_HEIGHT), -(-len(grey) // LONGER))
        above = round(top + (height - rows) / 2)
        least, most = STRETCH[0], min(STRETCH[1], LONGER * rows / len(grey))
        stretch = DIGIT_ASPECT / float(median(digits[:, 2] / digits[:, 3]))
        scaled = self._look([_rows(grey, above, rows)], min(max(stretch, least), most))
        return max(slanted, [_moved(sign, above, grey.shape) for sign in scaled], key=num_right)

    def _look(self, views: list[NDArray[np.uint8]], width: float = 1.0) -> list[Sign]:
        """The signs of one line at a width factor: the mean over its views, with the first's boxes.

        Args:
            views: crops of one size, in which the middles of the signs are in the same places.
        """
        lines = [normalized(view, width) for view in views]
        wide, size = lines[0].shape[2], views[0].shape
        scale = np.array([size[1] / wide, size[0] / HEIGHT] * 2)
        whole = np.zeros((len(lines), 2, HEIGHT, wide + wide % STRIDE), np.float32)  # whole columns
        whole[..., :wide] = lines
        of_views, boxes = self._session.run(["probabilities", "boxes"], {"lines": whole})
        probs, edges = of_views.mean(axis=0), _edges(boxes[0]) * scale
        found = places(probs, boxes[0])
        return leaning([_sign(probs[:, columns], edges[columns], size) for columns in found])


def in_doubt(signs: list[Sign]) -> bool:
    """Whether a sign is so improbable that the line is worth a second look."""
    return any(sign.confidence < DOUBT for sign in signs)


def num_right(signs: list[Sign]) -> float:
    """The expected number of right signs, so leaving a sign out gains nothing."""
    return sum(sign.confidence for sign in signs)


def _slanted(grey: NDArray[np.uint8], slant: float) -> NDArray[np.uint8]:
    """The line slanted to the right about its middle; its border is replicated."""
    if not slant:
        return grey
    height, width = grey.shape
    move = np.array([[1, -slant, slant * height / 2], [0, 1, 0]])
    return np.asarray(
        cv2.warpAffine(grey, move, (width, height), borderMode=cv2.BORDER_REPLICATE), np.uint8
    )


def _rows(grey: NDArray[np.uint8], first: int, count: int) -> NDArray[np.uint8]:
    """Some rows of a crop; rows beyond its edges repeat the outermost."""
    wanted = np.arange(first, first + count).clip(0, len(grey) - 1)
    return np.ascontiguousarray(grey[wanted])


def places(probs: NDArray[Any], boxes: NDArray[Any]) -> list[list[int]]:
    """The columns of each sign, from left to right.

    These are the peaks of best-path decoding of CTC (Graves). A doubtful sign may have one peak for
    each of two classes, whose boxes nearly coincide, or one for a large part of it.

    Args:
        probs: classes×columns.
        boxes: 4×columns, as the network predicts them.
    """
    found: list[list[int]] = []
    best, probable, edges = probs.argmax(axis=0), probs.max(axis=0).tolist(), _edges(boxes).tolist()
    for sign, run in groupby(range(len(best)), key=best.tolist().__getitem__):
        if not sign:
            continue
        column = max(run, key=probable.__getitem__)
        if found and _are_one(edges[found[-1][-1]], edges[column]):
            found[-1].append(column)
        else:
            found.append([column])
    return found


def _are_one(one: list[float], other: list[float]) -> bool:
    """Whether two boxes are of one sign, or one is a large part of the other."""
    (x0, y0, x1, y1), (u0, v0, u1, v1) = one, other
    both = max(0.0, min(x1, u1) - max(x0, u0)) * max(0.0, min(y1, v1) - max(y0, v0))
    small, large = sorted(((x1 - x0) * (y1 - y0), (u1 - u0) * (v1 - v0)))
    is_part = both > INSIDE * small and small > PART * large
    return both > SAME * (small + large - both) or is_part


def _edges(boxes: NDArray[Any]) -> NDArray[Any]:
    """Left, top, right and bottom of each column's sign, px of the normalised line."""
    top, bottom, left, right = boxes * HEIGHT
    middle = (np.arange(boxes.shape[1]) + 0.5) * STRIDE
    return np.array([middle - left, top, middle + right, bottom]).T


def _sign(probs: NDArray[np.float32], edges: NDArray[Any], shape: tuple[int, ...]) -> Sign:
    """The sign of some columns: the mean of their probabilities, and the box of the clearest."""
    mean = probs.mean(axis=1)
    best = 1 + int(mean[1:].argmax())
    box = _within(edges[int(probs[best].argmax())].tolist(), shape)
    p_slash = float(mean[1 + ALPHABET.index("/")])
    return Sign(ALPHABET[best - 1], float(mean[best]), box, mean[1 : 1 + len(DIGITS)], p_slash)


def _moved(sign: Sign, rows: int, shape: tuple[int, ...]) -> Sign:
    """A sign of a crop that begins `rows` rows below the top of a larger one of this shape."""
    x, y, width, height = sign.box
    return sign._replace(box=_within([x, y + rows, x + width, y + rows + height], shape))


def _within(edges: list[float], shape: tuple[int, ...]) -> Box:
    """The box of the part inside a crop, at least one pixel wide and high."""
    x0, y0 = (
        min(max(low, 0.0), size - 1.0) for low, size in zip(edges[:2], shape[::-1], strict=True)
    )
    x1, y1 = min(edges[2], shape[1]), min(edges[3], shape[0])
    return x0, y0, max(x1 - x0, 1.0), max(y1 - y0, 1.0)
