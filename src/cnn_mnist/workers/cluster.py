"""A Dask cluster as Workers. Requires the extra `cluster`; no other module imports Dask."""

import logging
import pickle
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Future
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlsplit

from distributed import Client, KilledWorker, WorkerPlugin
from distributed.client import ClosedClientError
from distributed.comm.core import CommClosedError

from cnn_mnist import process
from cnn_mnist.workers.base import Workers

T = TypeVar("T")
TIMEOUT = 10  # seconds for a scheduler to answer, and for its first worker to appear


class ClusterError(ValueError):
    """No cluster answers at the address, or the connection was lost."""


@contextmanager
def cluster(address: str, prepare: bytes) -> Iterator["Cluster"]:
    """The workers of the scheduler at an address; see `workers.workers`.

    Raises:
        ClusterError: no scheduler answers at the address, or it has no workers.
    """
    logging.disable()  # our own messages say what matters
    try:
        with _connect(address) as client:
            try:
                client.wait_for_workers(1, timeout=TIMEOUT)
            except TimeoutError:
                raise ClusterError(
                    f"the scheduler at {address} has no workers; start some with: "
                    f"dask worker {address} --nthreads 1"
                ) from None
            name = f"cnn-mnist-{uuid.uuid4()}"
            client.register_plugin(_Preparation(prepare), name)
            try:
                yield Cluster(client, address)
            finally:
                # OSError: a worker has just died; AttributeError: the client is without scheduler.
                with suppress(OSError, AttributeError):
                    client.unregister_worker_plugin(name)
    finally:
        logging.disable(logging.NOTSET)


def _connect(address: str) -> Client:
    try:
        if urlsplit(address).port:
            return Client(address, timeout=TIMEOUT, set_as_default=False)
        raise ValueError("no port")
    except (OSError, TypeError, ValueError) as error:  # TypeError: tls:// without certificates
        raise ClusterError(
            f"no Dask scheduler answers at {address}; start one with: dask scheduler, "
            "and give its address as tcp://HOST:PORT"
        ) from error


class Cluster(Workers):
    """Dask's client as an Executor; tasks lost with their worker fail as in the standard library.

    Dask's own Executor leaves a future pending if the scheduler goes while its result is fetched.
    """

    def __init__(self, client: Client, address: str) -> None:
        self._client, self._address = client, address

    @property
    def num_workers(self) -> int:
        """The threads of all workers that are connected now, at least 1."""
        try:
            num_threads: list[int] = list(self._client.nthreads().values())
        except OSError as error:
            raise self._gone() from error
        return max(1, sum(num_threads))

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Start a task; a worker that dies with it ends in BrokenExecutor."""
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()
        try:
            # Tasks read files, so equal arguments may give different results: share none.
            done = self._client.submit(partial(fn, *args, **kwargs), pure=False)
        except ClosedClientError as error:
            raise self._gone() from error
        done.add_done_callback(partial(self._forward, future=future))
        if self._is_lost():  # nobody will run a task that was submitted after that
            raise self._gone()
        return future

    def _forward(self, done: Any, future: Future[T]) -> None:
        try:
            future.set_result(done.result())
        except KilledWorker as error:
            future.set_exception(BrokenExecutor(str(error)))
        except BaseException as error:
            # The connection may break before the client notices that its scheduler is gone.
            lost = isinstance(error, CancelledError | CommClosedError) or self._is_lost()
            future.set_exception(self._gone() if lost else error)

    def _is_lost(self) -> bool:
        """Whether the client has lost its scheduler."""
        return str(self._client.status) != "running"

    def _gone(self) -> ClusterError:
        return ClusterError(
            f"the scheduler at {self._address} is gone; once it is back, run the same "
            "command again to resume"
        )


class _Preparation(WorkerPlugin):
    """Dask runs it once on every worker, including later ones, and undoes it at the end."""

    def __init__(self, prepare: bytes) -> None:
        self._prepare = prepare
        self._undo: Callable[[], object] | None = None

    def setup(self, worker: object) -> None:
        process.keep_memory()  # Dask's nanny makes its workers return freed memory
        self._undo = pickle.loads(self._prepare)()

    def teardown(self, worker: object) -> None:
        if self._undo:
            self._undo()
