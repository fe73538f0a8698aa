"""Temperature and threshold, against distributions whose answer is known."""

import pytest
import torch
from torch import Tensor

from cnn_mnist.training.runs.calibrate import fit_temperature, fit_threshold, rejection_rate


def honest_logits(count: int) -> tuple[Tensor, Tensor]:
    """Logits whose softmax is exactly the chance of each label."""
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(count, 10, generator=generator)
    labels = torch.multinomial(logits.softmax(dim=1), 1, generator=generator)[:, 0]
    return logits, labels


@pytest.mark.parametrize("factor", [0.5, 1.0, 1.7])
def test_the_temperature_undoes_what_made_the_logits_too_sure(factor: float) -> None:
    logits, labels = honest_logits(40_000)
    assert fit_temperature(logits * factor, labels) == pytest.approx(factor, rel=0.03)


def test_a_model_that_is_always_right_gets_a_bounded_temperature() -> None:
    labels = torch.arange(10)
    assert fit_temperature(torch.eye(10), labels) == pytest.approx(0.1, rel=0.01)


@pytest.mark.parametrize("rate", [0.0, 0.01, 0.25])
def test_the_threshold_rejects_the_share_and_a_higher_one_more(rate: float) -> None:
    probs = honest_logits(1000)[0].softmax(dim=1)
    threshold = fit_threshold(probs, rate)
    assert rejection_rate(probs, threshold) == pytest.approx(rate)
    assert rejection_rate(probs, threshold + 1e-6) > rate


def test_equal_confidences_are_not_rejected_together() -> None:
    assert rejection_rate(torch.full((100, 10), 0.1), 0.1) == 0
    assert fit_threshold(torch.full((100, 10), 0.1), 0.5) == pytest.approx(0.1)
