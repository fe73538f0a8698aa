"""How this process uses the machine: threads, cores and memory."""

import atexit
import ctypes
import gc
import os
import sys
import threading
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

# From glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
NEW_OBJECTS = 20_000  # between two garbage collections; an import alone creates more


def tune() -> None:
    """Pin threads to cores, keep freed memory, and collect garbage less often.

    Call it before torch is imported, which is when OpenMP reads its settings. Measurements are in
    docs/log.md and docs/results.md.
    """
    _bind_threads()
    keep_memory()
    _collect_less()


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


def _collect_less() -> None:
    """Search for garbage less often, and not at exit: what imports create stays until then."""
    gc.set_threshold(NEW_OBJECTS)
    atexit.register(gc.freeze)


def limit_blas() -> None:
    """Keep NumPy and OpenCV from starting BLAS threads; reading needs few matrix products.

    They start when the two are imported, and then spin for a tenth of a second.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def ignore_large_pictures() -> None:
    """Silence Pillow's warning about large pictures; our own limit is lower and ends in one line.

    The filter goes by the text, since Pillow's class would have to be imported.
    """
    warnings.filterwarnings("ignore", r"Image size \(\d+ pixels\) exceeds limit")


def end_with_parent() -> None:
    """End this child process as soon as its parent has ended.

    A killed parent cannot notify its children, which would wait forever.
    """
    import multiprocessing  # here, since predict does not need it

    if parent := multiprocessing.parent_process():
        threading.Thread(target=_end_after, args=[parent], daemon=True).start()


def _end_after(parent: "BaseProcess") -> None:
    parent.join()
    os._exit(1)


def num_cores() -> int:
    """Number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
