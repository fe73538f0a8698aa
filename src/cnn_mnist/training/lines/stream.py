"""An endless stream of training lines, made beside the training in processes of their own.

Bundle number i of a seed is a function of (seed, i) alone, so a resumed training meets the lines
that it would have met, whatever the number of processes.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from cnn_mnist.inference.recognition.line import ALPHABET, HEIGHT, normalized
from cnn_mnist.training.lines.hand import any_hand
from cnn_mnist.training.lines.network import BLANK, STRIDE
from cnn_mnist.training.lines.photograph import photograph
from cnn_mnist.training.lines.shapes import Digits
from cnn_mnist.training.lines.text import field
from cnn_mnist.training.lines.writing import Mark, write

Random = np.random.Generator

IGNORED = -100  # class of a column that is neither a sign's middle nor between signs
PRINTED = 0.1  # share of lines in a typeface
PRINTED_SINGLE = 0.4  # of single signs, which are often cells of printed grids
HARD = 0.3, 1.0  # of the most that a line may be disturbed
INVERTED = 0.05  # share of lines with light ink on dark paper


@dataclass(frozen=True)
class Example:
    """A line as the network sees it, and what is written where (in columns of its output)."""

    line: NDArray[np.float32]  # 2×HEIGHT×W
    classes: NDArray[np.int64]  # a class a sign, from the left
    boxes: NDArray[np.float32]  # a sign: x0, y0, x1, y1 as shares of the height


@dataclass(frozen=True)
class Batch:
    """Lines of one width: N×2×HEIGHT×W, with paper on the right of the shorter ones."""

    lines: Tensor
    num_columns: Tensor  # N: of the output that lie within the line
    targets: Tensor  # classes of all signs, one line after the other
    num_targets: Tensor  # N
    middles: Tensor  # N×W/2: the class whose middle is here, BLANK between signs, or IGNORED
    boxes: Tensor  # N×4×W/2 as the network gives them; only where there is a middle

    def to(self, device: torch.device) -> "Batch":
        return Batch(*(getattr(self, f.name).to(device) for f in fields(self)))


class Bundles(Dataset[list[Batch]]):
    """Bundles of batches, sorted by width within a bundle so that little is padded."""

    def __init__(
        self, digits: Digits, seed: int, batch_size: int, num_batches: int, num_bundles: int
    ) -> None:
        """
        Args:
            num_bundles: after so many the lines are as hard as they get.
        """
        self._digits, self._seed = digits, seed
        self._batch_size, self._num_batches = batch_size, num_batches
        self._num_bundles = num_bundles

    def __getitem__(self, index: int) -> list[Batch]:
        cv2.setNumThreads(1)
        rng = np.random.default_rng((self._seed, index))
        hard = min(1.0, 0.2 + 0.8 * index / self._num_bundles) if self._num_bundles else 1.0
        count = self._batch_size * self._num_batches
        examples = [example(self._digits, hard, rng) for _ in range(count)]
        examples.sort(key=lambda e: e.line.shape[2])
        batches = [
            batch(examples[i : i + self._batch_size]) for i in range(0, count, self._batch_size)
        ]
        return [batches[i] for i in rng.permutation(self._num_batches)]


def stream(bundles: Bundles, start: int, stop: int, workers: int) -> Iterator[list[Batch]]:
    """The bundles start..stop in order.

    Args:
        workers: processes that make them; 0 makes them here.
    """
    loader = DataLoader(
        bundles,
        batch_size=None,
        sampler=range(start, stop),
        num_workers=workers,
        multiprocessing_context="spawn" if workers else None,  # a fork hangs after torch's threads
        prefetch_factor=2 if workers else None,
    )
    return iter(loader)


def example(digits: Digits, hard: float, rng: Random) -> Example:
    """One line of training, disturbed by up to `hard`, as for `photograph`."""
    text = field(rng)
    hand = any_hand(rng, PRINTED_SINGLE if len(text) < 2 else PRINTED)
    hard *= rng.uniform(*HARD)
    picture = photograph(write(text, hand, digits, rng), hand, digits, hard, rng)
    grey = 255 - picture.grey if rng.random() < INVERTED else picture.grey
    return _example(normalized(grey), picture.grey.shape, picture.marks)


def _example(line: NDArray[np.float32], shape: tuple[int, ...], marks: tuple[Mark, ...]) -> Example:
    across, down = line.shape[2] / shape[1] / HEIGHT, 1 / shape[0]
    boxes = np.array([mark.box for mark in marks], np.float32).reshape(-1, 4)
    boxes *= np.array([across, down, across, down], np.float32)
    order = np.argsort(boxes[:, 0] + boxes[:, 2], kind="stable")
    classes = np.array([1 + ALPHABET.index(mark.character) for mark in marks], np.int64)
    return Example(line, classes[order], boxes[order])


def batch(examples: list[Example]) -> Batch:
    """Examples side by side; the shorter ones are continued with paper."""
    widest = max(e.line.shape[2] for e in examples)
    widest += widest % STRIDE
    lines = np.zeros((len(examples), 2, HEIGHT, widest), np.float32)
    middles = np.full((len(examples), widest // STRIDE), IGNORED, np.int64)
    boxes = np.zeros((len(examples), 4, widest // STRIDE), np.float32)
    for row, e in enumerate(examples):
        lines[row, :, :, : e.line.shape[2]] = e.line
        middles[row, : e.line.shape[2] // STRIDE] = BLANK
        _mark(middles[row], boxes[row], e)
    return Batch(
        torch.from_numpy(lines),
        torch.tensor([e.line.shape[2] // STRIDE for e in examples]),
        torch.from_numpy(np.concatenate([e.classes for e in examples])),
        torch.tensor([len(e.classes) for e in examples]),
        torch.from_numpy(middles),
        torch.from_numpy(boxes),
    )


def _mark(middles: NDArray[np.int64], boxes: NDArray[np.float32], e: Example) -> None:
    """Write a line's signs into its row of the batch."""
    column, last = HEIGHT / STRIDE, e.line.shape[2] // STRIDE - 1
    for x0, _, x1, _ in e.boxes * column:
        inner = 0.15 * (x1 - x0)
        middles[max(0, int(x0 + inner)) : int(np.ceil(x1 - inner))] = IGNORED
    for name, (x0, y0, x1, y1) in zip(e.classes, e.boxes, strict=True):
        middle, half = (x0 + x1) / 2, 0.08 * (x1 - x0)
        low = max(0, int((middle - half) * column))
        high = 1 + min(last, int((middle + half) * column))
        middles[low:high] = name
        centres = (np.arange(low, high) + 0.5) / column
        boxes[:2, low:high] = [[y0], [y1]]
        boxes[2, low:high], boxes[3, low:high] = centres - x0, x1 - centres
