"""Fine-tuning of the classifier on a person's images, mixed with MNIST's and drawn ones.

For MNIST's and the drawn images, digits or not, it should keep its answers (distillation). For the
person's, it should learn the labels; for a non-digit, all ten digits should be equally probable.
"""

from functools import cached_property

import torch
from torch import Tensor, nn

from cnn_mnist.training import recipes
from cnn_mnist.training.adapt.handwriting import Handwriting
from cnn_mnist.training.augment.sampling import seeded
from cnn_mnist.training.augment.transforms import augment
from cnn_mnist.training.data import NOT_A_DIGIT, Split
from cnn_mnist.training.distillation import Teacher
from cnn_mnist.training.loop import start, train_epoch
from cnn_mnist.training.synthetic.examples import extend

RECIPE = recipes.get("reader").changed(
    name="adapted",
    epochs=8,
    lr=0.0015,
    ema_decay=0.98,
    drawn=0,
    distil=1.0,
    num_views=8,
    mixed_precision=False,
)
NUM_OLD = 5_000  # MNIST images per epoch
NUM_DRAWN = 1_500  # drawn digits, and as many drawn non-digits
OWN = 0.05  # share of the person's images in an epoch
TRUST = 0.995  # target probability of a person's label
CPU = torch.device("cpu")


class FineTuning:
    """Trainings that all start from one model."""

    def __init__(self, model: nn.Module, old: Split) -> None:
        """Nothing is computed yet.

        Args:
            model: the model to start from.
            old: images like those that it was trained on.
        """
        self._model, self._images = model, old

    @cached_property
    def _old(self) -> list[Split]:
        """The model's answers to the old images, which it should keep, epoch by epoch."""
        old, shown = self._images, extend(self._images, NUM_DRAWN)
        drawn = torch.arange(len(old), len(shown))
        order = torch.randperm(len(old), generator=seeded(CPU, 0)).repeat(
            -(-RECIPE.epochs * NUM_OLD // len(old))
        )
        parts = order[: RECIPE.epochs * NUM_OLD].split(NUM_OLD)
        taught = [(self._model, RECIPE.test_norm)]
        return [
            Teacher(taught, shown[torch.cat([rows, drawn])], RECIPE).view(epoch)
            for epoch, rows in enumerate(parts, start=1)
        ]

    def train(self, writing: Handwriting) -> nn.Module:
        """The model, fine-tuned on this handwriting.

        It stays as it is if the reader misreads nothing: training would only cost accuracy on
        MNIST.
        """
        if not writing.misread().any():
            return self._model
        own = writing.split
        run = start(RECIPE)
        for net in (run.net, run.averaged):
            assert net is not None
            net.load_state_dict(self._model.state_dict())
        for epoch, old in enumerate(self._old, start=1):
            train_epoch(run, _joined(old, _shown(own, len(old), epoch)), epoch)
        return run.model.eval()


def _shown(own: Split, num_old: int, epoch: int) -> Split:
    """The person's images, repeated up to their share of an epoch, augmented anew each time."""
    generator = seeded(CPU, 1, epoch)
    count = round(num_old * OWN / (1 - OWN))
    some = own[torch.randperm(count, generator=generator) % len(own)]
    images = augment(some.images, generator, RECIPE).round().to(torch.uint8)
    return Split(images, some.labels, targets=_wanted(some.labels))


def _wanted(labels: Tensor) -> Tensor:
    """Target logits N×10: the label with probability TRUST; for a non-digit, all ten alike."""
    probs = torch.full((len(labels), 10), (1 - TRUST) / 9)
    digits = labels != NOT_A_DIGIT
    probs[digits, labels[digits]] = TRUST
    return probs.log()


def _joined(old: Split, own: Split) -> Split:
    assert old.targets is not None
    assert own.targets is not None
    targets = torch.cat([old.targets, own.targets])
    labels = targets.argmax(dim=1)  # also for non-digits, whose targets count like all others
    return Split(torch.cat([old.images, own.images]), labels, targets=targets)
