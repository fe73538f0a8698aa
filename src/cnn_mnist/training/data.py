"""Where the images come from: find, fetch, verify, read.

Owns the lookup order, the mirrors and the checksums. Every MNIST file is read only after its
SHA-256 has been confirmed, wherever it was found.
"""

import gzip
import os
import struct
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pooch
import requests
import torch
import urllib3.exceptions
from numpy.typing import NDArray
from torch import Tensor

from cnn_mnist.inference.normalize import to_mnist

SHA256 = {
    "train-images-idx3-ubyte.gz": (
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"
    ),
    "train-labels-idx1-ubyte.gz": (
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"
    ),
    "t10k-images-idx3-ubyte.gz": (
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"
    ),
    "t10k-labels-idx1-ubyte.gz": (
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"
    ),
}
MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://raw.githubusercontent.com/fgnt/mnist/master/",
)
DATASETS = ("auto", "mnist", "digits")

# MNIST test images whose label is wrong by human review (Northcutt et al., NeurIPS 2021).
WRONG_TEST_LABELS = (
    947, 1621, 1901, 2130, 2462, 2597, 2654, 3520, 3558, 5937, 6651, 6783, 8527, 9679, 9729,
)  # fmt: skip
NUM_VAL = 10_000  # training images held out when something is chosen
NOT_A_DIGIT = -1  # label of an image that shows none of the ten


class DataError(ValueError):
    """The data asked for cannot be had; the message says what was tried and what to do."""


@dataclass(frozen=True)
class Split:
    """Images uint8 N×28×28 and their labels int64 N, on one device."""

    images: Tensor
    labels: Tensor
    wrong_labels: tuple[int, ...] = ()  # rows whose label is known to be wrong
    targets: Tensor | None = None  # a teacher's logits N×10, where there is one

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, rows: slice | Tensor) -> "Split":
        """Some of the images, by a slice or by their numbers."""

        def take(values: Tensor) -> Tensor:  # indexing by a tensor takes ten times as long
            return values[rows] if isinstance(rows, slice) else values.index_select(0, rows)

        targets = None if self.targets is None else take(self.targets)
        return Split(take(self.images), take(self.labels), targets=targets)

    def to(self, device: torch.device | str) -> "Split":
        return replace(self, images=self.images.to(device), labels=self.labels.to(device))


@dataclass(frozen=True)
class Splits:
    """A data set to train on. `notice` tells the user what he would not expect, or is empty;
    `source` is where it was read from."""

    name: str  # mnist or digits
    train: Split
    test: Split
    notice: str = ""
    source: str = ""

    def hold_out(self, num_val: int = NUM_VAL) -> "Splits":
        """The same data set with the last training images in place of the test images.

        For choosing settings without reading the test set.
        """
        if not 0 < num_val < len(self.train):
            raise DataError(f"cannot hold {num_val} of {len(self.train)} training images out")
        return replace(self, train=self.train[:-num_val], test=self.train[-num_val:])

    def to(self, device: torch.device | str) -> "Splits":
        return replace(self, train=self.train.to(device), test=self.test.to(device))


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
        return _mnist(data_dir, mirrors)
    except DataError as error:
        if dataset == "mnist":
            raise
        notice = (
            "MNIST is not to be had, so this uses scikit-learn's 1,797 bundled handwritten digits "
            f"instead: its figures say nothing about MNIST. ({error})"
        )
        return replace(_digits(), notice=notice)


def _mnist(data_dir: str | os.PathLike[str] | None, mirrors: Sequence[str]) -> Splits:
    cache = Path(pooch.os_cache("cnn-mnist"))
    given = [data_dir, os.environ.get("CNN_MNIST_DATA")]
    folders = [*(Path(folder) for folder in given if folder), cache]

    problems: list[str] = []
    paths = {name: _find(name, folders, problems) for name in SHA256}
    for name, path in paths.items():
        if path is None:
            paths[name] = _fetch(name, cache, mirrors, problems)

    source = ", ".join(sorted({str(path.resolve().parent) for path in paths.values() if path}))
    if problems or (data_dir and source != str(Path(data_dir).resolve())):
        problems.append(f"MNIST was read from {source}")
    arrays = [torch.from_numpy(read_idx(path)) for path in paths.values() if path is not None]
    train_images, train_labels, test_images, test_labels = arrays
    return Splits(
        "mnist",
        train=Split(train_images, train_labels.long()),
        test=Split(test_images, test_labels.long(), WRONG_TEST_LABELS),
        notice="; ".join(problems),
        source=source,
    )


def _find(name: str, folders: Sequence[Path], problems: list[str]) -> Path | None:
    """The first intact copy of a file; damaged ones on the way are named in `problems`."""
    for folder in folders:
        path = folder / name
        try:
            if not path.exists():
                continue
            if pooch.file_hash(str(path)) == SHA256[name]:
                return path
            problems.append(f"{path} is damaged (its SHA-256 is wrong) and was not used")
        except OSError as error:
            problems.append(f"{path} cannot be read ({error.strerror})")
    return None


class _Downloader:
    """Gets one file for pooch, within a time that trickling bytes cannot stretch.

    pooch's own downloader waits for every 1,024 bytes, however slowly they come.
    """

    def __init__(self, timeout: float, deadline: float) -> None:
        self._timeout = timeout  # seconds without a byte
        self._deadline = deadline  # seconds in all

    def __call__(self, url: str, output_file: str, _: object) -> None:
        end = time.monotonic() + self._deadline
        as_it_is = {"Accept-Encoding": "identity"}
        with (
            requests.get(url, stream=True, timeout=self._timeout, headers=as_it_is) as response,
            Path(output_file).open("wb") as file,
        ):
            response.raise_for_status()
            while chunk := self._read(response):
                file.write(chunk)
                if time.monotonic() > end:
                    raise TimeoutError

    def _read(self, response: requests.Response) -> bytes:
        """What has arrived, as soon as anything has; nothing at the end."""
        try:
            return bytes(response.raw.read1(2**16))
        except urllib3.exceptions.ReadTimeoutError as error:
            raise TimeoutError from error
        except urllib3.exceptions.HTTPError as error:
            raise requests.exceptions.ChunkedEncodingError from error


def _fetch(
    name: str,
    cache: Path,
    mirrors: Sequence[str],
    problems: list[str],
    timeout: float = 10,
    deadline: float = 120,
) -> Path:
    """Download one file into the cache: two tries a mirror, verified, moved into place whole."""
    pooch.get_logger().setLevel("WARNING")
    for mirror in mirrors:
        source = pooch.create(
            path=cache,
            base_url=mirror,
            registry={name: f"sha256:{SHA256[name]}"},
            retry_if_failed=1,
        )
        try:
            return Path(source.fetch(name, downloader=_Downloader(timeout, deadline)))
        except (requests.RequestException, ValueError, OSError) as error:
            problems.append(f"{urlsplit(mirror).netloc}: {_short(error)}")
    raise DataError(
        f"no intact {name} ({'; '.join(problems)}). Put the four MNIST .gz files into a folder "
        "and name it with --data-dir or CNN_MNIST_DATA, or use --dataset digits"
    )


def _short(error: Exception) -> str:
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"HTTP {error.response.status_code}"
    if isinstance(error, requests.Timeout | TimeoutError):
        return "too slow"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the download broke off"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return "not the file that was asked for" if isinstance(error, ValueError) else str(error)


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Read a gzipped IDX file of bytes (the format is described with MNIST itself).

    Raises:
        DataError: the file is not a whole IDX file of unsigned bytes.
    """
    try:
        raw = gzip.decompress(path.read_bytes())
        zeros, kind, num_dims = struct.unpack(">HBB", raw[:4])
        shape = struct.unpack(f">{num_dims}I", raw[4 : 4 + 4 * num_dims])
        array = np.frombuffer(raw, np.uint8, offset=4 + 4 * num_dims).reshape(shape)
    except (OSError, EOFError, zlib.error, struct.error, ValueError) as error:
        raise DataError(f"{path} is not a whole gzipped IDX file ({error})") from error
    if (zeros, kind) != (0, 8):
        raise DataError(f"{path} does not hold unsigned bytes in IDX format")
    return array.copy()  # frombuffer is read-only, which torch warns about


def _digits() -> Splits:
    """scikit-learn's bundled digits; the last 360, mostly of writers not seen before, are the test.

    The 8×8 images become 28×28 by the same normalisation as everybody's digits.
    """
    from sklearn.datasets import load_digits

    bundle = load_digits()
    images = torch.from_numpy(np.stack([to_mnist(image / 16) for image in bundle.images]))
    split = Split(images, torch.from_numpy(bundle.target).long())
    return Splits("digits", train=split[:-360], test=split[-360:], source="scikit-learn")
