"""Handwritten digits: learn them (cnn_mnist.training) and read them (cnn_mnist.inference)."""

__version__ = "0.1.0"
__all__ = ["__version__"]
