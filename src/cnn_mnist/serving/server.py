"""Processes, sockets and logs around the application."""

import asyncio
import json
import logging
import logging.config
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.supervisors import Multiprocess

from cnn_mnist.inference.classifier import Classifier
from cnn_mnist.serving.limits import HEADERS, Limits, answer

MAX_HEAD = 64 * 1024  # bytes of a request line and headers
GRACE = 30  # seconds that accepted requests have to finish after SIGTERM
METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"


def serve(
    host: str,
    port: int,
    workers: int,
    model: Path | None,
    limits: Limits,
    token: str | None,
    origins: tuple[str, ...],
    on_listening: Callable[[str], None],
) -> None:
    """Serve until SIGTERM or Ctrl-C, then finish what was accepted.

    Raises:
        ValueError: the model file is none, or the address cannot be bound.
    """
    Classifier(model)  # a wrong file is told here, once, and not by every worker
    listener = _listen(host, port)
    folder = tempfile.mkdtemp(prefix="cnn-mnist-metrics-")
    os.environ[METRICS_FOLDER] = folder
    # Loaded now, since prometheus_client asks for its folder when it loads.
    from cnn_mnist.serving.app import create

    threads = max(1, _num_cores() // workers)
    config = uvicorn.Config(
        partial(create, model, limits, token, origins, threads),
        factory=True,
        workers=workers,
        http=partial(PatientProtocol, patience=limits.patience),  # type: ignore[arg-type]
        ws="none",
        lifespan="on",
        access_log=False,
        server_header=False,
        log_config=LOGGING,
        timeout_graceful_shutdown=GRACE,
    )
    on_listening(_url(listener.getsockname()))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # uvicorn raises it again at its end
    try:
        if workers == 1:
            uvicorn.Server(config).run([listener])
        else:
            Multiprocess(config, [listener]).run()
    finally:
        listener.close()
        shutil.rmtree(folder, ignore_errors=True)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ValueError(
            f"cannot listen on {host} port {port}: {reason}; choose another"
        ) from error
    listener.set_inheritable(True)
    return listener


def _url(address: tuple[Any, ...]) -> str:
    host = f"[{address[0]}]" if ":" in address[0] else address[0]
    return f"http://{host}:{address[1]}/"


def _num_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class PatientProtocol(HttpToolsProtocol):
    """HTTP where a request's head must be short and arrive in time."""

    def __init__(self, *args: Any, patience: float, **named: Any) -> None:
        super().__init__(*args, **named)
        self._patience = patience
        self._deadline: asyncio.TimerHandle | None = None
        self._head = 0  # bytes that have arrived of it

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self._expect_head()
        self._head += len(data)
        super().data_received(data)
        if self._deadline is not None and self._head > MAX_HEAD:
            self._refuse(431, f"the headers are larger than {MAX_HEAD:,} bytes")

    def on_headers_complete(self) -> None:
        self._forget_head()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_head()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, "this is no HTTP request")

    def _expect_head(self) -> None:
        if self._deadline is None:
            self._head = 0
            self._deadline = self.loop.call_later(self._patience, self.transport.close)

    def _forget_head(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _refuse(self, status: int, message: str) -> None:
        """Answer what never became a request, and hang up."""
        if self.transport.is_closing():
            return
        start, body = answer(status, {"error": message}, close=True)
        headers = b"".join(b"%s: %s\r\n" % pair for pair in [*start["headers"], *HEADERS])
        phrase = HTTPStatus(status).phrase.encode()
        head = b"HTTP/1.1 %d %s\r\n%s\r\n" % (status, phrase, headers)
        self.transport.write(head + body["body"])
        self.transport.close()


class JsonFormatter(logging.Formatter):
    """One JSON object a line; what a picture holds is never in it."""

    def format(self, record: logging.LogRecord) -> str:
        values = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            + f".{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            "pid": record.process,
        }
        values |= {k: v for k, v in vars(record).items() if k in FIELDS}
        if record.exc_info:
            values["error"] = self.formatException(record.exc_info)
        return json.dumps(values)


FIELDS = ("method", "route", "status", "ms", "bytes", "client")
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": JsonFormatter}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {"uvicorn": {"level": "INFO"}},
}
