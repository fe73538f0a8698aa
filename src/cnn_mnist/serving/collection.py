"""A folder of labelled pictures: LABEL_ID.png, with the details in LABEL_ID.json."""

import contextlib
import json
import os
import secrets
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from cnn_mnist.inference.pictures.labels import NONE, NUMBER
from cnn_mnist.serving.folders import locked, write


class FullError(OSError):
    """The folder is full; the message says why and what to do."""


class Pair(NamedTuple):
    """A picture and its label: `png` is the encoded picture, `about` the JSON content."""

    label: str
    png: bytes
    about: dict[str, Any]

    @property
    def kind(self) -> str:
        """The file name prefix: the digit, none, or number."""
        is_one = self.label == NONE or len(self.label) == 1
        return self.label if is_one else NUMBER


class Collection:
    """A folder that several servers may share; files are never overwritten."""

    def __init__(self, folder: Path, limit: int) -> None:
        """Create the folder if it does not exist.

        Args:
            limit: maximum size of all files together, in bytes.

        Raises:
            ValueError: the folder cannot be created or written to.
        """
        self._folder, self._limit = folder, limit
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            reason = f"cannot store corrections in {folder}: {error.strerror}"
            raise ValueError(f"{reason}; choose another folder") from error

    def add(self, pairs: list[Pair]) -> list[str]:
        """Store all pairs, or none of them, and return the names of their pictures.

        Raises:
            FullError: the folder would exceed its size limit.
            OSError: the files cannot be written.
        """
        with locked(self._folder):
            names = [self._free_name(pair.kind) for pair in pairs]
            files: dict[str, bytes] = {}
            for name, pair in zip(names, pairs, strict=True):
                files[f"{name}.json"] = json.dumps({"label": pair.label, **pair.about}).encode()
                files[f"{name}.png"] = pair.png  # last, so that no picture lacks its label
            if self._size() + sum(map(len, files.values())) > self._limit:
                raise FullError(
                    f"the corrections folder is full ({self._limit >> 20} MiB); move some files "
                    "away, or start the server with a larger --max-collect"
                )
            write(self._folder, files)
        return [f"{name}.png" for name in names]

    def _free_name(self, kind: str) -> str:
        while True:
            name = f"{kind}_{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{secrets.token_hex(4)}"
            if not any((self._folder / f"{name}{end}").exists() for end in (".png", ".json")):
                return name

    def _size(self) -> int:
        size = 0
        with os.scandir(self._folder) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):  # someone may be deleting files
                    size += entry.stat().st_size if entry.is_file() else 0
        return size
