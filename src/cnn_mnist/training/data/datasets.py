"""A data set by its name, from disk or from the network."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from cnn_mnist.inference.recognition.normalize import to_mnist
from cnn_mnist.training.data.mnist import MIRRORS, is_mnist, load_mnist
from cnn_mnist.training.data.splits import DATASETS, DIGITS, DataError, Split, Splits

if TYPE_CHECKING:
    from cnn_mnist.training.data.own import Collection


def load(
    dataset: str = "auto",
    data_dir: str | os.PathLike[str] | None = None,
    mirrors: Sequence[str] = MIRRORS,
) -> Splits:
    """Load a data set from disk or from the network.

    Args:
        dataset: "mnist", "digits" (scikit-learn's 1,797 bundled images), or "auto": MNIST if it can
            be found, else the digits, with a notice. Or the path of your own: a .npz file, or a
            folder of IDX files or of labelled pictures.
        data_dir: first folder to search for the four official .gz files, before
            $CNN_MNIST_DATA, the user's cache, and the mirrors.

    Raises:
        DataError: there is no such data set or folder, or MNIST is required but cannot be found.
    """
    _check_data_dir(dataset, data_dir)
    if dataset not in DATASETS:
        return load_mnist(dataset, ()) if is_mnist(Path(dataset)) else _own(dataset).splits()
    if dataset == "digits":
        return _digits()
    if data_dir and not Path(data_dir).is_dir():
        raise DataError(f"--data-dir {data_dir}: no such folder")
    try:
        return load_mnist(data_dir, mirrors)
    except DataError as error:
        if dataset == "mnist":
            raise
        notice = (
            "MNIST could not be found or downloaded, so this uses scikit-learn's 1,797 bundled "
            f"handwritten digits instead: its figures say nothing about MNIST. ({error})"
        )
        return replace(_digits(), notice=notice)


def load_for(
    classes: tuple[str, ...], learned: str, dataset: str, data_dir: Path | None = None
) -> Splits:
    """Load a data set to evaluate a model on; your own data without test images is used whole.

    Args:
        classes: the model's classes.
        learned: the sha256 of the custom data set that the model was trained on; only its test
            images are new to the model.

    Raises:
        DataError: as `load`, or there are images of a class that the model does not know.
    """
    _check_data_dir(dataset, data_dir)
    if dataset not in DATASETS and not is_mnist(Path(dataset)):
        found = _own(dataset)
        return found.splits() if found.sha256 == learned else found.for_model(classes)
    if classes != DIGITS:
        raise DataError(
            f"{dataset} has digits, and the model knows {', '.join(classes)}; evaluate it on a "
            "data set with these classes"
        )
    return load(dataset, data_dir)


def _check_data_dir(dataset: str, data_dir: str | os.PathLike[str] | None) -> None:
    if data_dir and dataset not in ("auto", "mnist"):
        raise DataError(f"--data-dir is for MNIST; leave it out with --dataset {dataset}")


def _own(path: str) -> "Collection":
    from cnn_mnist.training.data import own  # its reader takes a while to import

    return own.find(path)


def _digits() -> Splits:
    """scikit-learn's bundled digits; the last 360, mostly by new writers, are the test images.

    The 8×8 images are converted to 28×28 by the usual normalisation.
    """
    from sklearn.datasets import load_digits

    bundle = load_digits()
    images = torch.from_numpy(np.stack([to_mnist(image / 16) for image in bundle.images]))
    split = Split(images, torch.from_numpy(bundle.target).long())
    return Splits("digits", train=split[:-360], test=split[-360:], source="scikit-learn")
