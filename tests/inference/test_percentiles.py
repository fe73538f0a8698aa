"""Percentiles as numpy's."""

import numpy as np
import pytest
from numpy.typing import DTypeLike

from cnn_mnist.inference.percentiles import median, percentiles


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
@pytest.mark.parametrize("shape", [(1, 1), (7, 9), (40, 57)])
def test_percentiles_are_those_of_numpy(kind: DTypeLike, shape: tuple[int, int]) -> None:
    values = np.random.default_rng(0).gamma(2, 20, shape).astype(kind)
    found = percentiles(values, 1, 50, 99.5)
    assert found == pytest.approx(np.percentile(values, (1, 50, 99.5)), rel=1e-6)


@pytest.mark.parametrize("kind", [np.uint8, np.int64, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1, 1), (6, 9), (7, 9)])
@pytest.mark.parametrize("axis", [None, 0])
def test_medians_are_those_of_numpy(
    kind: DTypeLike, shape: tuple[int, int], axis: int | None
) -> None:
    values = np.random.default_rng(0).gamma(2, 60, shape).astype(kind)
    found, expected = median(values, axis), np.median(values, axis=axis)
    assert np.array_equal(found, expected)
    assert found.dtype == expected.dtype
