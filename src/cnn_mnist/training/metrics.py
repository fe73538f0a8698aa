"""What logits are worth: (logits, labels) → figures. No model, no loader."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

NUM_CLASSES = 10
ECE_BINS = 15


@dataclass(frozen=True)
class Metrics:
    """The figures of one split. Accuracies are in 0..1."""

    num_images: int
    accuracy: float
    error_count: int
    nll: float  # mean cross-entropy per image, nats
    ece: float  # expected calibration error, 15 bins
    per_class: list[float]  # accuracy of each true digit
    confusion: list[list[int]]  # [true digit][answer]
    clean_label_accuracy: float | None  # without the images known to be labelled wrongly

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def measure(logits: Tensor, labels: Tensor, wrong_labels: Sequence[int] = ()) -> Metrics:
    """All figures of N×10 logits against N labels; N is at least 1.

    Args:
        wrong_labels: indices of images whose label is known to be wrong.
    """
    logits, labels = logits.float().cpu(), labels.cpu()
    answers = logits.argmax(dim=1)
    num_errors = int((answers != labels).sum())
    table = confusion(answers, labels)
    per_class = table.diagonal() / table.sum(dim=1).clamp(min=1)
    return Metrics(
        num_images=len(labels),
        accuracy=1 - num_errors / len(labels),
        error_count=num_errors,
        nll=float(F.cross_entropy(logits, labels)),
        ece=ece(logits.softmax(dim=1), labels),
        per_class=per_class.tolist(),
        confusion=table.tolist(),
        clean_label_accuracy=_accuracy_without(wrong_labels, answers == labels),
    )


def _accuracy_without(rows: Sequence[int], correct: Tensor) -> float | None:
    if not rows:
        return None
    kept = torch.ones_like(correct)
    kept[list(rows)] = False
    return float(correct[kept].double().mean())


def confusion(answers: Tensor, labels: Tensor) -> Tensor:
    """int64 10×10: how often the true digit (row) was answered so (column)."""
    pairs = labels * NUM_CLASSES + answers
    return torch.bincount(pairs, minlength=NUM_CLASSES**2).view(NUM_CLASSES, NUM_CLASSES)


def ece(probs: Tensor, labels: Tensor, bins: int = ECE_BINS) -> float:
    """Expected calibration error (Guo et al. 2017): mean gap of confidence and accuracy.

    Args:
        probs: N×10, rows sum to 1.
        bins: equal-width bins of confidence.
    """
    confidence, answers = probs.double().max(dim=1)
    correct = (answers == labels).double()
    bin_of = (confidence * bins).long().clamp(max=bins - 1)
    gap = torch.zeros(bins, dtype=torch.double).index_add(0, bin_of, confidence - correct)
    return float(gap.abs().sum() / len(labels))
