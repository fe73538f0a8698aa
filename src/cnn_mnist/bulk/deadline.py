"""A timeout for code that may never return."""

import faulthandler
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")

_ends: dict[object, float] = {}  # of the blocks that run now, one a thread at most
_lock = threading.Lock()
_nowhere = os.open(os.devnull, os.O_WRONLY)  # for the life of the process


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """End this process, as a crash would, if the block takes longer.

    The watch is faulthandler's, a thread in C: it also ends a decoder that holds Python's lock.
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
    """The items, each with a deadline of its own."""
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
