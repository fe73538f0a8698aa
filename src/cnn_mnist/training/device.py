"""The device to compute on: choice, correctness check, fastest precision, and full memory."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor

from cnn_mnist.training import kernels
from cnn_mnist.training.models.networks import NARROW, Net
from cnn_mnist.training.recipes import Recipe

DEVICES = ("auto", "cpu", "cuda", "mps")
TOLERANCE = 1e-2  # of the gradient's norm; tf32 stays below 1e-3, a wrong kernel far above


class DeviceError(ValueError):
    """The device is missing, or its results differ from the CPU's."""


def choose(name: str) -> tuple[torch.device, str]:
    """The device to train on, and a notice for the user, empty if all is as expected.

    "auto" tries CUDA, then MPS, then the CPU, and skips an accelerator whose results on one batch
    differ from the CPU's.

    Raises:
        DeviceError: the device was requested by name and is missing or wrong.
    """
    if name not in DEVICES:
        raise DeviceError(f"no device {name!r}; choose one of {', '.join(DEVICES)}")
    notice = ""
    for kind in available() if name == "auto" else [name]:
        problem = "" if kind == "cpu" else check(kind)
        if not problem:
            return _numbered(kind), notice
        if name != "auto":
            raise DeviceError(f"--device {name} cannot be used: {problem}; try --device auto")
        notice += f"{kind} is skipped: {problem}. "
    raise AssertionError("the CPU is always available")


def available() -> list[str]:
    """The kinds of device that this machine reports, best first."""
    has = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    return [kind for kind, there in has.items() if there]


def check(kind: str) -> str:
    """What is wrong with a device, or nothing: compares one batch's gradient with the CPU's."""
    try:
        expected, got = _gradient("cpu"), _gradient(kind)
    except (RuntimeError, AssertionError) as error:
        return f"it does not work here ({str(error).strip().splitlines()[0]})"
    difference = float((got - expected).norm() / expected.norm())
    if not difference < TOLERANCE:
        return f"its gradient differs from the CPU's by {difference:.2g} of its norm"
    return ""


def _gradient(device: str) -> Tensor:
    """The gradient of a fixed net on a fixed batch, flattened, on the CPU."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net, images = Net(), torch.randn(64, 1, 28, 28)
    net = net.to(device)
    labels = torch.arange(64, device=device) % 10
    F.cross_entropy(net(images.to(device)), labels).backward()
    return torch.cat([p.grad.flatten().cpu() for p in net.parameters() if p.grad is not None])


def _numbered(kind: str) -> torch.device:
    """The device of this process: each torchrun process takes the GPU of its local rank."""
    if kind == "cuda":
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    return torch.device(kind)


@contextmanager
def memory_checked() -> Iterator[None]:
    """Turn torch's errors about full memory, which are RuntimeErrors, into MemoryErrors."""
    try:
        yield
    except RuntimeError as error:
        if any(words in str(error) for words in ("out of memory", "can't allocate")):
            raise MemoryError(
                "out of memory; free some, or begin a training with a smaller --batch-size"
            ) from error
        raise


def precision(device: torch.device, recipe: Recipe) -> torch.dtype:
    """bfloat16 for convolutions if the recipe allows it and it is faster, else float32."""
    if not recipe.mixed_precision:
        return torch.float32
    if device.type == "cuda":
        fast = torch.cuda.get_device_capability(device) >= (8, 0)
    elif recipe.model in NARROW and (ours := kernels.library()):
        fast = bool(ours.fast_pairs())
    else:
        fast = device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()
    return torch.bfloat16 if fast else torch.float32


def autocast(device: torch.device, precision: torch.dtype) -> torch.autocast:
    """Compute in the `precision` of a device, except where torch keeps float32."""
    return torch.autocast(device.type, precision, precision != torch.float32)
