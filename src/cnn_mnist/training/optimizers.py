"""The optimizers of the recipes, which update all parameters of a network as one vector."""

import torch
from torch import nn

from cnn_mnist.training import adamw, muon
from cnn_mnist.training.recipes import Recipe


def as_vector(net: nn.Module) -> nn.Parameter:
    """Replace a network's parameters, and their gradients, by views of one vector.

    The optimizer and the averaging then update one tensor instead of one or two per layer.
    """
    params = list(net.parameters())
    vector = nn.Parameter(nn.utils.parameters_to_vector(params).detach())
    vector.grad = torch.zeros_like(vector)
    sizes = [param.numel() for param in params]
    values, grads = vector.detach().split(sizes), vector.grad.split(sizes)
    for param, value, grad in zip(params, values, grads, strict=True):
        param.data, param.grad = value.view_as(param), grad.view_as(param)
    return vector


def create(recipe: Recipe, params: nn.Parameter) -> torch.optim.AdamW:
    """The optimizer of a network's parameters. Its state is AdamW's for every recipe."""
    return torch.optim.AdamW(
        [params],
        lr=recipe.lr,
        betas=(recipe.beta1, recipe.beta2),
        weight_decay=recipe.weight_decay,
        fused=True,
    )


def step(recipe: Recipe, optimizer: torch.optim.AdamW, net: nn.Module) -> None:
    """Update the network's parameters by its gradients, as the recipe says."""
    if recipe.optimizer == "muon":
        muon.step(optimizer, net)
    else:
        adamw.step(optimizer)
