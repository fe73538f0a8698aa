"""What the classifier is shown: the person's digits among MNIST's, and what is wanted of it.

To MNIST's and to drawn digits it shall answer as before (distillation), to the person's as they
are labelled, and to what is no digit with all ten alike.
"""

from dataclasses import replace

import torch
from torch import Tensor, nn

from cnn_mnist.training import recipes
from cnn_mnist.training.augment.sampling import seeded
from cnn_mnist.training.augment.transforms import augment
from cnn_mnist.training.data import NOT_A_DIGIT, Split
from cnn_mnist.training.distillation import Teacher
from cnn_mnist.training.loop import start, train_epoch

RECIPE = recipes.get("reader").changed(
    name="adapted",
    epochs=8,
    lr=0.0015,
    ema_decay=0.98,
    drawn=1_500,
    num_views=1,
    mixed_precision=False,
)
NUM_OLD = 5_000  # of MNIST's images an epoch
OWN = 0.2  # share of the person's among all that are shown
TRUST = 0.995  # in a person's label
CPU = torch.device("cpu")


class Lessons:
    """The lessons of one model, for any number of trainings that start from it."""

    def __init__(self, model: nn.Module, old: Split) -> None:
        """Let the model answer the old images, so that it does not forget them.

        Args:
            model: to be trained.
            old: images like those that it has learned from.
        """
        self._model = model
        order = torch.randperm(len(old), generator=seeded(CPU, 0)).repeat(
            -(-RECIPE.epochs * NUM_OLD // len(old))
        )
        parts = order[: RECIPE.epochs * NUM_OLD].split(NUM_OLD)
        taught = [(model, RECIPE.test_norm)]
        self._old = [Teacher(taught, old[rows], RECIPE).view(1) for rows in parts]

    def teach(self, own: Split) -> nn.Module:
        """The model, once it has learned these digits, too."""
        run = start(RECIPE)
        for net in (run.net, run.averaged):
            assert net is not None
            net.load_state_dict(self._model.state_dict())
        for epoch, old in enumerate(self._old, start=1):
            train_epoch(run, _joined(old, _shown(own, len(old), epoch)), epoch)
        return run.model.eval()


def _shown(own: Split, num_old: int, epoch: int) -> Split:
    """The person's images, each as often as their share wants, in another form each time."""
    generator = seeded(CPU, 1, epoch)
    count = round(num_old * OWN / (1 - OWN))
    some = own[torch.randperm(count, generator=generator) % len(own)]
    images = augment(some.images, generator, RECIPE).round().to(torch.uint8)
    return replace(some, images=images, targets=_wanted(some.labels))


def _wanted(labels: Tensor) -> Tensor:
    """Logits N×10 that say a label is right, but not for sure.

    For images that are not digits they say nothing, and the training does not look at them.
    """
    probs = torch.full((len(labels), 10), (1 - TRUST) / 9)
    digits = labels != NOT_A_DIGIT
    probs[digits, labels[digits]] = TRUST
    return probs.log()


def _joined(old: Split, own: Split) -> Split:
    assert old.targets is not None
    assert own.targets is not None
    return Split(
        torch.cat([old.images, own.images]),
        torch.cat([old.labels, own.labels]),
        targets=torch.cat([old.targets, own.targets]),
    )
