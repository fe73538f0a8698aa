"""Handwritten digits: learn them (cnn_mnist.training) and read them (cnn_mnist.inference)."""

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cnn_mnist.inference.pictures.image import ImageError
    from cnn_mnist.inference.reader import Digit, Reader, Reading

# ONNX Runtime reports its use to its maker unless told not to before it loads.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0"
__all__ = ["Digit", "ImageError", "Reader", "Reading", "__version__"]


def __getattr__(name: str) -> Any:
    """Load the reading half when one of its names is first used."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from cnn_mnist.inference import reader
    from cnn_mnist.inference.pictures import image

    return getattr(image if name == "ImageError" else reader, name)
