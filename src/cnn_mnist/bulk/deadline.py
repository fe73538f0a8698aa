"""A timeout for code that may never return."""

import faulthandler
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")

_ends: dict[object, float] = {}  # of the running blocks, at most one per thread
_lock = threading.Lock()
_nowhere = os.open(os.devnull, os.O_WRONLY)  # open for the life of the process


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """End this process, like a crash, if the block takes longer.

    faulthandler's watchdog is a thread in C, so it also ends a decoder that holds the GIL.
    """
    block = object()
    with _lock:
        _ends[block] = time.monotonic() + seconds
        _watch()
    try:
        yield
    finally:
        with _lock:
            del _ends[block]
            _watch()


def each(items: Iterator[T], seconds: float) -> Iterator[T]:
    """The items, each with its own deadline."""
    end = object()
    while True:
        with deadline(seconds):
            item = next(items, end)
        if item is end:
            return
        yield item  # type: ignore[misc]


def _watch() -> None:
    if not _ends:
        faulthandler.cancel_dump_traceback_later()
        return
    left = max(0.001, min(_ends.values()) - time.monotonic())
    faulthandler.dump_traceback_later(left, exit=True, file=_nowhere)
