"""Muon, compared with torch's own and with singular value decomposition."""

import copy

import pytest
import torch
from torch import Tensor, nn

from cnn_mnist.training import muon
from cnn_mnist.training.kernels import library
from cnn_mnist.training.muon import hidden_weights, orthogonal, step
from cnn_mnist.training.optimizers import as_vector

LR, DECAY, MOMENTUM = 0.02, 0.1, 0.95


class Small(nn.Module):
    """One layer of each kind that the step tells apart."""

    def __init__(self) -> None:
        super().__init__()
        self.plane = nn.Conv2d(2, 8, 3)
        self.norm = nn.BatchNorm2d(8)
        self.line = nn.Conv1d(8, 12, 5, bias=False)
        self.grouped = nn.Conv1d(12, 12, 3, groups=3, bias=False)
        self.pointwise = nn.Conv1d(12, 6, 1)
        self.hidden = nn.Linear(6, 23)  # taller than wide
        self.classes = nn.Linear(23, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.plane(x)).mean(dim=2)
        x = self.pointwise(self.grouped(self.line(x).relu())).mean(dim=2)
        return torch.as_tensor(self.classes(self.hidden(x).relu()))


def loss(net: nn.Module, seed: int) -> Tensor:
    images = torch.randn(5, 2, 9, 20, generator=torch.Generator().manual_seed(seed))
    return torch.as_tensor(net(images).square().mean())


def test_singular_values_move_to_about_one() -> None:
    torch.manual_seed(0)
    for shape in ((16, 40), (40, 16)):
        matrix = 0.01 * torch.randn(shape)
        u, _, v = torch.linalg.svd(matrix, full_matrices=False)
        values = (u.T @ orthogonal(matrix) @ v.T).diagonal()
        assert (values > 0.6).all()
        assert (values < 1.3).all()


@pytest.mark.parametrize("compiled", [True, False])
def test_steps_are_those_of_torch(monkeypatch: pytest.MonkeyPatch, compiled: bool) -> None:
    if not compiled:
        monkeypatch.setattr(muon, "library", lambda: None)
    elif library() is None:
        pytest.skip("C compiler: apt install gcc")
    torch.manual_seed(0)
    ours, theirs = Small(), Small()
    theirs.load_state_dict(ours.state_dict())
    first = copy.deepcopy(theirs.state_dict())
    vector = as_vector(ours)
    betas = (MOMENTUM, 0.98)
    optimizer = torch.optim.AdamW([vector], lr=LR, betas=betas, weight_decay=DECAY, fused=True)
    weights = hidden_weights(theirs)
    assert [w.shape for w in weights] == [(8, 2, 3, 3), (12, 8, 5), (23, 6)]
    matrices = [nn.Parameter(weight.detach().flatten(1)) for weight in weights]
    reference = torch.optim.Muon(
        matrices, lr=LR, weight_decay=DECAY, momentum=MOMENTUM, adjust_lr_fn="match_rms_adamw"
    )
    rest = [p for p in theirs.parameters() if not any(p is weight for weight in weights)]
    adamw = torch.optim.AdamW(rest, lr=LR, betas=betas, weight_decay=DECAY)
    for seed in range(4):
        assert vector.grad is not None
        vector.grad.normal_(generator=torch.Generator().manual_seed(seed))
        for param, mine in zip(theirs.parameters(), ours.parameters(), strict=True):
            assert mine.grad is not None
            param.grad = mine.grad.clone()
        step(optimizer, ours)
        for matrix, weight in zip(matrices, weights, strict=True):
            assert weight.grad is not None
            matrix.grad = weight.grad.flatten(1)
        reference.step()
        adamw.step()
        for matrix, weight in zip(matrices, weights, strict=True):
            weight.data.copy_(matrix.view_as(weight))
    for (name, mine), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        moved = (other - first[name]).norm()
        assert (mine - other).norm() < 0.05 * moved, name  # torch's matrices are in bfloat16


def test_the_state_is_that_of_adamw() -> None:
    net = Small()
    vector = as_vector(net)
    optimizer = torch.optim.AdamW([vector], lr=LR, fused=True)
    loss(net, 0).backward()
    step(optimizer, net)
    assert set(optimizer.state[vector]) == {"step", "exp_avg", "exp_avg_sq"}
    stopped = copy.deepcopy(net), copy.deepcopy(optimizer.state_dict())
    again = as_vector(stopped[0])
    resumed = torch.optim.AdamW([again], lr=LR, fused=True)
    resumed.load_state_dict(stopped[1])
    for vector_, optimizer_, net_ in ((vector, optimizer, net), (again, resumed, stopped[0])):
        assert vector_.grad is not None
        vector_.grad.zero_()
        loss(net_, 1).backward()
        step(optimizer_, net_)
    assert torch.equal(vector, again)


@pytest.mark.parametrize("shape", [(24, 40), (40, 24)])
@pytest.mark.parametrize("rank", [0, 1, 5, 24])
def test_the_kernel_is_the_polynomial_in_exact_arithmetic(
    shape: tuple[int, int], rank: int
) -> None:
    """Also where most singular values are 0, as with few images or dead neurons."""
    if library() is None:
        pytest.skip("C compiler: apt install gcc")
    torch.manual_seed(rank)
    hidden = nn.Linear(shape[1], shape[0])
    net = nn.Sequential(hidden, nn.Linear(shape[0], 2))
    vector, gradient = as_vector(net), torch.randn(shape[0], rank) @ torch.randn(rank, shape[1])
    optimizer = torch.optim.AdamW([vector], lr=LR, betas=(0.0, 0.9), weight_decay=0, fused=True)
    weight = hidden.weight
    for _ in range(2):  # the first step is torch's, since it creates the state
        before = weight.detach().clone()
        assert vector.grad is not None
        assert weight.grad is not None
        vector.grad.zero_()
        weight.grad.copy_(gradient)
        step(optimizer, net)
    moved = (before - weight.detach()) / (muon.ADAMW_RMS * 40**0.5 * LR)
    x = gradient.double() / (gradient.double().norm() + 1e-7)
    a, b, c = muon.COEFFICIENTS
    for _ in range(muon.NUM_ITERATIONS):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    torch.testing.assert_close(moved.double(), x, rtol=0, atol=0.01)
