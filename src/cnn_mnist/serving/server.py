"""The server's processes and its listening socket."""

import contextlib
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
import weakref
from collections.abc import Callable, Iterator
from functools import partial
from multiprocessing.reduction import DupFd
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.supervisors import Multiprocess

from cnn_mnist import process
from cnn_mnist.inference.recognition.classifier import Classifier
from cnn_mnist.serving.collection import Collection
from cnn_mnist.serving.folders import locked
from cnn_mnist.serving.log import log_config
from cnn_mnist.serving.protocol import TimeoutProtocol
from cnn_mnist.serving.settings import METRICS_FOLDER, Settings

GRACE = 30  # seconds for accepted requests to finish after SIGTERM
SILENCE = 30  # seconds without a heartbeat before a worker is replaced; loading takes a while
BACKLOG = 2048  # connections waiting to be accepted
HOLD_BACK, MAX_HOLD_BACK = 0.25e-3, 2e-3  # seconds for each open connection of a worker
METRICS_PREFIX = "cnn-mnist-metrics-"


def serve(
    host: str, port: int, workers: int, settings: Settings, on_listening: Callable[[str], None]
) -> None:
    """Serve until SIGTERM or Ctrl-C, then finish what was accepted.

    Raises:
        ValueError: the model file is invalid, the address cannot be bound, or corrections
            cannot be stored.
    """
    # Fail here, once, rather than in every worker.
    Classifier(settings.model)
    if settings.collect:
        Collection(settings.collect, settings.limits.collected)
    threads = max(1, process.num_cores() // workers)
    create = partial(_application, settings, threads)
    listener = listen(host, port)
    with metrics_folder() as folder:
        os.environ[METRICS_FOLDER] = folder
        run(create, listener, workers, settings.limits.timeout, on_listening)


@contextlib.contextmanager
def metrics_folder() -> Iterator[str]:
    """A locked temporary folder for the counters of all workers."""
    remove_abandoned()
    hidden = Path(tempfile.mkdtemp(prefix=f".{METRICS_PREFIX}"))
    with locked(hidden):  # before another server that starts may take it for abandoned
        folder = hidden.rename(hidden.with_name(hidden.name[1:]))
        try:
            yield str(folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def remove_abandoned() -> None:
    """Remove the metrics folders of killed servers: nobody holds their lock."""
    if sys.platform == "win32":  # nothing is locked there
        return
    for folder in Path(tempfile.gettempdir()).glob(f"{METRICS_PREFIX}*"):
        with contextlib.suppress(OSError), locked(folder, wait=False):  # or another user's
            shutil.rmtree(folder)


def _application(settings: Settings, threads: int) -> ASGIApp:
    from cnn_mnist.serving.app import create  # prometheus_client reads its folder when imported

    process.end_with_parent()
    return create(settings, threads)


def run(
    create: Callable[[], ASGIApp],
    listener: socket.socket,
    workers: int,
    timeout: float,
    on_listening: Callable[[str], None],
    log_level: str = "INFO",
) -> None:
    """Run an application on a listening socket until SIGTERM or Ctrl-C."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # uvicorn raises it again at its end
    config = uvicorn.Config(
        create,
        factory=True,
        workers=workers,
        backlog=BACKLOG,
        http=partial(TimeoutProtocol, timeout=timeout),  # type: ignore[arg-type]
        loop="auto" if workers == 1 else "asyncio",  # uvloop bypasses SharedListener.accept
        ws="none",
        lifespan="on",
        access_log=False,
        server_header=False,
        log_config=log_config(log_level),
        timeout_graceful_shutdown=GRACE,
        timeout_worker_healthcheck=SILENCE,
    )
    on_listening(_url(listener.getsockname()))
    try:
        if workers == 1:
            Server(config).run([listener])
        else:
            listener = SharedListener(fileno=listener.detach())
            Supervisor(config, [listener]).run()
    finally:
        listener.close()


class Server(uvicorn.Server):
    """Ends after Ctrl-C with KeyboardInterrupt, also if the event loop loses it at its end."""

    _was_interrupted = False

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Note Ctrl-C."""
        super().handle_exit(sig, frame)
        self._was_interrupted |= sig == signal.SIGINT

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until SIGTERM or Ctrl-C."""
        super().run(sockets)
        if self._was_interrupted:
            raise KeyboardInterrupt


class Supervisor(Multiprocess):
    """Ends like a single server after Ctrl-C: with KeyboardInterrupt, once its workers have."""

    def handle_int(self) -> None:
        """Note Ctrl-C."""
        super().handle_int()
        self._was_interrupted = True

    def run(self) -> None:
        """Supervise the workers until SIGTERM or Ctrl-C."""
        self._was_interrupted = False
        super().run()
        if self._was_interrupted:
            raise KeyboardInterrupt


class SharedListener(socket.socket):
    """A listening socket that distributes connections to the least busy of several workers.

    asyncio accepts all waiting connections at once, so the first worker to wake up would get
    every client. Here a worker accepts one at a time, and waits longer the more it has.
    """

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._held: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._gave = False

    def accept(self) -> tuple[socket.socket, Any]:
        """Accept one connection at a time, the later the more are held already."""
        if self._gave:
            self._gave = False
            raise BlockingIOError
        time.sleep(min(HOLD_BACK * len(self._held), MAX_HOLD_BACK))
        connection = super().accept()
        self._gave = True
        self._held.add(connection[0])
        return connection

    def __reduce__(self) -> tuple[Callable[..., "SharedListener"], tuple[Any, ...]]:
        return _inherited, (DupFd(self.fileno()), self.family, self.type)


def _inherited(handle: Any, family: int, kind: int) -> SharedListener:
    return SharedListener(family, kind, fileno=handle.detach())


def listen(host: str, port: int) -> socket.socket:
    """Open a listening socket.

    Raises:
        ValueError: the address cannot be bound.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except (OSError, OverflowError) as error:
        # Python appends the address, which the message has already, after a parenthesis
        reason = (getattr(error, "strerror", None) or str(error)).partition(" (")[0]
        raise ValueError(
            f"cannot listen on {host} port {port}: {reason}; choose another --host or --port"
        ) from error
    listener.set_inheritable(True)
    return listener


def _url(address: tuple[Any, ...]) -> str:
    host = f"[{address[0]}]" if ":" in address[0] else address[0]
    return f"http://{host}:{address[1]}/"
