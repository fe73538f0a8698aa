"""The metrics against scikit-learn, or against plain loops."""

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, confusion_matrix, log_loss, recall_score
from torch import Tensor

from cnn_mnist.training.metrics import ece, measure


@pytest.fixture
def answers() -> tuple[Tensor, Tensor]:
    """Logits 500×10 that are often right, and labels."""
    generator = torch.Generator().manual_seed(3)
    labels = torch.randint(0, 10, (500,), generator=generator)
    logits = torch.randn(500, 10, generator=generator) * 2
    logits[torch.arange(500), labels] += 2.5
    return logits, labels


def plain_ece(probs: np.ndarray, labels: np.ndarray, bins: int = 15) -> float:
    confidence, answer = probs.max(axis=1), probs.argmax(axis=1)
    total = 0.0
    for low in range(bins):
        inside = (confidence >= low / bins) & (confidence < (low + 1) / bins)
        inside |= (low == bins - 1) & (confidence == 1)
        if inside.any():
            right = (answer == labels)[inside].mean()
            total += inside.mean() * abs(right - confidence[inside].mean())
    return total


def test_the_figures_are_scikit_learns(answers: tuple[Tensor, Tensor]) -> None:
    logits, labels = answers
    figures = measure(logits, labels)
    answered, probs = logits.argmax(dim=1), logits.double().softmax(dim=1)
    assert figures.num_images == 500
    assert figures.accuracy == pytest.approx(accuracy_score(labels, answered))
    assert figures.error_count == (answered != labels).sum()
    assert figures.nll == pytest.approx(log_loss(labels, probs), rel=1e-5)
    assert figures.confusion == confusion_matrix(labels, answered).tolist()
    assert figures.per_class == pytest.approx(recall_score(labels, answered, average=None))


def test_the_calibration_error_is_the_plain_one(answers: tuple[Tensor, Tensor]) -> None:
    logits, labels = answers
    probs = logits.double().softmax(dim=1)
    assert ece(probs, labels) == pytest.approx(plain_ece(probs.numpy(), labels.numpy()))
    assert measure(logits, labels).ece == pytest.approx(ece(probs, labels), abs=1e-6)


def test_certain_answers_fall_into_the_last_bin() -> None:
    probs = torch.eye(10)
    assert ece(probs, torch.arange(10)) == 0
    assert ece(probs, (torch.arange(10) + 1) % 10) == 1


def test_gaps_of_neighbouring_bins_do_not_cancel() -> None:
    probs = torch.full((2, 10), 0.0)
    probs[0, :2] = torch.tensor([0.9, 0.1])  # bin 13, right
    probs[1, :2] = torch.tensor([0.95, 0.05])  # bin 14, wrong
    assert ece(probs, torch.tensor([0, 1])) == pytest.approx((0.1 + 0.95) / 2)


def test_log_probabilities_serve_as_logits(answers: tuple[Tensor, Tensor]) -> None:
    logits, labels = answers
    figures, again = measure(logits, labels), measure(logits.log_softmax(dim=1), labels)
    assert again.nll == pytest.approx(figures.nll, rel=1e-5)
    assert again.confusion == figures.confusion


def test_clean_labels_leave_the_wrongly_labelled_images_out() -> None:
    labels = torch.arange(10)
    logits = torch.eye(10)
    labels[[2, 5]] = 0  # both answered otherwise, correctly
    figures = measure(logits, labels, wrong_labels=(2, 5))
    assert figures.accuracy == 0.8
    assert figures.clean_label_accuracy == 1.0
    assert measure(logits, labels).clean_label_accuracy is None


def test_a_digit_that_is_not_there_scores_nothing() -> None:
    figures = measure(torch.eye(10)[:3], torch.arange(3))
    assert figures.per_class == [1, 1, 1, *[None] * 7]
    assert np.sum(figures.confusion) == 3
