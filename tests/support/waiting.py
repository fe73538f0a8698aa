"""Waiting for what is sure to come, on however slow or loaded a machine."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
TIMEOUT = 900  # seconds; only what hangs takes as long


def wait_until(condition: Callable[[], T]) -> T:
    """What the condition gives, as soon as that is true."""
    end = time.monotonic() + TIMEOUT
    while not (found := condition()):
        assert time.monotonic() < end, f"waited {TIMEOUT} seconds in vain"
        time.sleep(0.02)
    return found
