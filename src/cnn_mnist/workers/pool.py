"""Local processes as Workers."""

import multiprocessing
import os
import pickle
import signal
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from typing import Any, TypeVar

from cnn_mnist import process
from cnn_mnist.workers.base import Workers

T = TypeVar("T")


class Pool(Workers):
    """Local processes. A pool broken by the death of a worker is replaced by a new one."""

    def __init__(self, count: int, prepare: bytes, threads: int) -> None:
        self._count, self._start = count, (threads, prepare)
        self._pool = self._new()

    @property
    def num_workers(self) -> int:
        """The number of processes."""
        return self._count

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Start a task, in a new pool if the previous one broke."""
        try:
            return self._pool.submit(fn, *args, **kwargs)
        except BrokenExecutor:
            self._pool.shutdown()
            self._pool = self._new()
            return self._pool.submit(fn, *args, **kwargs)

    def stop(self) -> None:
        """End all processes, whatever they are doing.

        They are not asked to leave: one that is killed while it waits for the queue takes the
        queue's lock with it, and the others would never see the request.
        """
        for child in list((self._pool._processes or {}).values()):
            child.terminate()
        self._pool.shutdown(cancel_futures=True)

    def _new(self) -> ProcessPoolExecutor:
        spawn = multiprocessing.get_context("spawn")  # a fork would copy torch's dead threads
        return ProcessPoolExecutor(self._count, spawn, _begin, self._start)


def _begin(threads: int, prepare: bytes) -> None:
    """Set up a new local worker, before anything heavy is imported there."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C
    process.end_with_parent()
    os.environ["OMP_NUM_THREADS"] = str(threads)
    os.environ.pop("OMP_PROC_BIND", None)  # would pin all workers' threads to the same cores
    process.tune()
    process.ignore_large_pictures()
    pickle.loads(prepare)()
