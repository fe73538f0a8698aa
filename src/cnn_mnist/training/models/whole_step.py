"""The gradients of a whole training step of `Net` by one call into the kernels."""

import ctypes
from typing import TypeGuard

import torch
from torch import Tensor, nn

from cnn_mnist.training.augment.sampling import SIDE
from cnn_mnist.training.kernels import library
from cnn_mnist.training.models.conv3x3 import describe, fit_side_by_side
from cnn_mnist.training.models.networks import Net


class _Linear(ctypes.Structure):
    """step.c's linear: addresses and sizes."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("weights", "bias")),
        *((name, ctypes.c_long) for name in ("inputs", "outputs")),
    )


def fits(net: nn.Module, images: Tensor, precision: torch.dtype) -> TypeGuard[Net]:
    """Whether `gradients` supports these, and is fast."""
    whole = images.shape[1:] == (SIDE, SIDE)
    return isinstance(net, Net) and whole and fit_side_by_side(images, precision)


def gradients(
    net: Net,
    images: Tensor,
    norm: tuple[float, float],
    labels: Tensor,
    weight: float,
    grads: Tensor,
    smoothing: float,
) -> Tensor:
    """The gradients of the cross-entropy, as autograd gives them but for rounding.

    Under autocast, as torch's own layers, the convolutions multiply in bfloat16.

    Args:
        images: N×28×28 with values 0..255, as augmented.
        norm: mean and standard deviation of the pixels in 0..1.
        labels: N; negative ones are ignored.
        weight: of each image's loss.
        grads: one vector for all parameters in their order; overwritten.
        smoothing: share of each label that is spread over all classes.

    Returns:
        The sum of the losses, without the weight and smoothing, and the number of correct answers.
    """
    kernels = library()
    assert kernels is not None, "the kernels fit"
    images, labels = images.float().contiguous(), labels.contiguous()
    mean, std = norm
    steps, linears = net.steps(), (net.fc1, net.fc2)
    params = [p for step in steps for p in step.layer.parameters()]
    kinds = [(step.pool, step.relu) for step in steps]
    convs = describe(net.seen, net.seen, kinds, params)
    layers = (_Linear * len(linears))(
        *(
            _Linear(fc.weight.data_ptr(), fc.bias.data_ptr(), fc.in_features, fc.out_features)
            for fc in linears
        )
    )
    totals = torch.empty(2)
    enough = kernels.step(
        *(images.data_ptr(), SIDE, 1 / (255 * std), -mean / std),
        *(labels.data_ptr(), weight, smoothing),
        *(convs, len(convs), layers, len(layers), grads.data_ptr(), totals.data_ptr()),
        *(len(images) // kernels.lanes(), torch.get_num_threads()),
    )
    if not enough:
        raise MemoryError("out of memory for a training step")
    return totals
