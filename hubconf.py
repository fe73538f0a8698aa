"""For torch.hub: torch.hub.load(FOLDER, "bn", source="local"). Names as in `cnn-mnist models`."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "src"))

from torch import nn as _nn

from cnn_mnist.training.models import pretrained as _pretrained

dependencies = ["torch", "safetensors", "numpy"]


def net(pretrained: bool = True) -> _nn.Module:
    """The reference design, 24,488 parameters."""
    return _pretrained.create_model("net", pretrained)


def bn(pretrained: bool = True) -> _nn.Module:
    """Five convolutions with batch norm, 23,642 parameters."""
    return _pretrained.create_model("bn", pretrained)


def small(pretrained: bool = True) -> _nn.Module:
    """As bn, 7,314 parameters."""
    return _pretrained.create_model("small", pretrained)


def tiny(pretrained: bool = True) -> _nn.Module:
    """As bn, 2,454 parameters."""
    return _pretrained.create_model("tiny", pretrained)


def robust(pretrained: bool = True) -> _nn.Module:
    """As bn, for images under noise, blur and fog."""
    return _pretrained.create_model("robust", pretrained)


def reader(pretrained: bool = True) -> _nn.Module:
    """As net, for people's own digits."""
    return _pretrained.create_model("reader", pretrained)
