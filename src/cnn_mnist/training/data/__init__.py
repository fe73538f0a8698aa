"""Data sets: find, download, verify, read."""

from cnn_mnist.training.data.datasets import load, load_for
from cnn_mnist.training.data.mnist import SHA256, WRONG_TEST_LABELS
from cnn_mnist.training.data.splits import DATASETS, DIGITS, NOT_A_DIGIT, DataError, Split, Splits

__all__ = [
    "DATASETS",
    "DIGITS",
    "NOT_A_DIGIT",
    "SHA256",
    "WRONG_TEST_LABELS",
    "DataError",
    "Split",
    "Splits",
    "load",
    "load_for",
]
