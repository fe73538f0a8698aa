"""Training the line network: as `loop.fit`, on lines that are written anew all the time."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from cnn_mnist.training.data import Split, Splits
from cnn_mnist.training.lines.loss import greedy, line_loss
from cnn_mnist.training.lines.shapes import Digits
from cnn_mnist.training.lines.stream import Batch, Bundles, batch, example, stream
from cnn_mnist.training.loop import DivergedError, Epoch, Run, average
from cnn_mnist.training.schedule import learning_rate

BUNDLE = 8  # batches that are made and sorted by width together
SHARE = 0.2  # lines of an evaluation for each of its split's digits
MAX_GRAD = 5.0  # norm; a larger gradient is scaled down to it


@dataclass(frozen=True)
class LineMetrics:
    """How well lines are read: the share of exact ones, the others' count, the mean loss."""

    accuracy: float
    error_count: int
    nll: float
    num_images: int


def fit_lines(
    run: Run,
    splits: Splits,
    on_epoch: Callable[[Run], None] | None = None,
    on_step: Callable[[int, int], None] | None = None,
) -> Run:
    """Train a run to its recipe's last epoch; an epoch is `epoch_size` new lines.

    Args:
        splits: the digits of the lines; those of `test` are for the lines of the evaluation.
        on_epoch, on_step: as for `fit`.

    Raises:
        DivergedError: the loss became infinite or NaN.
        ValueError: the handwriting typefaces are missing.
    """
    recipe, done = run.recipe, len(run.history)
    per_epoch = recipe.epoch_size // (BUNDLE * recipe.batch_size)
    total = recipe.epochs * per_epoch
    rising = round(recipe.hardening * total)
    bundles = Bundles(digits_of(splits.train), run.seed, recipe.batch_size, BUNDLE, rising)
    lines = stream(bundles, done * per_epoch, total, workers=1)
    test = written_lines(splits.test)
    for epoch in range(done + 1, recipe.epochs + 1):
        began = time.perf_counter()
        totals = torch.zeros(2)
        for index in range(per_epoch):
            for number, lesson in enumerate(next(lines), start=index * BUNDLE):
                step = (epoch - 1) * per_epoch * BUNDLE + number
                lr = learning_rate(recipe, step, per_epoch * BUNDLE)
                totals += train_step(run, lesson, lr)
                average(run, step)
                if on_step:
                    on_step(number + 1, per_epoch * BUNDLE)
        loss, accuracy = (totals / (per_epoch * BUNDLE * recipe.batch_size)).tolist()
        if not math.isfinite(loss):
            raise DivergedError(f"the loss became {loss} in epoch {epoch}; use a smaller --lr")
        seconds, measured = time.perf_counter() - began, evaluate_lines(run.model, test)
        run.history.append(
            Epoch(epoch, loss, accuracy, measured.nll, measured.accuracy, lr, seconds)
        )
        if on_epoch:
            on_epoch(run)
    return run


def train_step(run: Run, lesson: Batch, lr: float) -> Tensor:
    """One step on a batch → the sum of its losses, and how many lines are read exactly."""
    run.optimizer.param_groups[0]["lr"] = lr
    assert run.params.grad is not None
    run.params.grad.zero_()
    lesson = lesson.to(run.device)
    logits, boxes = run.net.train()(lay_out(lesson.lines))
    loss = line_loss(logits, boxes, lesson)
    loss.backward()
    nn.utils.clip_grad_norm_([run.params], MAX_GRAD)
    run.optimizer.step()
    return torch.tensor([loss.item() * len(logits), num_exact(logits, lesson)])


def lay_out(lines: Tensor) -> Tensor:
    """Channels last, which is a quarter faster on a CPU."""
    return lines.contiguous(memory_format=torch.channels_last)


def num_exact(logits: Tensor, lesson: Batch) -> int:
    """How many lines are read without an error."""
    wanted = lesson.targets.split(lesson.num_targets.tolist())
    read = greedy(logits.detach(), lesson.num_columns)
    return sum(a == b.tolist() for a, b in zip(read, wanted, strict=True))


def digits_of(split: Split) -> Digits:
    return Digits.of(split.images.cpu().numpy(), split.labels.cpu().numpy())


def written_lines(split: Split) -> list[Batch]:
    """Lines to measure with, the same each time and as hard as they get."""
    digits, rng, count = digits_of(split), np.random.default_rng(0), round(SHARE * len(split))
    examples = [example(digits, 1.0, rng) for _ in range(count)]
    examples.sort(key=lambda e: e.line.shape[2])
    return [batch(examples[i : i + 50]) for i in range(0, count, 50)]


@torch.no_grad()
def evaluate_lines(model: nn.Module, lines: list[Batch]) -> LineMetrics:
    """The model in eval mode on some lines."""
    device = next(model.eval().parameters()).device
    exact, loss, count = 0, 0.0, 0
    for lesson in (given.to(device) for given in lines):
        logits, boxes = model(lay_out(lesson.lines))
        exact += num_exact(logits, lesson)
        loss += float(line_loss(logits, boxes, lesson)) * len(logits)
        count += len(logits)
    return LineMetrics(exact / count, count - exact, loss / count, count)
