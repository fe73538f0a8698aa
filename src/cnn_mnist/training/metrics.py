"""Evaluation of logits: (logits, labels) → metrics. No model, no loader."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

ECE_BINS = 15  # of equal width


@dataclass(frozen=True)
class Metrics:
    """The metrics of one split. Accuracies are in 0..1."""

    num_images: int
    accuracy: float
    error_count: int
    nll: float  # mean cross-entropy per image, nats
    ece: float  # expected calibration error, 15 bins
    per_class: list[float | None]  # accuracy of each true class; None if it has no image
    confusion: list[list[int]]  # [true class][answer]
    clean_label_accuracy: float | None  # without the images known to be mislabelled


def measure(logits: Tensor, labels: Tensor, wrong_labels: Sequence[int] = ()) -> Metrics:
    """All metrics of N×C logits against N labels; N is at least 1.

    Args:
        wrong_labels: indices of images known to be mislabelled.
    """
    logits, labels = logits.float().cpu(), labels.cpu()
    answers = logits.argmax(dim=1)
    num_errors = int((answers != labels).sum())
    table = confusion(answers, labels, logits.shape[1])
    counts = zip(table.diagonal().tolist(), table.sum(dim=1).tolist(), strict=True)
    return Metrics(
        num_images=len(labels),
        accuracy=1 - num_errors / len(labels),
        error_count=num_errors,
        nll=float(F.cross_entropy(logits, labels)),
        ece=ece(logits.softmax(dim=1), labels),
        per_class=[right / count if count else None for right, count in counts],
        confusion=table.tolist(),
        clean_label_accuracy=_accuracy_without(wrong_labels, answers == labels),
    )


def _accuracy_without(rows: Sequence[int], correct: Tensor) -> float | None:
    if not rows:
        return None
    kept = torch.ones_like(correct)
    kept[list(rows)] = False
    return float(correct[kept].double().mean())


def confusion(answers: Tensor, labels: Tensor, num_classes: int) -> Tensor:
    """int64 C×C: how often the true class (row) was predicted as each class (column)."""
    pairs = labels * num_classes + answers
    return torch.bincount(pairs, minlength=num_classes**2).view(num_classes, num_classes)


def wrong_rows(logits: Tensor, labels: Tensor) -> Tensor:
    """The misclassified images, most confident first."""
    confidence, answers = logits.softmax(dim=1).max(dim=1)
    wrong = (answers != labels).nonzero()[:, 0]
    return wrong[confidence[wrong].argsort(descending=True)]


def least_confident_rows(logits: Tensor, labels: Tensor) -> Tensor:
    """The correctly classified images, least confident first."""
    confidence, answers = logits.softmax(dim=1).max(dim=1)
    right = (answers == labels).nonzero()[:, 0]
    return right[confidence[right].argsort()]


def ece(probs: Tensor, labels: Tensor) -> float:
    """Expected calibration error (Guo et al. 2017): mean gap between confidence and accuracy.

    Args:
        probs: N×C, rows sum to 1.
    """
    confidence, answers = probs.double().max(dim=1)
    return calibration_error(confidence, (answers == labels).double())


def calibration_error(confidence: Tensor, correct: Tensor) -> float:
    """`ece` of answers with a confidence, N, each correct (1) or not (0), N."""
    bin_of = (confidence * ECE_BINS).long().clamp(max=ECE_BINS - 1)
    gap = torch.zeros(ECE_BINS, dtype=torch.double).index_add(0, bin_of, confidence - correct)
    return float(gap.abs().sum() / len(correct))
