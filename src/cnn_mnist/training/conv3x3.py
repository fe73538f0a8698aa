"""3×3 convolutions of few channels on a CPU, several times faster than torch's.

conv3x3.c is compiled by the system's C compiler when it is first used and kept in the user's
cache. Where there is no compiler, torch does the work.
"""

import ctypes
import functools
import hashlib
import platform
import subprocess
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

import pooch
import torch
import torch.nn.functional as F
from torch import Tensor, nn

SOURCE = "conv3x3.c"
COMPILE = ("cc", "-O3", "-march=native", "-fPIC", "-fopenmp", "-c")
LINK = ("cc", "-shared")  # without OpenMP's library: torch's own is loaded already


@functools.cache
def library() -> ctypes.CDLL | None:
    """The compiled kernels; none where they cannot be compiled."""
    source = files("cnn_mnist.training").joinpath(SOURCE).read_bytes()
    made_of = b"\0".join([source, *map(str.encode, COMPILE + LINK), _processor().encode()])
    path = Path(pooch.os_cache("cnn-mnist")) / f"conv3x3-{hashlib.sha256(made_of).hexdigest()}.so"
    try:
        if not path.exists():
            _compile(source, path)
        kernels = ctypes.CDLL(str(path))
    except (OSError, subprocess.SubprocessError):
        return None
    pointer, size, number = ctypes.c_void_p, ctypes.c_long, ctypes.c_int
    kernels.forward.argtypes = [*[pointer] * 5, *[size] * 5, *[number] * 3]
    kernels.backward.argtypes = [*[pointer] * 7, *[size] * 5, *[number] * 2]
    return kernels


def _processor() -> str:
    """What -march=native depends on."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    flags = [line for line in lines if line.startswith(("flags", "Features"))]
    return " ".join([platform.machine(), platform.processor(), *flags[:1]])


def _compile(source: bytes, path: Path) -> None:
    """Source → shared library, moved into place whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        code, compiled, linked = (Path(folder, name) for name in (SOURCE, "conv.o", "conv.so"))
        code.write_bytes(source)
        for command, made_from, made in ((COMPILE, code, compiled), (LINK, compiled, linked)):
            line = [*command, str(made_from), "-o", str(made)]
            subprocess.run(line, check=True, capture_output=True, timeout=60)
        linked.replace(path)


def lay_out(images: Tensor, precision: torch.dtype) -> Tensor:
    """Images N×1×H×W in the layout that a network computes fastest with.

    For float32 on a CPU that is G×1×H×W×L, L images side by side. Where N is no multiple of L or
    there are no kernels of ours it is N×1×H×W, channels last.
    """
    on_cpu = images.device.type == "cpu" and precision == torch.float32
    kernels = library() if on_cpu else None
    if kernels is None or len(images) % kernels.lanes():
        return images.contiguous(memory_format=torch.channels_last)
    return images.view(-1, kernels.lanes(), *images.shape[1:]).movedim(1, -1).contiguous()


def one_by_one(x: Tensor) -> Tensor:
    """G×C×H×W×L or N×C×H×W → N×(C·H·W)."""
    return (x.movedim(-1, 1).flatten(0, 1) if x.dim() == 5 else x).flatten(1)


def convolve(layer: nn.Conv2d, x: Tensor, pool: bool = False, relu: bool = False) -> Tensor:
    """A 3×3 convolution without padding, then a 2×2 max-pool and a ReLU where wanted.

    Args:
        layer: with a multiple of 4 outputs, and of 4 inputs unless x is the image itself.
        x: N×C×H×W, which torch computes, or G×C×H×W×L, images side by side, which our kernels do.
    """
    if x.dim() == 5:
        bias = torch.zeros(layer.out_channels) if layer.bias is None else layer.bias
        made = _Convolution.apply(x, layer.weight, bias, pool, relu)  # type: ignore[no-untyped-call]
        return cast(Tensor, made)
    x = layer(x)
    if pool:
        x = F.max_pool2d(x, 2)  # commutes with ReLU, which then works on a quarter of the values
    return F.relu(x) if relu else x


class _Convolution(torch.autograd.Function):
    """conv3x3.c's forward and backward."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, pool: bool, relu: bool
    ) -> Tensor:
        groups, inputs, rows, columns, lanes = x.shape
        outputs, step = len(weight), 2 if pool else 1
        out = torch.empty(groups, outputs, (rows - 2) // step, (columns - 2) // step, lanes)
        which = torch.empty(out.shape, dtype=torch.int8)
        ctx.sizes = (groups, inputs, outputs, rows, columns, pool)
        arrays = (x, _packed(weight), bias, out, which)  # held until the call is over
        _kernels().forward(*map(_address, arrays), *ctx.sizes, relu, torch.get_num_threads())
        ctx.save_for_backward(x, weight, which)
        return out

    @staticmethod
    def backward(ctx: Any, out_grad: Tensor) -> tuple[Tensor | None, Tensor, Tensor, None, None]:
        x, weight, which = ctx.saved_tensors
        out_grad = out_grad.contiguous()
        in_grad = torch.empty_like(x) if ctx.needs_input_grad[0] else None
        turned = None if in_grad is None else _packed(weight.flip(2, 3).transpose(0, 1))
        # Each group's own, so that the sum does not depend on the threads.
        weight_grads, bias_grads = (torch.empty(len(x), *weight.shape[:n]) for n in (4, 1))
        arrays = (x, out_grad, which, turned, in_grad, weight_grads, bias_grads)
        if not _kernels().backward(*map(_address, arrays), *ctx.sizes, torch.get_num_threads()):
            raise MemoryError("no memory for the gradients of a convolution")
        return in_grad, weight_grads.sum(0), bias_grads.sum(0), None, None


def _kernels() -> ctypes.CDLL:
    kernels = library()
    assert kernels is not None, "images lie side by side only where there are kernels"
    return kernels


def _address(array: Tensor | None) -> int | None:
    return None if array is None else array.data_ptr()


def _packed(weight: Tensor) -> Tensor:
    """O×I×3×3 → O/B×I×9×B: the weights of B output channels beside each other."""
    block = _kernels().block()
    return weight.reshape(-1, block, weight.shape[1] * 9).transpose(1, 2).contiguous()
