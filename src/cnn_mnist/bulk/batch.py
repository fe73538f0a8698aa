"""A worker's part: some addresses → a line of JSON for each page there."""

import functools
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2

from cnn_mnist import shelf
from cnn_mnist.bulk.addresses import source
from cnn_mnist.bulk.deadline import each
from cnn_mnist.inference.pictures.image import ImageError
from cnn_mnist.inference.reader import Reader, Reading, unreadable

FORMAT = 3  # of the lines


@dataclass(frozen=True)
class Settings:
    """How pictures are read. The paths are the workers' too."""

    single: bool
    model: str  # an exported file, or a name of the shelf
    model_sha256: str
    timeout: float  # seconds for a picture, or for each of its pages
    folder: str  # that relative paths start from

    @classmethod
    def here(cls, single: bool, model: str | None, timeout: float) -> "Settings":
        """For workers that see the files as this process does.

        Raises:
            ValueError: the model is none.
        """
        Reader(model)  # a wrong file is told here, and not by every worker
        model = shelf.DIGITS if model is None else model
        model = model if shelf.is_name(model) else os.path.abspath(model)
        return cls(single, model, shelf.sha256(_path(model)), timeout, os.getcwd())

    def kept(self) -> dict[str, object]:
        """What must be the same for all lines of a file."""
        return {"single": self.single, "model_sha256": self.model_sha256, "format": FORMAT}


@dataclass(frozen=True)
class Batch:
    """What became of some pictures: a line for each page, in their order."""

    lines: bytes
    num_unreadable: int


def read(addresses: Sequence[str], settings: Settings) -> Batch:
    """Read pictures; a page that takes longer than the timeout ends this process."""
    reader = _reader(settings.model, settings.model_sha256)
    lines, num_unreadable = [], 0
    for address in addresses:
        done = 0
        try:
            fetch = source(address, settings.folder)  # may load a file system, which takes time
            for reading in each(_pages(reader, fetch, settings.single), settings.timeout):
                lines.append(_line(address, reading))
                done += 1
        except Exception as error:  # whatever one picture does, the others are read
            kind = "" if isinstance(error, ImageError) else f"{type(error).__name__}: "
            lines.append(_line(address, unreadable(f"{kind}{error}", done + 1)))
            num_unreadable += 1
    return Batch(b"".join(lines), num_unreadable)


def given_up(address: str, reason: str) -> Batch:
    """A picture that could not be read by any worker."""
    return Batch(_line(address, unreadable(reason)), 1)


def _pages(reader: Reader, fetch: Callable[[], str | bytes], single: bool) -> Iterator[Reading]:
    yield from reader.read_pages(fetch(), single)


def _line(address: str, reading: Reading) -> bytes:
    return json.dumps({"path": address, **reading.to_dict()}).encode() + b"\n"


@functools.cache
def _reader(model: str, sha256: str) -> Reader:
    path = _path(model)
    if shelf.sha256(path) != sha256:
        raise ValueError(f"a worker has another model at {path}; give all workers the same")
    cv2.setNumThreads(1)
    return Reader(path, threads=1)


def _path(model: str) -> Path:
    return shelf.file(model, shelf.ONNX) if shelf.is_name(model) else Path(model)
