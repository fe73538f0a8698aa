"""Calibrated confidence of whole lines: the temperature of the line network."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from scipy.optimize import minimize_scalar
from torch import Tensor, nn

from cnn_mnist.inference.recognition.line_reader import middles
from cnn_mnist.training.lines.stream import Batch
from cnn_mnist.training.lines.train import lay_out


@dataclass(frozen=True)
class Answers:
    """A network's answers to lines: the logits signs×classes of each, and whether it is exact."""

    logits: list[Tensor]
    exact: Tensor

    def confidence(self, temperature: float) -> Tensor:
        """For each line, the product of its signs' probabilities."""
        certain = [(one / temperature).softmax(dim=1).amax(dim=1).prod() for one in self.logits]
        return torch.stack(certain)


@torch.no_grad()
def answers(model: nn.Module, lines: list[Batch]) -> Answers:
    """What a model in eval mode reads in lines; those without a sign are left out."""
    logits, exact = [], []
    for batch in lines:
        wanted = batch.targets.split(batch.num_targets.tolist())
        given = model(lay_out(batch.lines))[0].double()
        for one, columns, target in zip(given, batch.num_columns.tolist(), wanted, strict=True):
            signs = one[:, middles(one[:, :columns].numpy())].T
            if len(signs):
                logits.append(signs)
                exact.append(signs.argmax(dim=1).tolist() == target.tolist())
    return Answers(logits, torch.tensor(exact, dtype=torch.double))


def fit_temperature(given: Answers) -> float:
    """The temperature in 0.5..5 whose confidence best predicts which lines are exact.

    The measure is binary cross-entropy.
    """

    def loss(log_temperature: float) -> float:
        confidence = given.confidence(math.exp(log_temperature))
        return float(F.binary_cross_entropy(confidence, given.exact))

    bounds = (math.log(0.5), math.log(5))
    return math.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x)
