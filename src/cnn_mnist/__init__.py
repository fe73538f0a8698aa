"""Handwritten digits: train on them (cnn_mnist.training), read them (cnn_mnist.inference)."""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cnn_mnist.inference.pictures.page import ImageError
    from cnn_mnist.inference.reader import Reader
    from cnn_mnist.inference.reading import Digit, Reading
    from cnn_mnist.shelf import list_models
    from cnn_mnist.training.models.pretrained import load_model

# ONNX Runtime sends telemetry to its vendor unless disabled before it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = "1.0.0"
__all__ = [
    "Digit",
    "ImageError",
    "Reader",
    "Reading",
    "__version__",
    "list_models",
    "load_model",
]

_HOMES = {
    "Digit": "inference.reading",
    "ImageError": "inference.pictures.page",
    "Reader": "inference.reader",
    "Reading": "inference.reading",
    "list_models": "shelf",
    "load_model": "training.models.pretrained",
}


def __getattr__(name: str) -> Any:
    """Import what a name needs on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """The public names, which tab completion and help() then show."""
    return sorted({*globals(), *__all__})
