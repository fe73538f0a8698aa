"""Distillation: a small network learns a larger one's answers (Hinton et al. 2015).

The teacher looks at several augmented views of the training images once; all later epochs, and
all trainings of one process, learn from these answers in turn.
"""

from dataclasses import replace

import torch
from torch import Tensor, nn

from cnn_mnist.training.augment import augment, normalize, seeded
from cnn_mnist.training.data import Split
from cnn_mnist.training.drawn import extend
from cnn_mnist.training.recipes import Recipe

BATCH_SIZE = 500


class Teacher:
    """A trained model and its answers. The student's recipe says what the views look like."""

    def __init__(
        self,
        model: nn.Module,
        norm: tuple[float, float],
        train: Split,
        recipe: Recipe,
        precision: torch.dtype = torch.float32,
    ) -> None:
        """
        Args:
            norm: mean and std of the teacher's input, its recipe's test_norm.
            train: the training images, without the recipe's drawn ones.
            recipe: the student's.
            precision: of the teacher's arithmetic.
        """
        self._model = model.to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        self._norm = norm
        self._train = extend(train, recipe.drawn)
        self._recipe = recipe
        self._precision = precision
        self._views: dict[int, Split] = {}

    def view(self, epoch: int) -> Split:
        """The images of an epoch, augmented, with the teacher's logits as `targets`."""
        index = (epoch - 1) % self._recipe.num_views
        if index not in self._views:
            self._views[index] = self._answer(index)
        return self._views[index]

    @torch.no_grad()
    def _answer(self, index: int) -> Split:
        device = self._train.images.device
        generator = seeded(device, index)
        images, targets = [], []
        for batch in self._train.images.split(BATCH_SIZE):
            view = augment(batch, generator, self._recipe).round().to(torch.uint8)
            images.append(view)
            targets.append(self._logits(view))
        return replace(self._train, images=torch.cat(images), targets=torch.cat(targets))

    def _logits(self, images: Tensor) -> Tensor:
        x = normalize(images, *self._norm).contiguous(memory_format=torch.channels_last)
        with torch.autocast(images.device.type, self._precision, self._precision != torch.float32):
            return torch.as_tensor(self._model(x)).float()
