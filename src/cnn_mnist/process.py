"""How this process uses the machine: threads, cores and memory."""

import ctypes
import os
import sys

# From glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3


def tune() -> None:
    """Pin threads to cores and keep freed memory; both speed up training on a CPU.

    Call it before torch is imported, which is when OpenMP reads its settings. Measurements are in
    docs/log.md.
    """
    _bind_threads()
    keep_memory()


def _bind_threads() -> None:
    """Pin each of torch's threads to a core, unless the user or torchrun limits the threads.

    The system sometimes puts all threads, which wait for each other a hundred times per step, on
    one core and leaves them there, which makes a step 25 times slower.
    """
    if "OMP_NUM_THREADS" not in os.environ:
        os.environ.setdefault("OMP_PROC_BIND", "true")


def keep_memory() -> None:
    """Let glibc keep freed memory: getting it back page by page takes a tenth of a step."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        if hasattr(libc, "mallopt"):
            libc.mallopt(M_MMAP_THRESHOLD, 1 << 30)
            libc.mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1)


def num_cores() -> int:
    """Number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
