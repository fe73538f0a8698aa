"""Percentiles of a picture's pixels, medians, and weighted medians."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def percentiles(values: NDArray[Any], *shares: float) -> NDArray[np.float64]:
    """As numpy's, in a fraction of the time: numpy sorts several times as fast as it selects."""
    ordered = _sorted(values)
    places = np.array(shares) / 100 * (ordered.size - 1)
    below = places.astype(int)
    low, high = (
        ordered[place].astype(np.float64)
        for place in (below, np.minimum(below + 1, ordered.size - 1))
    )
    return np.asarray(low + (high - low) * (places - below), np.float64)


def median(values: NDArray[Any], axis: int | None = None) -> NDArray[Any]:
    """As numpy's, in a fraction of the time, and without 20 ms to import numpy.ma."""
    ordered = _sorted(values, axis)
    count = ordered.shape[axis or 0]
    low, high = (ordered.take(place, axis or 0) for place in ((count - 1) // 2, count // 2))
    return np.asarray(np.add(low, high, dtype=None if low.dtype.kind == "f" else float) / 2)


def _sorted(values: NDArray[Any], axis: int | None = None) -> NDArray[Any]:
    is_bytes = values.dtype == np.uint8  # for which the stable one is a radix sort
    return np.sort(values, axis=axis, kind="stable" if is_bytes else None)


def weighted_median(values: NDArray[Any], weights: NDArray[Any]) -> float:
    """The smallest value that, with all smaller ones, has half of the weight."""
    order = np.argsort(values, kind="stable")
    below = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(below, below[-1] / 2)])
