"""Your own data sets in small, in every form that is read."""

import gzip
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.generic]


def images(labels: NDArray[np.integer]) -> NDArray[np.uint8]:
    """An image a label: the pattern of its class, light on black, with some noise."""
    rng = np.random.default_rng(0)
    patterns = rng.integers(0, 200, (labels.max() + 1, 24, 24))
    made = np.zeros((len(labels), 28, 28), np.uint8)
    noise = rng.integers(0, 56, (len(labels), 24, 24))
    made[:, 2:-2, 2:-2] = patterns[labels] + noise
    return made


def labels(classes: int, each: int) -> NDArray[np.uint8]:
    """`each` labels of every class, one class after the other."""
    return np.repeat(np.arange(classes), each).astype(np.uint8)


def idx(array: Array) -> bytes:
    """An IDX file of bytes, or of 32-bit integers where the array has these."""
    kind, order = (12, ">i4") if array.dtype == np.int32 else (8, "u1")
    header = struct.pack(f">HBB{array.ndim}I", 0, kind, array.ndim, *array.shape)
    return header + array.astype(order).tobytes()


def family(
    folder: Path,
    train: tuple[Array, Array],
    test: tuple[Array, Array],
    prefix: str = "",
    zipped: bool = True,
    names: tuple[str, str] = ("t10k", "idx1-ubyte"),
) -> Path:
    """The four IDX files of a member of MNIST's family."""
    folder.mkdir(parents=True, exist_ok=True)
    for part, (pictures, numbers) in {"train": train, names[0]: test}.items():
        for what, array in {"images-idx3-ubyte": pictures, f"labels-{names[1]}": numbers}.items():
            content = idx(array)
            path = folder / f"{prefix}{part}-{what}{'.gz' if zipped else ''}"
            path.write_bytes(gzip.compress(content, 1) if zipped else content)
    return folder


def keras(path: Path, classes: int, train: int, test: int) -> Path:
    """A .npz as Keras writes them, with so many images of each class."""
    learn, measure = labels(classes, train), labels(classes, test)
    np.savez(path, x_train=images(learn), y_train=learn, x_test=images(measure), y_test=measure)
    return path
