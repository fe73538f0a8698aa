"""Train the line network: like `loop.fit`, but on an endless stream of generated lines."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from cnn_mnist.training import optimizers
from cnn_mnist.training.data import Split, Splits
from cnn_mnist.training.device import autocast
from cnn_mnist.training.lines.loss import greedy, line_loss
from cnn_mnist.training.lines.shapes import Digits
from cnn_mnist.training.lines.stream import Batch, Bundles, collate, example, stream
from cnn_mnist.training.loop import Run, average, train_epochs
from cnn_mnist.training.schedule import learning_rate

BUNDLE = 32  # batches generated together and sorted by width
SHARE = 0.2  # evaluation lines per digit of the split
MAX_GRAD = 5.0  # gradients are clipped to this norm


@dataclass(frozen=True)
class LineMetrics:
    """The share of lines read exactly, the number of others, and the mean loss."""

    accuracy: float
    error_count: int
    nll: float
    num_images: int


def fit_lines(
    run: Run,
    splits: Splits,
    on_epoch: Callable[[Run], None] | None,
    on_step: Callable[[int, int], None] | None,
) -> Run:
    """Train a run to its recipe's last epoch; an epoch is `epoch_size` new lines.

    Args:
        splits: the digits that lines are made of; `test` is for evaluation.
        on_epoch, on_step: as for `fit`.

    Raises:
        DivergedError: the loss became infinite or NaN.
        ValueError: the handwriting typefaces are missing.
    """
    recipe = run.recipe
    per_epoch = max(1, recipe.epoch_size // (BUNDLE * recipe.batch_size))
    first, total = len(run.history) * per_epoch, recipe.epochs * per_epoch
    bundles = Bundles(digits_of(splits.train), run.seed, recipe.batch_size, BUNDLE)
    lines, written = stream(bundles, first, total, workers=1), written_lines(splits.test)

    def train(epoch: int) -> tuple[float, float]:
        totals = torch.zeros(2)
        for index in range(per_epoch):
            for number, batch in enumerate(next(lines), start=index * BUNDLE):
                step = (epoch - 1) * per_epoch * BUNDLE + number
                lr = learning_rate(recipe, step, per_epoch * BUNDLE)
                totals += train_step(run, batch, lr)
                average(run, step)
                if on_step:
                    on_step(number + 1, per_epoch * BUNDLE)
        loss, accuracy = (totals / (per_epoch * BUNDLE * recipe.batch_size)).tolist()
        return loss, accuracy

    def test() -> tuple[float, float]:
        metrics = evaluate_lines(run.model, written)
        return metrics.nll, metrics.accuracy

    return train_epochs(run, train, test, on_epoch)


def train_step(run: Run, batch: Batch, lr: float) -> Tensor:
    """One step on a batch → the sum of its losses, and the number of lines read exactly."""
    run.optimizer.param_groups[0]["lr"] = lr
    assert run.params.grad is not None
    run.params.grad.zero_()
    batch = batch.to(run.device)
    with autocast(run.device, run.precision):
        logits, boxes = run.net.train()(lay_out(batch.lines))
    logits = logits.float()
    loss = line_loss(logits, boxes.float(), batch)
    loss.backward()
    nn.utils.clip_grad_norm_([run.params], MAX_GRAD)
    optimizers.step(run.recipe, run.optimizer, run.net)
    return torch.tensor([loss.item() * len(logits), num_exact(logits, batch)])


def lay_out(lines: Tensor) -> Tensor:
    """Use channels last, which is a quarter faster on a CPU."""
    return lines.contiguous(memory_format=torch.channels_last)


def num_exact(logits: Tensor, batch: Batch) -> int:
    """The number of lines read exactly."""
    wanted = batch.targets.split(batch.num_targets.tolist())
    read = greedy(logits.detach(), batch.num_columns)
    return sum(a == b.tolist() for a, b in zip(read, wanted, strict=True))


def digits_of(split: Split) -> Digits:
    """The digits that lines are made of."""
    return Digits.of(split.images.cpu().numpy(), split.labels.cpu().numpy())


def written_lines(split: Split) -> list[Batch]:
    """Lines for evaluation: the same each time."""
    digits, rng, count = digits_of(split), np.random.default_rng(0), round(SHARE * len(split))
    examples = [example(digits, rng) for _ in range(count)]
    examples.sort(key=lambda e: e.line.shape[2])
    return [collate(examples[i : i + 50]) for i in range(0, count, 50)]


@torch.no_grad()
def evaluate_lines(model: nn.Module, lines: list[Batch]) -> LineMetrics:
    """Evaluate the model, set to eval mode, on some lines."""
    device = next(model.eval().parameters()).device
    exact, loss, count = 0, 0.0, 0
    for batch in (given.to(device) for given in lines):
        logits, boxes = model(lay_out(batch.lines))
        exact += num_exact(logits, batch)
        loss += float(line_loss(logits, boxes, batch)) * len(logits)
        count += len(logits)
    return LineMetrics(exact / count, count - exact, loss / count, count)
