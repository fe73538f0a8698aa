"""Calibrated confidence, chosen on validation images: temperature and threshold."""

import math

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

    def nll(log_temperature: float) -> float:
        return float(F.cross_entropy(logits / math.exp(log_temperature), labels))

    bounds = (math.log(0.1), math.log(10))
    return math.exp(minimize_scalar(nll, bounds=bounds, method="bounded").x)


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
