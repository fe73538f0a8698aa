"""A model on a split → logits → metrics. Every image counts; the model's state is restored."""

from typing import cast

import torch
from torch import Tensor, nn

from cnn_mnist.training.augment.transforms import normalize
from cnn_mnist.training.data import Split, Splits
from cnn_mnist.training.metrics import Metrics, measure

BATCH_SIZE = 1000
SPLITS = ("test", "train", "val")


def evaluate(
    model: nn.Module, splits: Splits, norm: tuple[float, float], split: str = "test"
) -> Metrics:
    """All metrics of a model on one split.

    Args:
        norm: mean and std of the model's input, a recipe's test_norm.
        split: "test", "train" or "val", the training images that `Splits.hold_out` holds out.

    Raises:
        ValueError: there is no such split.
    """
    images = images_of(splits, split).to(next(model.parameters()).device)
    return measure(predict_logits(model, images, norm), images.labels, images.wrong_labels)


def images_of(splits: Splits, split: str) -> Split:
    """One split by its name, as `evaluate` takes it."""
    if split not in SPLITS:
        raise ValueError(f"no split {split!r}; choose one of {', '.join(SPLITS)}")
    return splits.hold_out().test if split == "val" else cast(Split, getattr(splits, split))


@torch.no_grad()
def predict_logits(model: nn.Module, split: Split, norm: tuple[float, float]) -> Tensor:
    """Logits N×C of all images, in float32, on the split's device."""
    was_training = model.training
    model.eval()
    logits = [model(normalize(images, *norm)) for images in split.images.split(BATCH_SIZE)]
    model.train(was_training)
    return torch.cat(logits)
