"""The training loop: fit(recipe, splits) → Run. No printing, no paths, no options.

The random numbers of an epoch depend on (seed, epoch) only: one generator gives the order, another
in each process the augmentation. So evaluation never affects training, and a training is resumed
exactly without a saved random state.
"""

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from cnn_mnist.training import distributed, optimizers
from cnn_mnist.training.augment.corrupt import corrupt
from cnn_mnist.training.augment.sampling import seeded
from cnn_mnist.training.augment.transforms import augment, normalize
from cnn_mnist.training.data import NOT_A_DIGIT, Split, Splits
from cnn_mnist.training.device import autocast
from cnn_mnist.training.distillation import Teacher
from cnn_mnist.training.evaluation import evaluate
from cnn_mnist.training.loss import batch_loss
from cnn_mnist.training.models import whole_step
from cnn_mnist.training.models.conv3x3 import lay_out
from cnn_mnist.training.models.networks import MODELS
from cnn_mnist.training.recipes import Recipe
from cnn_mnist.training.schedule import label_smoothing, learning_rate
from cnn_mnist.training.synthetic.examples import extend


class DivergedError(ValueError):
    """The loss became infinite or NaN."""


@dataclass(frozen=True)
class Epoch:
    """One row of the history. Losses are mean cross-entropy per image, accuracies in 0..1."""

    epoch: int  # from 1
    train_loss: float  # of the augmented images, while the weights change
    train_accuracy: float
    test_loss: float
    test_accuracy: float
    lr: float  # of the epoch's last step
    seconds: float  # of training only, without the evaluation


@dataclass
class Run:
    """One training: its settings, and all state that changes on the way."""

    recipe: Recipe
    seed: int
    device: torch.device
    precision: torch.dtype
    net: nn.Module  # the weights being trained
    params: nn.Parameter  # all of them as one vector; the net's are views of it
    averaged: nn.Module | None  # their running mean, if the recipe asks for one
    averaged_params: Tensor | None
    optimizer: torch.optim.AdamW
    history: list[Epoch] = field(default_factory=list)

    @property
    def model(self) -> nn.Module:
        """The model to use: the averaged weights if there are any."""
        return self.net if self.averaged is None else self.averaged


def start(
    recipe: Recipe,
    seed: int = 0,
    device: torch.device | str = "cpu",
    precision: torch.dtype = torch.float32,
    num_classes: int = 10,
) -> Run:
    """Start a run with fresh weights, which depend on the seed only, and no epochs.

    Raises:
        ValueError: the seed is not an integer in 0..2^63-1.
    """
    check_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = MODELS[recipe.model](num_classes)
    net.to(device)
    params = optimizers.as_vector(net)
    averaged = copy.deepcopy(net) if recipe.ema_decay else None
    mean = optimizers.as_vector(averaged) if averaged else None
    optimizer = optimizers.create(recipe, params)
    return Run(
        recipe, seed, torch.device(device), precision, net, params, averaged, mean, optimizer
    )


def check_seed(seed: int) -> None:
    """Check that torch and numpy both accept a seed.

    Raises:
        ValueError: the seed is not an integer in 0..2^63-1.
    """
    if not isinstance(seed, int) or not 0 <= seed < 2**63:
        raise ValueError(f"seed is {seed!r}; it must be a whole number in 0..2^63-1")


def fit(
    recipe: Recipe,
    splits: Splits,
    on_epoch: Callable[[Run], None] | None = None,
    *,
    seed: int = 0,
    device: torch.device | str = "cpu",
    precision: torch.dtype = torch.float32,
    run: Run | None = None,
    teacher: Teacher | None = None,
    on_step: Callable[[int, int], None] | None = None,
) -> Run:
    """Train to the recipe's last epoch and return the run.

    Args:
        on_epoch: called with the run after every epoch, with the new row in its history.
        seed, device, precision: for a new run.
        run: an earlier run of the recipe to resume instead, exactly where it stopped.
        teacher: for a recipe with `distil`.
        on_step: called with (steps done, steps in the epoch) after every step.

    Raises:
        DivergedError: the loss became infinite or NaN; run.history ends at the epoch before.
        ValueError: the batch is larger than the training set, a required teacher is missing, or
            the run has another recipe.
    """
    if run and run.recipe != recipe:
        raise ValueError(f"the run's settings differ from the recipe {recipe.name}; give its own")
    check_batch(recipe, splits)
    if recipe.distil and teacher is None:
        raise ValueError(f"the recipe {recipe.name} needs a teacher, but none was given")
    run = run or start(recipe, seed, device, precision, len(splits.classes))
    splits = splits.to(run.device)
    lessons = teacher if recipe.distil else None
    images = splits.train if lessons else extend(splits.train, recipe.drawn)

    def train(epoch: int) -> tuple[float, float]:
        return train_epoch(run, lessons.view(epoch) if lessons else images, epoch, on_step)

    def test() -> tuple[float, float]:
        metrics = evaluate(run.model, splits, recipe.test_norm)
        return metrics.nll, metrics.accuracy

    return train_epochs(run, train, test, on_epoch)


def train_epochs(
    run: Run,
    train: Callable[[int], tuple[float, float]],
    test: Callable[[], tuple[float, float]],
    on_epoch: Callable[[Run], None] | None,
) -> Run:
    """Train a run to its recipe's last epoch, with a row in its history for each.

    Args:
        train: trains for one epoch, given its number → mean training loss and accuracy.
        test: evaluates the run's model → mean test loss and accuracy.
        on_epoch: as for `fit`.

    Raises:
        DivergedError: the loss became infinite or NaN; run.history ends at the epoch before.
    """
    for epoch in range(len(run.history) + 1, run.recipe.epochs + 1):
        began = time.perf_counter()
        train_loss, train_accuracy = train(epoch)
        seconds = time.perf_counter() - began
        if not math.isfinite(train_loss):
            raise DivergedError(
                f"the loss became {train_loss} in epoch {epoch} at lr {run.recipe.lr:g}; "
                "train again with a smaller --lr"
            )
        lr = run.optimizer.param_groups[0]["lr"]
        run.history.append(Epoch(epoch, train_loss, train_accuracy, *test(), lr, seconds))
        if on_epoch:
            on_epoch(run)
    return run


def check_batch(recipe: Recipe, splits: Splits) -> None:
    """Check that a batch is no larger than the training set.

    Raises:
        ValueError: the batch is larger.
    """
    if recipe.batch_size > len(splits.train):
        raise ValueError(
            f"batch_size is {recipe.batch_size:,}, but there are only {len(splits.train):,} "
            "training images; choose a smaller --batch-size"
        )


def train_epoch(
    run: Run, train: Split, epoch: int, on_step: Callable[[int, int], None] | None = None
) -> tuple[float, float]:
    """One pass over the images in a new order → mean loss and accuracy on the digits.

    If several processes train together, each takes an equal part of every batch.
    """
    rank, world_size = distributed.rank(), distributed.world_size()
    mine = slice(rank, None, world_size)
    shuffling, augmenting = (seeded(run.device, run.seed, epoch, n) for n in (0, 1 + rank))
    order = torch.randperm(len(train), generator=shuffling, device=run.device)
    order = order[: run.recipe.epoch_size or None]
    num_steps = math.ceil(len(order) / run.recipe.batch_size)
    totals = torch.zeros(2, device=run.device)
    run.net.train()

    for index, rows in enumerate(order.split(run.recipe.batch_size)):
        step = (epoch - 1) * num_steps + index
        for group in run.optimizer.param_groups:
            group["lr"] = learning_rate(run.recipe, step, num_steps)
        batch = train[rows[mine]]
        smoothing = label_smoothing(run.recipe, step, num_steps)
        totals += train_step(run, batch, augmenting, 1 / len(rows), smoothing)
        average(run, step)
        if on_step:
            on_step(index + 1, num_steps)

    num_digits = int((train.labels[order] != NOT_A_DIGIT).sum())
    mean_loss, accuracy = (distributed.sum_over_ranks(totals) / num_digits).tolist()
    return mean_loss, accuracy


def train_step(
    run: Run,
    batch: Split,
    generator: torch.Generator,
    weight: float,
    smoothing: float = 0.0,
) -> Tensor:
    """One step on a batch → the sum of the digits' losses and the number of correct answers.

    Args:
        batch: this process's images, as in the data set, or as augmented for a teacher.
        weight: of each image's loss: one over the size of the batch of all processes.
        smoothing: share of each label that is spread over all classes.
    """
    totals = compute_gradients(run, batch, generator, weight, smoothing)
    assert run.params.grad is not None
    distributed.sum_over_ranks(run.params.grad)
    optimizers.step(run.recipe, run.optimizer, run.net)
    return totals


def compute_gradients(
    run: Run, batch: Split, generator: torch.Generator, weight: float, smoothing: float
) -> Tensor:
    """Overwrite `run.params.grad` by a batch's gradients; arguments and result of `train_step`."""
    recipe, net, grads, labels = run.recipe, run.net, run.params.grad, batch.labels
    is_taught = batch.targets is not None
    images = batch.images if is_taught else augment(batch.images, generator, recipe)
    if recipe.corrupted:
        images = corrupt(images, generator, recipe.corrupted)
    assert grads is not None
    if not (is_taught or recipe.drawn) and whole_step.fits(net, images, run.precision):
        with autocast(run.device, run.precision):
            return whole_step.gradients(
                *(net, images, recipe.train_norm, labels, weight, grads, smoothing)
            )
    x = lay_out(normalize(images, *recipe.train_norm), run.precision)
    with autocast(run.device, run.precision):
        logits = net(x).float()
    loss, digit_loss = batch_loss(recipe, logits, batch, smoothing)
    grads.zero_()
    (loss * weight).backward()
    return torch.stack([digit_loss.detach(), (logits.argmax(dim=1) == labels).sum()])


@torch.no_grad()
def average(run: Run, step: int) -> None:
    """Move the averaged weights towards the net's: an exponential mean that forgets its start.

    The decay rises from 0.1, so that the first, random weights leave no trace.
    """
    if run.averaged is None or run.averaged_params is None:
        return
    weight = 1 - min(run.recipe.ema_decay, (1 + step) / (10 + step))
    run.averaged_params.lerp_(run.params, weight)
    for mean, value in zip(run.averaged.buffers(), run.net.buffers(), strict=True):
        if mean.is_floating_point():
            mean.lerp_(value, weight)
        else:  # batch norm's counter of batches
            mean.copy_(value)
