"""Chains of 3×3 convolutions with few channels, faster than torch's on a CPU."""

import ctypes
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cnn_mnist.training.kernels import library


def lay_out(images: Tensor, precision: torch.dtype) -> Tensor:
    """Images N×1×H×W in the layout that a network computes fastest.

    With our kernels that is G×1×H×W×L, L images side by side; otherwise N×1×H×W, channels last.
    """
    if not fit_side_by_side(images, precision):
        return images.contiguous(memory_format=torch.channels_last)
    kernels, images = _kernels(), images.contiguous()
    out = torch.empty(len(images) // kernels.lanes(), *images.shape[1:], kernels.lanes())
    size, threads = images.shape[1:].numel(), torch.get_num_threads()
    kernels.lay_out(images.data_ptr(), out.data_ptr(), size, len(out), threads)
    return out


def fit_side_by_side(images: Tensor, precision: torch.dtype) -> bool:
    """Whether our kernels are there and fast, and N and an image's pixels are multiples of L."""
    kernels = library() if images.device.type == "cpu" else None
    if kernels is None or not (precision == torch.float32 or kernels.fast_pairs()):
        return False
    return not len(images) % kernels.lanes() and not images.shape[1:].numel() % kernels.lanes()


def one_by_one(x: Tensor) -> Tensor:
    """G×C×H×W×L or N×C×H×W → N×(C·H·W)."""
    return _plain(x).flatten(1)


def _plain(x: Tensor) -> Tensor:
    """G×C×H×W×L or N×C×H×W → N×C×H×W."""
    return x.movedim(-1, 1).flatten(0, 1) if x.dim() == 5 else x


class Step(NamedTuple):
    """A 3×3 convolution without padding, then optionally a 2×2 max-pool and a ReLU."""

    layer: nn.Conv2d
    pool: bool = False
    relu: bool = True


def convolve(x: Tensor, *steps: Step) -> Tensor:
    """Apply the steps one after the other.

    Args:
        x: N×C×H×W, computed by torch, or G×C×H×W×L, images side by side, by our kernels if they
            fit the layers; otherwise the result is N×C×H×W, too.
        steps: the layers.
    """
    if x.dim() == 5 and _kernels_fit(x, steps):
        params = [p for step in steps for p in (step.layer.weight, _bias(step.layer))]
        kinds = [(step.pool, step.relu) for step in steps]
        return cast(Tensor, _Chain.apply(x, kinds, *params))  # type: ignore[no-untyped-call]
    x = _plain(x)
    for step in steps:
        x = step.layer(x)
        if step.pool:
            x = F.max_pool2d(x, 2)  # before the ReLU, which then has a quarter of the work
        x = F.relu(x) if step.relu else x
    return x


def _kernels_fit(x: Tensor, steps: tuple[Step, ...]) -> bool:
    """Whether every number of channels is a multiple of their block.

    An image's 1 also fits, unless its gradient is needed.
    """
    first, *others = [
        count for step in steps for count in (step.layer.in_channels, step.layer.out_channels)
    ]
    others += [first] if first > 1 or x.requires_grad else []
    block = _kernels().block()
    return not any(count % block for count in others)


def output_side(side: int, pool: bool) -> int:
    """The rows, or columns, of a step's output: what the convolution, then the pool leave."""
    return (side - 2) // (2 if pool else 1)


def seen(side: int, pools: Sequence[bool]) -> int:
    """The number of an image's first rows, or columns, that a chain's output depends on.

    A 2×2 max-pool leaves out the last of an odd number.

    Args:
        side: the image's rows or columns.
        pools: whether a pool follows each convolution.
    """
    for pool in pools:
        side = output_side(side, pool)
    for pool in reversed(pools):
        side = side * (2 if pool else 1) + 2
    return side


class _Layer(ctypes.Structure):
    """conv3x3.c's layer: addresses and sizes."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("weights", "bias", "out", "argmax")),
        *((name, ctypes.c_void_p) for name in ("weight_grads", "bias_grads")),
        *((name, ctypes.c_long) for name in ("inputs", "outputs", "rows", "columns")),
        *((name, ctypes.c_long) for name in ("pooled", "relu", "pairs")),
    )


def describe(
    rows: int, columns: int, kinds: list[tuple[bool, bool]], params: Sequence[Tensor]
) -> ctypes.Array[_Layer]:
    """A chain for images of H×W as conv3x3.c takes it, without the addresses of results.

    Under autocast, as torch's own layers, it multiplies in bfloat16.

    Args:
        kinds: whether a pool and whether a ReLU follow each convolution.
        params: the weight and the bias of each, contiguous.
    """
    layers = (_Layer * len(kinds))()
    for number, (layer, (pool, relu)) in enumerate(zip(layers, kinds, strict=True)):
        weight, bias = params[2 * number : 2 * number + 2]
        layer.weights, layer.bias = weight.data_ptr(), bias.data_ptr()
        layer.outputs, layer.inputs = weight.shape[:2]
        layer.rows, layer.columns, layer.pooled, layer.relu = rows, columns, pool, relu
        layer.pairs = layer.inputs > 1 and torch.is_autocast_enabled("cpu")
        rows, columns = (output_side(side, pool) for side in (rows, columns))
    return layers


class _Chain(torch.autograd.Function):
    """conv3x3.c's forward and backward."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, kinds: list[tuple[bool, bool]], *params: Tensor) -> Tensor:
        params = tuple(param.contiguous() for param in params)
        layers = describe(x.shape[2], x.shape[3], kinds, params)
        outs, argmaxes = [], []
        for layer in layers:
            sides = (output_side(side, layer.pooled) for side in (layer.rows, layer.columns))
            outs.append(torch.empty(len(x), layer.outputs, *sides, x.shape[-1]))
            argmaxes.append(torch.empty(outs[-1].shape, dtype=torch.int8))
            layer.out, layer.argmax = outs[-1].data_ptr(), argmaxes[-1].data_ptr()
        enough = _kernels().forward(
            x.data_ptr(), layers, len(layers), len(x), torch.get_num_threads()
        )
        if not enough:
            raise MemoryError("out of memory for the weights of the convolutions")
        ctx.save_for_backward(x, *params, *outs, *argmaxes)
        ctx.layers = layers
        return outs[-1]

    @staticmethod
    def backward(ctx: Any, out_grad: Tensor) -> tuple[Tensor | None, ...]:
        x, *saved = ctx.saved_tensors
        out_grad = out_grad.contiguous()
        in_grad = torch.empty_like(x) if ctx.needs_input_grad[0] else None
        grads = [torch.empty_like(param) for param in saved[: 2 * len(ctx.layers)]]
        for layer, weight_grad, bias_grad in zip(ctx.layers, grads[::2], grads[1::2], strict=True):
            layer.weight_grads, layer.bias_grads = weight_grad.data_ptr(), bias_grad.data_ptr()
        enough = _kernels().backward(
            x.data_ptr(),
            out_grad.data_ptr(),
            None if in_grad is None else in_grad.data_ptr(),
            ctx.layers,
            len(ctx.layers),
            len(x),
            torch.get_num_threads(),
        )
        if not enough:
            raise MemoryError("out of memory for the gradients of the convolutions")
        return in_grad, None, *grads


def _bias(layer: nn.Conv2d) -> Tensor:
    return torch.zeros(layer.out_channels) if layer.bias is None else layer.bias


def _kernels() -> ctypes.CDLL:
    kernels = library()
    assert kernels is not None, "images are laid side by side only if there are kernels"
    return kernels
