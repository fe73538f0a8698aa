"""A folder of pictures with labels: LABEL_ID.png, and beside it LABEL_ID.json, which tells more."""

import contextlib
import json
import os
import secrets
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from cnn_mnist.serving.folders import locked, write

NONE = "none"  # the label of what is not a digit
NUMBER = "number"  # begins the name of what is neither one digit nor none


class FullError(OSError):
    """There is no room for more; the message says why and what to do."""


class Pair(NamedTuple):
    """What makes a pair of files: `png` is the encoded picture, `about` what the JSON holds."""

    label: str
    png: bytes
    about: dict[str, Any]

    @property
    def kind(self) -> str:
        """What its name begins with: the digit, none, or number."""
        is_one = self.label == NONE or len(self.label) == 1
        return self.label if is_one else NUMBER


class Collection:
    """Any number of servers may add to one folder; nothing in it is ever overwritten."""

    def __init__(self, folder: Path, limit: int) -> None:
        """Make the folder where it is missing.

        Args:
            limit: bytes of all its files.

        Raises:
            ValueError: it cannot be made, or not be written.
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
        """Store all pairs, or none of them, and give the names of their pictures.

        Raises:
            FullError: the folder would have more bytes than the limit.
            OSError: they cannot be written.
        """
        with locked(self._folder):
            names = [self._free_name(pair.kind) for pair in pairs]
            files: dict[str, bytes] = {}
            for name, pair in zip(names, pairs, strict=True):
                files[f"{name}.json"] = json.dumps({"label": pair.label, **pair.about}).encode()
                files[f"{name}.png"] = pair.png  # last, so that no picture is without its label
            if self._size() + sum(map(len, files.values())) > self._limit:
                raise FullError(
                    f"the folder of corrections has its {self._limit >> 20} MiB; move some away, "
                    "or start the server with a larger --max-collect"
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
                with contextlib.suppress(FileNotFoundError):  # somebody tidies up meanwhile
                    size += entry.stat().st_size if entry.is_file() else 0
        return size
