"""A step of Muon for the weights of hidden layers, and of AdamW for all other parameters.

K. Jordan et al., Muon: An optimizer for hidden layers in neural networks (2024),
https://kellerjordan.github.io/posts/muon/.
"""

import ctypes
import functools
import math

import torch
from torch import Tensor, nn

from cnn_mnist.training import adamw
from cnn_mnist.training.kernels import library

COEFFICIENTS = 3.4445, -4.7750, 2.0315  # of the polynomial that brings singular values to about 1
NUM_ITERATIONS = 5
ADAMW_RMS = 0.2  # root mean square of an AdamW step, as a share of the learning rate


class _Matrix(ctypes.Structure):
    """muon.c's matrix: its place among the parameters, and its shape."""

    _fields_ = tuple((name, ctypes.c_long) for name in ("offset", "rows", "columns"))


@torch.no_grad()
def step(optimizer: torch.optim.AdamW, net: nn.Module) -> None:
    """Update a network whose parameters are one vector, those of the optimizer.

    The mean gradients are AdamW's own, so the state is that of AdamW, and so are the learning rate
    and the weight decay: a step of Muon is scaled to be as long as one of AdamW (J. Liu et al.,
    Muon is Scalable for LLM Training, 2025). On a CPU our kernel does all of it.
    """
    (group,) = optimizer.param_groups
    (vector,) = group["params"]
    kernels = library() if vector.device.type == "cpu" else None
    if kernels is None or not optimizer.state[vector]:  # torch's first step creates the state
        _step_by_torch(optimizer, net)
        return
    matrices, polynomial = _matrices(net), (*COEFFICIENTS, NUM_ITERATIONS)
    arguments = (*adamw.arguments(optimizer), ADAMW_RMS, *polynomial, matrices, len(matrices))
    if not kernels.muon(*arguments):
        raise MemoryError("out of memory for a step of Muon")


@functools.lru_cache(maxsize=1)  # finding them takes as long as half of a step
def _matrices(net: nn.Module) -> ctypes.Array[_Matrix]:
    """The places of the hidden weights in the vector of all parameters."""
    hidden = {id(weight) for weight in hidden_weights(net)}
    matrices, offset = [], 0
    for param in net.parameters():
        if id(param) in hidden:
            matrices.append(_Matrix(offset, len(param), param.numel() // len(param)))
        offset += param.numel()
    return (_Matrix * len(matrices))(*matrices)


def _step_by_torch(optimizer: torch.optim.AdamW, net: nn.Module) -> None:
    (group,) = optimizer.param_groups
    (vector,) = group["params"]
    before = vector.detach().clone()
    adamw.step(optimizer)
    hidden = {id(weight) for weight in hidden_weights(net)}
    params = list(net.parameters())
    sizes = [param.numel() for param in params]
    olds, means = before.split(sizes), optimizer.state[vector]["exp_avg"].split(sizes)
    for param, old, mean in zip(params, olds, means, strict=True):
        if id(param) not in hidden:
            continue
        assert param.grad is not None
        gradient = param.grad.flatten(1).lerp(mean.view(len(param), -1), group["betas"][0])
        size = ADAMW_RMS * math.sqrt(max(gradient.shape)) * group["lr"]
        param.copy_(old.view_as(param)).mul_(1 - group["lr"] * group["weight_decay"])
        param.sub_(orthogonal(gradient).view_as(param), alpha=size)


def hidden_weights(net: nn.Module) -> list[Tensor]:
    """The weights of convolutions but 1×1 and grouped ones, and of linear layers but the last."""
    convolutions = [m for m in net.modules() if isinstance(m, nn.Conv1d | nn.Conv2d)]
    linears = [m for m in net.modules() if isinstance(m, nn.Linear)]
    wide = [c.weight for c in convolutions if c.groups == 1 and math.prod(c.kernel_size) > 1]
    return wide + [linear.weight for linear in linears[:-1]]


def orthogonal(matrix: Tensor) -> Tensor:
    """The matrix with its singular values brought to about 1, by Newton–Schulz iteration."""
    a, b, c = COEFFICIENTS
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    x = wide.bfloat16()
    x = x / (x.norm() + 1e-7)
    for _ in range(NUM_ITERATIONS):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    return torch.as_tensor(x if wide is matrix else x.T, dtype=matrix.dtype)
