"""A .npz file with images and labels, as Keras and others write them."""

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnn_mnist.training.data.frames import Frames, from_stack
from cnn_mnist.training.data.splits import DataError

NAMES = (("x_train", "y_train", "x_test", "y_test"), ("images", "labels", "", ""))
DAMAGE = (
    OSError, ValueError, EOFError, KeyError, NotImplementedError, RuntimeError, SyntaxError,
    zipfile.BadZipFile, zlib.error,
)  # fmt: skip
MAX_LABELS = 1_000_000  # numeric labels must be below this; gaps are allowed
Part = tuple[Frames, NDArray[np.str_]]


def read_npz(path: Path) -> tuple[Part, Part | None, tuple[str, ...] | None]:
    """Training images with their labels as words, the test part if there is one, and the classes.

    The classes are in order if the file has them as `classes`, otherwise None.

    Raises:
        DataError: the file is damaged, or does not hold images and labels.
    """
    arrays = _arrays(path)
    for names in NAMES:
        if {names[0], names[1]} <= arrays.keys():
            break
    else:
        wanted = " nor ".join(f"{images} and {labels}" for images, labels, *_ in NAMES)
        raise DataError(f"{path} holds neither {wanted}")
    classes = tuple(map(str, arrays["classes"].tolist())) if "classes" in arrays else None
    train = _part(path, arrays, *names[:2], classes)
    test = _part(path, arrays, *names[2:], classes) if set(names[2:]) <= arrays.keys() else None
    return train, test, classes


def _arrays(path: Path) -> dict[str, NDArray[np.generic]]:
    """The relevant arrays; pickled ones are not loaded, since that may run any code."""
    wanted = {"classes", *(name for names in NAMES for name in names)}
    try:
        with path.open("rb") as file:
            is_zip = file.read(2) == b"PK"
            file.seek(0)
            if is_zip:
                loaded = np.load(file, allow_pickle=False)
                return {name: loaded[name] for name in wanted & loaded.keys()}
    except DAMAGE as error:
        why = "it holds Python objects" if "allow_pickle" in str(error) else str(error)
        raise DataError(f"{path} is not a .npz file of plain arrays: {why}") from error
    raise DataError(f"{path} is neither a .npz file nor a folder")


def _part(
    path: Path,
    arrays: Mapping[str, NDArray[np.generic]],
    images: str,
    labels: str,
    classes: tuple[str, ...] | None,
) -> Part:
    frames = from_stack(arrays[images], f"{path}, {images},")
    words = _words(arrays[labels], f"{path}, {labels},", classes)
    if len(words) != len(frames):
        raise DataError(f"{path} has {len(frames):,} {images} and {len(words):,} {labels}")
    return frames, words


def _words(
    labels: NDArray[np.generic], source: str, classes: tuple[str, ...] | None
) -> NDArray[np.str_]:
    """Words as they are; numbers as the classes they index, or as their digits."""
    labels = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    if labels.ndim != 1 or labels.dtype.kind not in "iuU":
        kind = f"{labels.dtype} {labels.shape}"
        raise DataError(f"{source} are {kind}; give each image a whole number or a word")
    if labels.dtype.kind == "U":
        return labels.astype(np.str_)
    numbers = np.asarray(labels, np.int64)
    most = len(classes) if classes else MAX_LABELS
    wrong = numbers[(numbers < 0) | (numbers >= most)]
    if len(wrong):
        raise DataError(f"{source} hold {wrong[0]}; they must be in 0..{most - 1}")
    return np.array(classes)[numbers] if classes else numbers.astype(np.str_)
