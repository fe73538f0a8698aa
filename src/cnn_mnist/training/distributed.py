"""One training on several processes started by torchrun; without torchrun, on one process.

torchrun sets RANK, WORLD_SIZE and the address of the first process in the environment
(https://docs.pytorch.org/docs/stable/elastic/run.html).
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist

# The defaults of its functions keep the process group that exists when it is first imported, as
# any optimizer does. That group's threads would outlive it and could abort the interpreter's exit.
import torch.distributed.nn.functional
from torch import Tensor


class ProcessLostError(ValueError):
    """Another process of this training is gone."""


@contextmanager
def process_group(device: torch.device) -> Iterator[None]:
    """Join the processes that torchrun started, for the length of a with-block.

    Raises:
        ProcessLostError: one of them ended or cannot be reached any more.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield
    except RuntimeError as error:
        if isinstance(error, dist.DistError) or "gloo" in str(error):
            raise ProcessLostError(
                "another process of this training has ended, so this one stops, too; restart all "
                "of them with --resume and the run folder to resume after its last epoch"
            ) from error
        raise
    finally:
        dist.destroy_process_group()


def rank() -> int:
    """This process's number; only the first one, 0, writes and prints."""
    return dist.get_rank() if dist.is_initialized() else 0


def world_size() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def sum_over_ranks(values: Tensor) -> Tensor:
    """Replace a tensor by the sum of all processes' tensors, the same in each of them."""
    if world_size() > 1:
        dist.all_reduce(values)
    return values


def wait() -> None:
    """Block until every process has called this."""
    if world_size() > 1:
        dist.barrier()


def from_first(text: str) -> str:
    """The first process's text, in every process."""
    values = [text]
    if world_size() > 1:
        dist.broadcast_object_list(values)
    return values[0]
