"""Where many independent pieces of work are done: by local processes, or by a Dask cluster.

The seam is Python's own Executor: who has work submits it, and knows neither engine. Work that
was lost because its worker died ends in BrokenExecutor and may be submitted again.
"""

import multiprocessing
import os
import pickle
import signal
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from cnn_mnist import process

T = TypeVar("T")
Prepare = Callable[[], Callable[[], object]]  # what it returns undoes it


class Workers(Executor, ABC):
    """An Executor that says how many pieces of work it does at a time."""

    @property
    @abstractmethod
    def num_workers(self) -> int: ...


def nothing() -> Callable[[], object]:
    """The preparation of workers that need none."""
    return nothing


@contextmanager
def workers(
    count: int | None = None,
    scheduler: str | None = None,
    prepare: Prepare = nothing,
    threads: int = 1,
) -> Iterator[Workers]:
    """Workers for the length of a with-block; what still runs when it fails is stopped.

    Args:
        count: local processes; None takes one a core.
        scheduler: the address of a Dask scheduler, whose workers are used instead.
        prepare: called once in every worker, also in one that comes later. It travels to each
            worker once, with all that it holds.
        threads: of one local worker.

    Raises:
        ClusterError: there is no scheduler at the address, or it has no workers.
    """
    if scheduler:
        from cnn_mnist.cluster import cluster

        with cluster(scheduler, pickle.dumps(prepare)) as connected:
            yield connected
        return
    pool = Pool(count or process.num_cores(), pickle.dumps(prepare), threads)
    try:
        yield pool
    except BaseException:
        pool.stop()
        raise
    pool.shutdown()


class Pool(Workers):
    """Local processes. A pool that broke, since a worker died, is replaced by a new one."""

    def __init__(self, count: int, prepare: bytes, threads: int) -> None:
        self._count, self._start = count, (threads, prepare)
        self._pool = self._new()

    @property
    def num_workers(self) -> int:
        return self._count

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        try:
            return self._pool.submit(fn, *args, **kwargs)
        except BrokenExecutor:
            self._pool.shutdown()
            self._pool = self._new()
            return self._pool.submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._pool.shutdown(wait, cancel_futures=cancel_futures)

    def stop(self) -> None:
        """Shut down without waiting for what the workers are doing."""
        for child in multiprocessing.active_children():
            child.terminate()
        self.shutdown(cancel_futures=True)

    def _new(self) -> ProcessPoolExecutor:
        spawn = multiprocessing.get_context("spawn")  # a fork would copy torch's dead threads
        return ProcessPoolExecutor(self._count, spawn, _begin, self._start)


def _begin(threads: int, prepare: bytes) -> None:
    """The first thing in a new local worker, before anything heavy is loaded there."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ["OMP_NUM_THREADS"] = str(threads)
    os.environ.pop("OMP_PROC_BIND", None)  # would put each worker's threads on the same cores
    process.tune()
    pickle.loads(prepare)()


def _end_with_parent() -> None:
    """A parent that was killed cannot say so, and its workers would wait for work for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
