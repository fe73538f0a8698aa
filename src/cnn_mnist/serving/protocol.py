"""uvicorn's HTTP protocol, with a timeout for slow requests."""

import asyncio
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from cnn_mnist.serving.refusal import HEADERS, LINGER_BYTES, answer

MAX_HEAD = 64 * 1024  # bytes of the request line and headers


class TimeoutProtocol(HttpToolsProtocol):
    """A request's headers must be short, and arrive within `timeout` seconds."""

    def __init__(self, *args: Any, timeout: float, **named: Any) -> None:
        super().__init__(*args, **named)
        self._timeout = timeout
        self._deadline: asyncio.TimerHandle | None = None
        self._head = 0  # bytes of it received so far
        self._is_refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Expect the first head."""
        super().connection_made(transport)
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        """Count the bytes of a head, and wait for the next one after each response."""
        if self.cycle is None or self.cycle.response_complete:
            self._expect_head()
        self._head += len(data)
        if self._is_refused:
            if self._head > LINGER_BYTES:
                self.transport.close()
            return
        super().data_received(data)
        if self._deadline is not None and self._head > MAX_HEAD:
            self._refuse(431, f"the headers are larger than {MAX_HEAD:,} bytes")

    def on_headers_complete(self) -> None:
        """Stop the timer: the head is here."""
        self._forget_head()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer: nobody is waiting."""
        self._forget_head()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Answer anything that is not HTTP with a JSON error."""
        self._refuse(400, "this is not an HTTP request")

    def _expect_head(self) -> None:
        if self._deadline is None:
            self._head = 0
            self._deadline = self.loop.call_later(self._timeout, self.transport.close)

    def _forget_head(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _refuse(self, status: int, message: str) -> None:
        """Answer an invalid request, and close the connection.

        It stays open until the client has read the answer or the timeout for its headers is over;
        see `middleware`.
        """
        if self._is_refused or self.transport.is_closing():
            return
        start, body = answer(status, {"error": message}, close=True)
        headers = b"".join(b"%s: %s\r\n" % pair for pair in [*start["headers"], *HEADERS])
        phrase = HTTPStatus(status).phrase.encode()
        head = b"HTTP/1.1 %d %s\r\n%s\r\n" % (status, phrase, headers)
        self.transport.write(head + body["body"])
        self._is_refused = self._deadline is not None
        if self._is_refused:
            self.transport.write_eof()
        else:  # in the middle of a body; the handler that reads it must be notified
            self.transport.close()
