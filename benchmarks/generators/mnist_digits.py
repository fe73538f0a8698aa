"""MNIST's test images, and which of them have a wrong label."""

import gzip
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

# Test images found mislabelled by human review (Northcutt et al., NeurIPS 2021).
MISLABELLED = {
    947, 1621, 1901, 2130, 2462, 2597, 2654, 3520, 3558, 5937, 6651, 6783, 8527, 9679, 9729,
}  # fmt: skip


def mnist_test(folder: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The images 10,000×28×28 and labels of the files `t10k-*-ubyte.gz`."""
    images = gzip.decompress((folder / "t10k-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((folder / "t10k-labels-idx1-ubyte.gz").read_bytes())
    return (
        np.frombuffer(images, np.uint8, offset=16).reshape(-1, 28, 28),
        np.frombuffer(labels, np.uint8, offset=8),
    )
