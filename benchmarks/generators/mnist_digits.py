"""MNIST's test images."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnn_mnist.training import load


def mnist_test(folder: Path | None) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The images 10,000×28×28 and labels, found as by `cnn-mnist train --data-dir FOLDER`."""
    test = load("mnist", folder).test
    return test.images.numpy(), test.labels.numpy().astype(np.uint8)
