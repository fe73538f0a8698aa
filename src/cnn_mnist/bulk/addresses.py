"""Files, folders, patterns, lists and fsspec addresses → an ordered stream of pictures."""

import glob
import os
import posixpath
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from cnn_mnist.inference.pictures.files import MAX_BYTES, SUFFIXES, is_hidden
from cnn_mnist.inference.pictures.page import ImageError

NO_PICTURES = f"no pictures found; supported formats: {', '.join(SUFFIXES)}"


class DriverError(ValueError):
    """An address needs a library that is not installed; the message names it."""


class Addresses:
    """The pictures that arguments and lists name, in a deterministic order.

    It can be iterated again. Only one level of a folder is in memory at a time. After an iteration,
    `empty` holds the arguments without pictures.
    """

    def __init__(self, arguments: list[str], lists: list[Path]) -> None:
        """Name the sources; nothing is listed or read yet.

        Args:
            arguments: files, folders, patterns of files with * ? or [, or fsspec addresses.
            lists: files with one address per line, UTF-8; read after the arguments.
        """
        self._arguments, self._lists = arguments, lists
        self.empty: list[str] = []
        self._num_skipped = 0

    def __iter__(self) -> Iterator[str]:
        """Yield the addresses.

        Raises:
            ImageError: there are only arguments without pictures, or a list or the folder at an
                address cannot be read.
            DriverError: an address needs a library that is not installed.
        """
        self.empty, self._num_skipped = [], 0
        for argument in self._arguments:
            found = self._below(argument)
            first = next(found, None)
            if first is None:
                self.empty.append(argument)
            else:
                yield first
                yield from found
        if self.empty == self._arguments and not self._lists:
            raise ImageError(f"{', '.join(self.empty)}: {NO_PICTURES}")
        for path in self._lists:
            try:
                lines = path.open(encoding="utf-8", errors="surrogateescape")
            except OSError as error:
                raise ImageError(
                    f"{path} cannot be read: {error.strerror}; check --files-from"
                ) from error
            with lines:
                yield from filter(None, (line.rstrip("\r\n") for line in lines))

    def notices(self) -> list[str]:
        """What the last iteration left out: empty arguments, and files that are not pictures."""
        told = [f"{argument}: {NO_PICTURES}" for argument in self.empty]
        if self._num_skipped:
            told.append(
                f"files that match a pattern but do not end in {', '.join(SUFFIXES)}: "
                f"{self._num_skipped:,} skipped"
            )
        return told

    def _below(self, argument: str) -> Iterator[str]:
        if is_remote(argument):
            return _remote(argument)
        if os.path.isdir(argument):
            return _walk(argument)
        if glob.has_magic(argument) and not os.path.exists(argument):
            return self._matches(argument)
        return iter([argument])

    def _matches(self, pattern: str) -> Iterator[str]:
        for path in sorted(glob.glob(pattern, recursive=True)):
            if os.path.isdir(path):
                continue
            if _is_picture(path):
                yield path
            else:
                self._num_skipped += 1


def source(address: str, folder: str) -> Callable[[], str | bytes]:
    """A function that fetches a picture: a local file's path, or the bytes at an address.

    Args:
        folder: base of relative paths.
    """
    if not is_remote(address):
        return partial(os.path.join, folder, address)
    return partial(_content, *_file_system(address))


def _file_system(address: str) -> tuple[Any, str]:
    """The file system of an address, and the path there.

    Raises:
        DriverError: it needs a library that is not installed.
        ModuleNotFoundError: fsspec itself is not installed.
    """
    import fsspec

    try:
        return fsspec.core.url_to_fs(address)  # type: ignore[no-any-return]
    except ImportError as error:
        raise DriverError(f"{address} cannot be opened: {error}") from error


def _content(files: Any, path: str) -> bytes:
    """The bytes of a picture, truncated above the maximum size."""
    try:
        with files.open(path, "rb") as file:
            return bytes(file.read(MAX_BYTES + 1))
    except FileNotFoundError:
        raise ImageError("no such file; check the address") from None
    except Exception as error:  # each file system raises its own errors
        raise ImageError(f"it cannot be fetched: {error or type(error).__name__}") from error


def is_remote(address: str) -> bool:
    """Whether an address is fsspec's, as in s3://bucket/scan.png."""
    return "://" in address


def _walk(folder: str) -> Iterator[str]:
    """The pictures below a folder, sorted by the parts of their paths, without hidden ones."""
    with os.scandir(folder) as found:
        visible = (e for e in found if not is_hidden(e.name))
        entries = sorted((e.name, e.is_dir(follow_symlinks=False)) for e in visible)
    for name, is_folder in entries:
        if is_folder:
            yield from _walk(os.path.join(folder, name))
        elif _is_picture(name):
            yield os.path.join(folder, name)


def _remote(address: str) -> Iterator[str]:
    if _is_picture(address):  # asking a web server whether it is a folder costs a request
        yield address
        return
    yield from _walk_remote(*_file_system(address))


def _walk_remote(files: Any, folder: str) -> Iterator[str]:
    try:
        found = sorted((e["name"], e["type"]) for e in files.ls(folder, detail=True))
    except Exception as error:  # each file system raises its own errors
        raise ImageError(f"{folder} cannot be listed: {error or type(error).__name__}") from error
    for name, kind in found:
        if is_hidden(posixpath.basename(name.rstrip("/"))):
            continue
        if kind == "directory":
            if name.startswith(folder.rstrip("/") + "/") and "?" not in name:  # never upwards
                yield from _walk_remote(files, name)
        elif _is_picture(name):
            yield files.unstrip_protocol(name)


def _is_picture(name: str) -> bool:
    return name.lower().endswith(SUFFIXES)
