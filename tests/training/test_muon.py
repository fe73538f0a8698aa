"""Muon, compared with torch's own and with singular value decomposition."""

import copy

import torch
from torch import Tensor, nn

from cnn_mnist.training.muon import conv_weights, orthogonal, step
from cnn_mnist.training.optimizers import as_vector

LR, DECAY, MOMENTUM = 0.02, 0.1, 0.95


class Small(nn.Module):
    """One convolution of each kind that the step tells apart, and a norm."""

    def __init__(self) -> None:
        super().__init__()
        self.plane = nn.Conv2d(2, 8, 3)
        self.norm = nn.BatchNorm2d(8)
        self.line = nn.Conv1d(8, 12, 5, bias=False)
        self.grouped = nn.Conv1d(12, 12, 3, groups=3, bias=False)
        self.classes = nn.Conv1d(12, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.plane(x)).mean(dim=2)
        return torch.as_tensor(self.classes(self.grouped(self.line(x).relu())))


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


def test_steps_are_those_of_torch() -> None:
    torch.manual_seed(0)
    ours, theirs = Small(), Small()
    theirs.load_state_dict(ours.state_dict())
    vector = as_vector(ours)
    betas = (MOMENTUM, 0.98)
    optimizer = torch.optim.AdamW([vector], lr=LR, betas=betas, weight_decay=DECAY, fused=True)
    weights = conv_weights(theirs)
    assert [w.shape for w in weights] == [(8, 2, 3, 3), (12, 8, 5)]
    matrices = [nn.Parameter(weight.detach().flatten(1)) for weight in weights]
    muon = torch.optim.Muon(
        matrices, lr=LR, weight_decay=DECAY, momentum=MOMENTUM, adjust_lr_fn="match_rms_adamw"
    )
    rest = [p for p in theirs.parameters() if not any(p is weight for weight in weights)]
    adamw = torch.optim.AdamW(rest, lr=LR, betas=betas, weight_decay=DECAY)
    for seed in range(4):
        assert vector.grad is not None
        vector.grad.zero_()
        theirs.zero_grad()
        loss(ours, seed).backward()
        loss(theirs, seed).backward()
        step(optimizer, ours)
        for matrix, weight in zip(matrices, weights, strict=True):
            assert weight.grad is not None
            matrix.grad = weight.grad.flatten(1)
        muon.step()
        adamw.step()
        for matrix, weight in zip(matrices, weights, strict=True):
            weight.data.copy_(matrix.view_as(weight))
    for (name, mine), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(mine, other, rtol=2e-3, atol=2e-3), name


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
