"""The parts of the loss, each against a plain version."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from cnn_mnist.training.loss import distillation_loss, uniform_loss


def test_the_uniform_loss_is_cross_entropy_towards_uniform() -> None:
    logits = torch.randn(7, 10, generator=torch.Generator().manual_seed(0))
    uniform = torch.full((7, 10), 0.1)
    expected = F.cross_entropy(logits, uniform, reduction="sum")
    assert float(uniform_loss(logits)) == pytest.approx(float(expected), rel=1e-6)
    assert float(uniform_loss(torch.zeros(1, 10))) == pytest.approx(np.log(10))
    assert float(uniform_loss(torch.zeros(0, 10))) == 0


def plain_divergence(student: Tensor, teacher: Tensor, temperature: float) -> float:
    """KL(teacher ‖ student) of the softened outputs, term by term."""
    total = 0.0
    for s, t in zip(student, teacher, strict=True):
        p, q = (t / temperature).softmax(dim=0), (s / temperature).softmax(dim=0)
        total += sum(float(a) * float((a / b).log()) for a, b in zip(p, q, strict=True))
    return total * temperature**2


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_the_loss_is_the_divergence_of_the_softened_answers(temperature: float) -> None:
    student, teacher = torch.randn(2, 5, 10, generator=torch.Generator().manual_seed(1)) * 3
    loss = float(distillation_loss(student, teacher, temperature))
    assert loss == pytest.approx(plain_divergence(student, teacher, temperature), rel=1e-4)
    assert float(distillation_loss(teacher + 5, teacher, temperature)) == pytest.approx(0, abs=1e-5)
