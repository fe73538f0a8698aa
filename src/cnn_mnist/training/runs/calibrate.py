"""Calibrated confidence, chosen on validation images: temperature and threshold."""

import math
from collections.abc import Callable

import torch.nn.functional as F
from scipy.optimize import minimize_scalar
from torch import Tensor


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """The temperature in 0.1..10 that minimises the NLL of softmax(logits / temperature).

    Temperature scaling (Guo et al., ICML 2017).

    Args:
        logits: N×C, of images that the model was not trained on.
        labels: N, 0..C-1.
    """
    logits = logits.double()
    return best_temperature(lambda t: float(F.cross_entropy(logits / t, labels)), 0.1, 10)


def best_temperature(loss: Callable[[float], float], low: float, high: float) -> float:
    """The temperature in low..high with the smallest loss, searched on a logarithmic scale."""
    bounds = (math.log(low), math.log(high))
    found = minimize_scalar(lambda log: loss(math.exp(log)), bounds=bounds, method="bounded")
    return math.exp(found.x)


def fit_threshold(probs: Tensor, false_rejection: float) -> float:
    """The highest threshold on the top probability that rejects at most that share of images.

    Args:
        probs: N×C, calibrated, of images that the model was not trained on.
        false_rejection: in 0..1.
    """
    confidence = probs.max(dim=1).values.sort().values
    return float(confidence[min(int(false_rejection * len(confidence)), len(confidence) - 1)])


def rejection_rate(probs: Tensor, threshold: float) -> float:
    """The share of N×C probabilities that the threshold rejects as not a digit."""
    return float((probs.max(dim=1).values < threshold).double().mean())
