"""Percentiles as numpy's."""

import numpy as np
import pytest
from numpy.typing import DTypeLike

from cnn_mnist.inference.percentiles import percentiles


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
@pytest.mark.parametrize("shape", [(1, 1), (7, 9), (40, 57)])
def test_percentiles_are_those_of_numpy(kind: DTypeLike, shape: tuple[int, int]) -> None:
    values = np.random.default_rng(0).gamma(2, 20, shape).astype(kind)
    found = percentiles(values, 1, 50, 99.5)
    assert found == pytest.approx(np.percentile(values, (1, 50, 99.5)), rel=1e-6)
