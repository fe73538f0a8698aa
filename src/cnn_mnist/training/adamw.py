"""A step of AdamW for one vector of parameters."""

from typing import Any

import torch

from cnn_mnist.training.kernels import library


def step(optimizer: torch.optim.AdamW) -> None:
    """What optimizer.step() does, on a CPU by our kernel.

    Between two steps of training, torch's own finds nothing in the cache, and takes ten times as
    long as the arithmetic. The state is torch's, so a checkpoint fits both.
    """
    (group,) = optimizer.param_groups
    (params,) = group["params"]
    state = optimizer.state[params]
    kernels = library() if params.device.type == "cpu" else None
    if kernels is None or not state:  # torch's first step creates the state
        optimizer.step()
        return
    kernels.adamw(*arguments(optimizer))


def arguments(optimizer: torch.optim.AdamW) -> tuple[Any, ...]:
    """The arguments of our kernel: the parameters, their gradients, the state, the settings."""
    (group,) = optimizer.param_groups
    (params,) = group["params"]
    state = optimizer.state[params]
    vectors = (params, params.grad, state["exp_avg"], state["exp_avg_sq"], state["step"])
    addresses = (vector.data_ptr() for vector in vectors)
    rates = (group["lr"], *group["betas"], group["eps"], group["weight_decay"])
    return *addresses, params.numel(), *rates
