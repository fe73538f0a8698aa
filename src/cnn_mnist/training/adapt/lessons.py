"""What the classifier is shown: the person's images among MNIST's and drawn ones.

To MNIST's and to the drawn images, digits or not, it shall answer as before (distillation), to the
person's as they are labelled: to what is no digit with all ten alike.
"""

import torch
from torch import Tensor, nn

from cnn_mnist.training import recipes
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
NUM_OLD = 5_000  # of MNIST's images an epoch
NUM_DRAWN = 1_500  # digits, and as many non-digits
OWN = 0.05  # share of the person's among all that are shown
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
        shown = extend(old, NUM_DRAWN)
        drawn = torch.arange(len(old), len(shown))
        order = torch.randperm(len(old), generator=seeded(CPU, 0)).repeat(
            -(-RECIPE.epochs * NUM_OLD // len(old))
        )
        parts = order[: RECIPE.epochs * NUM_OLD].split(NUM_OLD)
        taught = [(model, RECIPE.test_norm)]
        self._old = [
            Teacher(taught, shown[torch.cat([rows, drawn])], RECIPE).view(epoch)
            for epoch, rows in enumerate(parts, start=1)
        ]

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
    return Split(images, some.labels, targets=_wanted(some.labels))


def _wanted(labels: Tensor) -> Tensor:
    """Logits N×10 that say a label is right, but not for sure; of a non-digit, that none is."""
    probs = torch.full((len(labels), 10), (1 - TRUST) / 9)
    digits = labels != NOT_A_DIGIT
    probs[digits, labels[digits]] = TRUST
    return probs.log()


def _joined(old: Split, own: Split) -> Split:
    assert old.targets is not None
    assert own.targets is not None
    targets = torch.cat([old.targets, own.targets])
    labels = targets.argmax(dim=1)  # of non-digits, too: all are learned from by their targets
    return Split(torch.cat([old.images, own.images]), labels, targets=targets)
