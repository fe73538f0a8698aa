"""A worker's task: some addresses → one line of JSON for each page."""

import functools
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2

from cnn_mnist import shelf
from cnn_mnist.bulk.addresses import DriverError, source
from cnn_mnist.bulk.deadline import each
from cnn_mnist.inference.pictures.page import ImageError
from cnn_mnist.inference.reader import Reader
from cnn_mnist.inference.reading import Reading

FORMAT = 3  # version of the line format


@dataclass(frozen=True)
class Settings:
    """How pictures are read. The paths must be valid on the workers, too."""

    single: bool
    model: str  # an exported file or a model's name
    model_sha256: str
    timeout: float  # seconds per picture, or per page of it
    folder: str  # base of relative paths

    @classmethod
    def here(cls, single: bool, model: str | None, timeout: float) -> "Settings":
        """Settings for workers that see the same files as this process.

        Raises:
            ValueError: the model is invalid.
        """
        Reader(model)  # fail here, not in every worker
        model = shelf.DIGITS if model is None else model
        model = model if shelf.is_name(model) else os.path.abspath(model)
        return cls(single, model, shelf.sha256(_path(model)), timeout, os.getcwd())

    def kept(self) -> dict[str, object]:
        """The settings that must be the same for all lines of a file, as messages name them."""
        return {
            "--single": self.single,
            "--model": self.model_sha256,
            "version of cnn-mnist": FORMAT,
        }


def read(addresses: Sequence[str], settings: Settings) -> bytes:
    """Read pictures: one line per page, in order.

    A page that takes longer than the timeout ends this process.

    Raises:
        ModuleNotFoundError: an address needs fsspec, which is not installed.
        DriverError: it needs another library that is not installed.
    """
    reader = _reader(settings.model, settings.model_sha256)
    lines = []
    for address in addresses:
        done = 0
        try:
            fetch = source(address, settings.folder)  # may import a file system, which takes time
            for reading in each(_pages(reader, fetch, settings.single), settings.timeout):
                lines.append(_line(address, reading))
                done += 1
        except (ModuleNotFoundError, DriverError):  # the job can be resumed after it is installed
            raise
        except Exception as error:  # a failing picture does not stop the others
            kind = "" if isinstance(error, ImageError) else f"{type(error).__name__}: "
            lines.append(_line(address, Reading.unreadable(f"{kind}{error}", done + 1)))
    return b"".join(lines)


def given_up(address: str, reason: str) -> bytes:
    """The line of a picture that no worker could read."""
    return _line(address, Reading.unreadable(reason))


def _pages(reader: Reader, fetch: Callable[[], str | bytes], single: bool) -> Iterator[Reading]:
    yield from reader.read_pages(fetch(), single)


def _line(address: str, reading: Reading) -> bytes:
    return json.dumps({"path": address, **reading.to_dict()}).encode() + b"\n"


@functools.cache
def _reader(model: str, sha256: str) -> Reader:
    path = _path(model)
    if shelf.sha256(path) != sha256:
        raise ValueError(f"a worker has a different model at {path}; give all workers the same one")
    cv2.setNumThreads(1)
    return Reader(path, threads=1)


def _path(model: str) -> Path:
    return shelf.file(model, shelf.ONNX) if shelf.is_name(model) else Path(model)
