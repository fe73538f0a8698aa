"""Writing to a folder shared by several processes: a file appears only once it is complete."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path


def write(folder: Path, files: dict[str, bytes]) -> None:
    """Write all files, or none of them.

    Raises:
        OSError: the files cannot be written.
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
def locked(folder: Path, wait: bool = True) -> Iterator[None]:
    """Hold an exclusive lock on the folder, except on Windows.

    Args:
        wait: until the lock is free; network drives without locks are used unlocked.

    Raises:
        OSError: there is no such folder, or without `wait`, it cannot be locked now.
    """
    if sys.platform == "win32":
        yield
        return
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        if wait:
            with contextlib.suppress(OSError):
                fcntl.flock(handle, fcntl.LOCK_EX)
        else:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)
