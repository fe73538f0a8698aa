"""A stand-in for the digits written on a tablet, which are not part of the package."""

from pathlib import Path

import pytest

from cnn_mnist.training.synthetic import pen_digits

ONE = [100, 100, 60, 90, 20, 70, 0, 60, 20, 50, 40, 40, 60, 20, 50, 0]  # eight points x, y


def use_tablet(
    path: Path, samples: dict[int, list[list[int]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Write samples of each digit as the data set does, y upwards and the label last; use them."""
    rows = [[*row, digit] for digit, rows in samples.items() for row in rows]
    path.write_text("".join(", ".join(map(str, row)) + "\n" for row in rows))
    monkeypatch.setenv("CNN_MNIST_PEN_DIGITS", str(path))
    pen_digits.samples.cache_clear()
