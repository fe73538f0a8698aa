"""Distillation: a small network learns from the outputs of larger ones (Hinton et al. 2015).

The teacher, one model or several whose logits are averaged, evaluates several augmented views of
the training images once; all later epochs, and all trainings of one process, reuse these outputs
in turn.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from cnn_mnist.training.augment.sampling import seeded
from cnn_mnist.training.augment.transforms import augment, normalize
from cnn_mnist.training.data import Split
from cnn_mnist.training.device import autocast
from cnn_mnist.training.models.conv3x3 import lay_out
from cnn_mnist.training.recipes import Recipe
from cnn_mnist.training.synthetic.examples import extend

BATCH_SIZE = 500


class Teacher:
    """Trained models and their cached outputs. The student's recipe defines the views."""

    def __init__(
        self,
        models: Sequence[tuple[nn.Module, tuple[float, float]]],
        train: Split,
        recipe: Recipe,
        precision: torch.dtype = torch.float32,
    ) -> None:
        """Prepare the views; the teacher answers them when they are first needed.

        Args:
            models: each with the mean and std of its input, its recipe's test_norm.
            train: the training images, without the recipe's drawn ones.
            recipe: the student's.
            precision: of the models' arithmetic.
        """
        self._models = [(model.eval(), norm) for model, norm in models]
        self._train = extend(train, recipe.drawn)
        self._recipe = recipe
        self._precision = precision
        self._views: dict[int, Split] = {}

    def view(self, epoch: int) -> Split:
        """The augmented images of an epoch, with the teacher's logits as `targets`."""
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
        answers = []
        with autocast(images.device, self._precision):
            for model, norm in self._models:
                x = lay_out(normalize(images, *norm), self._precision)
                answers.append(model(x).float())
        return torch.stack(answers).mean(dim=0)
