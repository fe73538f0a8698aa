"""The gradients of a whole training step of `Net` by one call into the kernels."""

import ctypes
from typing import TypeGuard

import torch
from torch import Tensor, nn

from cnn_mnist.training.kernels import library
from cnn_mnist.training.models.conv3x3 import describe, kernels_fit
from cnn_mnist.training.models.networks import Net


class _Linear(ctypes.Structure):
    """step.c's linear: addresses and sizes."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("weights", "bias")),
        *((name, ctypes.c_long) for name in ("inputs", "outputs")),
    )


def fits(net: nn.Module, x: Tensor) -> TypeGuard[Net]:
    """Whether `gradients` can be called: for images side by side, as `lay_out` makes them."""
    return isinstance(net, Net) and x.dim() == 5 and kernels_fit(x, net.steps())


def gradients(net: Net, x: Tensor, labels: Tensor, weight: float, grads: Tensor) -> Tensor:
    """The gradients of the cross-entropy, as autograd gives them but for rounding.

    Args:
        x: images G×1×28×28×L.
        labels: G·L of them; those below 0 count for nothing.
        weight: of each image's loss.
        grads: one vector for all parameters in their order; overwritten.

    Returns:
        The sum of the losses, without the weight, and the number of correct answers.
    """
    kernels = library()
    assert kernels is not None, "images are laid side by side only if there are kernels"
    steps, linears = net.steps(), (net.fc1, net.fc2)
    params = [p.contiguous() for step in steps for p in (step.layer.weight, step.layer.bias)]
    convs = describe(x, [(step.pool, step.relu) for step in steps], params)
    layers = (_Linear * len(linears))(
        *((fc.weight.data_ptr(), fc.bias.data_ptr(), *fc.weight.shape[::-1]) for fc in linears)
    )
    totals = torch.empty(2)
    enough = kernels.step(
        x.data_ptr(),
        labels.contiguous().data_ptr(),
        weight,
        convs,
        len(convs),
        layers,
        len(layers),
        grads.data_ptr(),
        totals.data_ptr(),
        len(x),
        torch.get_num_threads(),
    )
    if not enough:
        raise MemoryError("out of memory for a training step")
    return totals
