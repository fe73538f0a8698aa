"""Readings of grids, as the reader makes them: a line a row, a number a cell."""

from collections.abc import Sequence

import numpy as np

from cnn_mnist.inference.layout.structure import Line, Number
from cnn_mnist.inference.reading import Digit, Reading

FRAME, PROBS = np.zeros((28, 28), np.uint8), np.full(10, 0.1, np.float32)


def grid(*rows: Sequence[str], cell: int = 40) -> Reading:
    """The reading of a page of such cells; empty strings are empty cells."""
    lines = tuple(
        Line(tuple(_cell(text, x * cell, y * cell, cell) for x, text in enumerate(row)))
        for y, row in enumerate(rows)
    )
    digits = tuple(
        Digit(int(digit), number.confidence, number.box, FRAME, PROBS)
        for line in lines
        for number in line.numbers
        for digit in number.digits
    )
    return Reading(digits, lines=lines, num_pages=1)


def _cell(text: str, x: int, y: int, side: int) -> Number:
    return Number(text, (x, y, side, side), 0.9)
