"""Files of a folder that several processes write: each is there only when it is whole."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path


def write(folder: Path, files: dict[str, bytes]) -> None:
    """Write all files, or none of them.

    Raises:
        OSError: they cannot be written.
    """
    made: list[Path] = []
    try:
        for name, content in files.items():
            made.append(folder / f".{name}")
            with made[-1].open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        for place, name in enumerate(files):
            made[place] = made[place].replace(folder / name)
    except BaseException:
        for path in made:
            path.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Until the end, nobody else has the folder locked. Some network drives know no locks: there
    the lock is left out."""
    if sys.platform == "win32":
        yield
        return
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
