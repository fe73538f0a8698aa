"""What changes from step to step: stateless functions of the recipe and the step."""

import math

from cnn_mnist.training.recipes import Recipe


def learning_rate(recipe: Recipe, step: int, steps_per_epoch: int) -> float:
    """The learning rate of a step, counted from 0 over the whole training.

    one_cycle: from lr/25 up to lr and down to nearly 0, both along a cosine (Smith 2018, in the
    form of torch's OneCycleLR). step: lr times gamma every so many epochs (StepLR).
    """
    if recipe.schedule == "step":
        return recipe.lr * recipe.lr_gamma ** (step // steps_per_epoch // recipe.lr_step)
    last = recipe.epochs * steps_per_epoch - 1
    peak = max(recipe.warmup * (last + 1) - 1, 1e-9)
    low, bottom = recipe.lr / 25, recipe.lr / 25e4
    if step <= peak:
        return _cosine(low, recipe.lr, step / peak)
    return _cosine(recipe.lr, bottom, (step - peak) / (last - peak))


def label_smoothing(recipe: Recipe, step: int, steps_per_epoch: int) -> float:
    """The label smoothing of a step: it falls linearly to 0, so that answers end up calibrated."""
    return recipe.label_smoothing * (1 - step / (recipe.epochs * steps_per_epoch))


def _cosine(begin: float, end: float, progress: float) -> float:
    return end + (begin - end) * (1 + math.cos(math.pi * progress)) / 2
