"""The released models as torch modules."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cnn_mnist import shelf

if TYPE_CHECKING:
    from torch import nn


def load_model(name: str) -> "nn.Module":
    """Load a released model in eval mode, on the CPU.

    It takes images N×1×28×28, light ink on black: values in 0..1, minus the mean 0.1307, divided by
    the standard deviation 0.3081. It returns N×10 logits.

    Raises:
        ShelfError: there is no such model, or its file is damaged.
        ImportError: torch or safetensors is not installed.
    """
    with _extra("load_model"):
        import safetensors.torch

        from cnn_mnist.training.models.networks import MODELS

    weights = shelf.file(name, shelf.TORCH)
    model = MODELS[shelf.get(name).architecture]()
    model.load_state_dict(safetensors.torch.load_file(weights))
    return model.eval()


def create_model(name: str, pretrained: bool = False) -> "nn.Module":
    """The network of a model on the shelf, with its released or with fresh weights.

    Raises:
        ShelfError, ImportError: as `load_model`.
    """
    if pretrained:
        return load_model(name)
    with _extra("create_model"):
        from cnn_mnist.training.models.networks import MODELS

    return MODELS[shelf.entry(name).architecture]()


@contextmanager
def _extra(function: str) -> Iterator[None]:
    """Name the extra to install if a function's libraries are missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise ImportError(
            f"{function} needs {error.name}, which is not installed; install it with: "
            "pip install 'cnn-mnist[train]'"
        ) from error
