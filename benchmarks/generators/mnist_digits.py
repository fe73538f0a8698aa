"""MNIST's test images, without the training ones."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnn_mnist.training.data.idx import read_idx


def mnist_test(folder: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The images 10,000×28×28 and labels of the files `t10k-*-ubyte.gz`."""
    images, labels = (
        read_idx(folder / f"t10k-{kind}-ubyte.gz") for kind in ("images-idx3", "labels-idx1")
    )
    return images, labels
