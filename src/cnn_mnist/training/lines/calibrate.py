"""Calibrated confidence of whole lines: the temperature of the line network."""

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cnn_mnist.inference.recognition.line_reader import places
from cnn_mnist.training.data import Splits
from cnn_mnist.training.lines.stream import Batch
from cnn_mnist.training.lines.train import lay_out, written_lines
from cnn_mnist.training.runs import checkpoint
from cnn_mnist.training.runs.calibrate import best_temperature
from cnn_mnist.training.runs.config import load_config
from cnn_mnist.training.runs.run_folder import RunError, nothing_held_out


@dataclass(frozen=True)
class Answers:
    """A network's answers: the logits columns×classes of each line's signs, and if it is exact."""

    lines: list[list[Tensor]]
    exact: Tensor

    def confidence(self, temperature: float) -> Tensor:
        """For each line, the product of its signs' probabilities."""
        certain = [[_probs(sign, temperature).max() for sign in line] for line in self.lines]
        return torch.stack([torch.stack(line).prod() for line in certain])


@torch.no_grad()
def answers(model: nn.Module, lines: list[Batch]) -> Answers:
    """What a model in eval mode reads in lines; those without a sign are left out."""
    read, exact = [], []
    for batch in lines:
        wanted = batch.targets.split(batch.num_targets.tolist())
        logits, boxes = model(lay_out(batch.lines))
        for row, target in enumerate(wanted):
            one = logits[row, :, : batch.num_columns[row]].double()
            found = places(one.softmax(dim=0).numpy(), boxes[row].numpy())
            if found:
                read.append([one[:, sign].T for sign in found])
                classes = [1 + int(_probs(sign, 1.0).argmax()) for sign in read[-1]]
                exact.append(classes == target.tolist())
    return Answers(read, torch.tensor(exact, dtype=torch.double))


def _probs(logits: Tensor, temperature: float) -> Tensor:
    """The mean probabilities of a sign's columns, without the blank."""
    return (logits / temperature).softmax(dim=1).mean(dim=0)[1:]


def held_out_answers(folder: Path, splits: Splits) -> Answers:
    """What a run's network reads in lines of the digits that the run held out.

    Raises:
        RunError: it held out none, or reads nothing.
    """
    count = len(splits.train) - load_config(folder).num_train
    if not count:
        raise nothing_held_out(folder)
    lines = written_lines(splits.hold_out(count).test)
    given = answers(checkpoint.load_model(folder), lines)
    if not given.lines:
        raise RunError(f"{folder}: the network reads nothing in any line; train it for more epochs")
    return given


def fit_temperature(given: Answers) -> float:
    """The temperature in 0.5..5 whose confidence best predicts which lines are exact.

    The measure is binary cross-entropy.
    """

    def loss(temperature: float) -> float:
        return float(F.binary_cross_entropy(given.confidence(temperature), given.exact))

    return best_temperature(loss, 0.5, 5)
