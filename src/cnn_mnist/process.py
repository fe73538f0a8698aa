"""How this process uses the machine: threads, cores and memory."""

import ctypes
import os
import sys

# From glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3


def tune() -> None:
    """Threads on cores of their own, and freed memory kept; both make training on a CPU faster.

    To be called before torch loads, which is when OpenMP reads its settings. What was measured is
    in docs/log.md.
    """
    _bind_threads()
    keep_memory()


def _bind_threads() -> None:
    """Keep each of torch's threads on one core, unless the user or torchrun limits the threads.

    Threads that wait for each other a hundred times a step are sometimes all put on one core by
    the system and left there, which makes a step 25 times slower.
    """
    if "OMP_NUM_THREADS" not in os.environ:
        os.environ.setdefault("OMP_PROC_BIND", "true")


def keep_memory() -> None:
    """Let glibc keep what a step frees: getting it back page by page takes a tenth of the step."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        if hasattr(libc, "mallopt"):
            libc.mallopt(M_MMAP_THRESHOLD, 1 << 30)
            libc.mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1)


def num_cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
