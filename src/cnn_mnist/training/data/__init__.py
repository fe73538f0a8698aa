"""Where the images come from: find, fetch, verify, read."""

from cnn_mnist.training.data.datasets import DATASETS, load
from cnn_mnist.training.data.mnist import SHA256, WRONG_TEST_LABELS
from cnn_mnist.training.data.splits import NOT_A_DIGIT, NUM_VAL, DataError, Split, Splits

__all__ = [
    "DATASETS",
    "NOT_A_DIGIT",
    "NUM_VAL",
    "SHA256",
    "WRONG_TEST_LABELS",
    "DataError",
    "Split",
    "Splits",
    "load",
]
