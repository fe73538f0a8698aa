"""Files, folders, patterns, lists and fsspec addresses → an ordered stream of pictures."""

import glob
import itertools
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from cnn_mnist.inference.pictures.files import MAX_BYTES, SUFFIXES
from cnn_mnist.inference.pictures.page import ImageError


class Addresses:
    """The pictures that arguments and lists name, in a deterministic order.

    It can be iterated again. Only one level of a folder is in memory at a time.
    """

    def __init__(self, arguments: list[str], lists: list[Path]) -> None:
        """Name the sources; nothing is listed or read yet.

        Args:
            arguments: files, folders, patterns of files with * ? or [, or fsspec addresses.
            lists: files with one address per line, UTF-8; read after the arguments.
        """
        self._arguments, self._lists = arguments, lists

    def __iter__(self) -> Iterator[str]:
        for argument in self._arguments:
            yield from _below(argument)
        for path in self._lists:
            try:
                lines = path.open(encoding="utf-8", errors="surrogateescape")
            except OSError as error:
                raise ImageError(
                    f"{path} cannot be read: {error.strerror}; check --files-from"
                ) from error
            with lines:
                yield from filter(None, (line.rstrip("\r\n") for line in lines))


def source(address: str, folder: str) -> Callable[[], str | bytes]:
    """A function that fetches a picture: a local file's path, or the bytes at an address.

    Args:
        folder: base of relative paths.
    """
    if not is_remote(address):
        return partial(os.path.join, folder, address)
    import fsspec

    return partial(_content, *fsspec.core.url_to_fs(address))


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


def _below(argument: str) -> Iterator[str]:
    if is_remote(argument):
        yield from _remote(argument)
    elif os.path.isdir(argument):
        yield from _at_least_one(_walk(argument), argument)
    elif glob.has_magic(argument) and not os.path.exists(argument):
        found = sorted(glob.glob(argument, recursive=True))
        yield from _at_least_one(itertools.filterfalse(os.path.isdir, found), argument)
    else:
        yield argument


def _walk(folder: str) -> Iterator[str]:
    """The pictures below a folder, sorted by the parts of their paths."""
    with os.scandir(folder) as found:
        entries = sorted((e.name, e.is_dir(follow_symlinks=False)) for e in found)
    for name, is_folder in entries:
        if is_folder:
            yield from _walk(os.path.join(folder, name))
        elif _is_picture(name):
            yield os.path.join(folder, name)


def _remote(address: str) -> Iterator[str]:
    if _is_picture(address):  # asking a web server whether it is a folder costs a request
        yield address
        return
    import fsspec

    try:
        files, path = fsspec.core.url_to_fs(address)
    except ImportError as error:  # says what to install
        raise ImageError(f"{address} cannot be listed: {error}") from error
    yield from _at_least_one(_walk_remote(files, path), address)


def _walk_remote(files: Any, folder: str) -> Iterator[str]:
    try:
        entries = sorted((e["name"], e["type"]) for e in files.ls(folder, detail=True))
    except Exception as error:  # each file system raises its own errors
        raise ImageError(f"{folder} cannot be listed: {error or type(error).__name__}") from error
    for name, kind in entries:
        if kind == "directory":
            if name.startswith(folder.rstrip("/") + "/") and "?" not in name:  # never upwards
                yield from _walk_remote(files, name)
        elif _is_picture(name):
            yield files.unstrip_protocol(name)


def _at_least_one(addresses: Iterator[str], argument: str) -> Iterator[str]:
    """The addresses, unchanged; an error if there are none."""
    number = 0
    for number, address in enumerate(addresses, start=1):  # noqa: B007
        yield address
    if not number:
        raise ImageError(f"{argument}: no pictures found; supported formats: {', '.join(SUFFIXES)}")


def _is_picture(name: str) -> bool:
    return name.lower().endswith(SUFFIXES)
