"""Reading any number of pictures with several workers into one file."""

from cnn_mnist.bulk.addresses import Addresses
from cnn_mnist.bulk.batch import Settings
from cnn_mnist.bulk.job import run
from cnn_mnist.bulk.results import Results

__all__ = ["Addresses", "Results", "Settings", "run"]
