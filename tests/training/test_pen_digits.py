"""Digits written on a tablet: curves through the points, and samples in one stroke only."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from scipy.interpolate import CubicHermiteSpline

from cnn_mnist.training.synthetic import pen_digits
from cnn_mnist.training.synthetic.pen_digits import curve, pen_digit
from tablet import ONE, use_tablet


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    yield
    pen_digits.samples.cache_clear()


def test_a_curve_is_that_of_scipy() -> None:
    points = np.random.default_rng(0).uniform(0, 10, (8, 2))
    padded = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    judge = CubicHermiteSpline(np.arange(8), points, (padded[2:] - padded[:-2]) / 2)
    drawn = curve(points)
    assert drawn == pytest.approx(judge(np.linspace(0, 7, len(drawn))))


def test_a_digit_is_upright_and_a_one_is_narrow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_tablet(tmp_path / "digits.dat", {digit: [ONE] for digit in range(10)}, monkeypatch)
    rng = np.random.default_rng(0)
    for digit in range(10):
        path = pen_digit(digit, rng)
        assert path[[0, -1], 1].tolist() == [0, 10]  # from the top down
        assert np.ptp(path[:, 0]) < 8 if digit == 1 else np.ptp(path[:, 0]) >= 10


@pytest.mark.parametrize("digit", [1, 5, 7])
def test_samples_with_a_lifted_pen_are_left_out(
    digit: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A bar or a roof is drawn last: the path runs on to the right, above the lowest point.
    lifted = [0, 100, 30, 90, 50, 60, 50, 30, 40, 0, 20, 40, 60, 45, 100, 50]
    use_tablet(tmp_path / "digits.dat", {digit: [lifted, ONE, lifted]}, monkeypatch)
    assert len(pen_digits.samples()[digit]) == 1


def test_a_missing_file_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CNN_MNIST_PEN_DIGITS", str(tmp_path / "none.dat"))
    pen_digits.samples.cache_clear()
    with pytest.raises(ValueError, match=r"none\.dat: no such file.*make pen-digits$"):
        pen_digit(3, np.random.default_rng(0))
