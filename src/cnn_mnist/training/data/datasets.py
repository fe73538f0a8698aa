"""A data set by its name, from disk or from the network."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from cnn_mnist.inference.recognition.normalize import to_mnist
from cnn_mnist.training.data.mnist import MIRRORS, load_mnist
from cnn_mnist.training.data.splits import DataError, Split, Splits

DATASETS = ("auto", "mnist", "digits")


def load(
    dataset: str = "auto",
    data_dir: str | os.PathLike[str] | None = None,
    mirrors: Sequence[str] = MIRRORS,
) -> Splits:
    """Get a data set, from disk or from the network.

    Args:
        dataset: "mnist", "digits" (scikit-learn's 1,797 bundled images), or "auto": MNIST
            where it can be had, else the digits, with a notice.
        data_dir: first folder to look in for the four official .gz files; then come
            $CNN_MNIST_DATA, the user's cache, and the mirrors.

    Raises:
        DataError: no such data set or folder, or MNIST was asked for and cannot be had.
    """
    if dataset not in DATASETS:
        raise DataError(f"no data set {dataset!r}; choose one of {', '.join(DATASETS)}")
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
            "MNIST is not to be had, so this uses scikit-learn's 1,797 bundled handwritten digits "
            f"instead: its figures say nothing about MNIST. ({error})"
        )
        return replace(_digits(), notice=notice)


def _digits() -> Splits:
    """scikit-learn's bundled digits; the last 360, mostly of writers not seen before, are the test.

    The 8×8 images become 28×28 by the same normalisation as everybody's digits.
    """
    from sklearn.datasets import load_digits

    bundle = load_digits()
    images = torch.from_numpy(np.stack([to_mnist(image / 16) for image in bundle.images]))
    split = Split(images, torch.from_numpy(bundle.target).long())
    return Splits("digits", train=split[:-360], test=split[-360:], source="scikit-learn")
