"""Middleware that refuses invalid requests early, before they cost anything."""

import asyncio
import contextlib
import hmac
import logging
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cnn_mnist.serving import metrics
from cnn_mnist.serving.refusal import FAILED, HEADERS, LINGER_BYTES, Refusal, answer
from cnn_mnist.serving.settings import Limits

API = "/v1/"
ROUTES = (
    "/",
    "/explore/",
    "/v1/predict",
    "/v1/corrections",
    "/healthz",
    "/readyz",
    "/metrics",
    "/openapi.json",
)
SHORT = 64 * 1024  # bytes of its body that a refused client may still send
PAUSE = 1.0  # seconds before the next request of a refused client is read; as in Retry-After
LINGER = 3  # times the timeout: how long a refused client may keep sending
GONE = 499  # the client disconnected before the response; nginx's status code
log = logging.getLogger("cnn_mnist.serving")


class RequestMiddleware:
    """Limits, token, security headers, metrics and log for every request; hides tracebacks."""

    def __init__(self, app: ASGIApp, limits: Limits, token: str | None = None) -> None:
        self._app, self._limits, self._token = app, limits, token
        self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check a request, pass it on with its body in the scope, and log it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        incoming, exchange = _Incoming(receive), _Exchange(scope, send)
        hasty = False
        try:
            await self._admit(scope, incoming, exchange)
        except Refusal as refusal:
            close = _must_close(scope, refusal)
            hasty = refusal.status == 503 and not close
            await exchange.refuse(refusal, close)
        except Exception as error:
            log.error("failed", exc_info=error)
            await exchange.refuse(Refusal(500, FAILED), close=True)
        finally:
            exchange.record()
        if hasty:
            await asyncio.sleep(PAUSE)
        else:
            await incoming.drop(self._limits.timeout)
        await exchange.send_end()

    async def _admit(self, scope: Scope, incoming: "_Incoming", exchange: "_Exchange") -> None:
        if not scope["path"].startswith(API):
            await self._app(scope, incoming, exchange.send)
            return
        headers = dict(scope["headers"])
        self._authorize(headers.get(b"authorization", b""))
        if self._in_flight >= self._limits.in_flight:
            raise Refusal(503, "too many requests at once; try again in a second")
        self._in_flight += 1
        metrics.IN_FLIGHT.inc()
        try:
            scope["body"] = await self._body(headers, incoming)
            exchange.num_bytes = len(scope["body"])
            await self._app(scope, incoming, exchange.send)
        finally:
            self._in_flight -= 1
            metrics.IN_FLIGHT.dec()

    def _authorize(self, header: bytes) -> None:
        if self._token is None:
            return
        kind, _, token = header.partition(b" ")
        if kind.lower() != b"bearer" or not hmac.compare_digest(token, self._token.encode()):
            raise Refusal(401, "this request needs the header Authorization: Bearer TOKEN")

    async def _body(self, headers: dict[bytes, bytes], receive: Receive) -> bytes:
        too_large = Refusal(413, f"the body is larger than {self._limits.body:,} bytes")
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and int(length[:20]) > self._limits.body:
            raise too_large
        parts, size = [], 0
        try:
            async with asyncio.timeout(self._limits.timeout):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise Refusal(GONE, "the client disconnected")
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    if size > self._limits.body:
                        raise too_large
                    if not message.get("more_body"):
                        return b"".join(parts)
        except TimeoutError:
            seconds = f"{self._limits.timeout:g} seconds"
            raise Refusal(408, f"the body did not arrive within {seconds}") from None


def _must_close(scope: Scope, refusal: Refusal) -> bool:
    """Whether to close the connection, because too much of the body may still be coming."""
    length = dict(scope["headers"]).get(b"content-length", b"")
    short = length.isdigit() and int(length[:20]) <= SHORT
    return refusal.status in (408, 413) or not short


class _Incoming:
    """What a client sends, and whether more is to come."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._more = True

    async def __call__(self) -> Message:
        message = await self._receive()
        self._more = message.get("more_body", False)  # nothing comes after http.disconnect
        return message

    async def drop(self, timeout: float) -> None:
        """Read and discard the rest of the request.

        Closing the connection while the client is sending resets it, and most clients send
        everything before they read the response: they would never see it.
        """
        size = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER * timeout):
                while self._more and size <= LINGER_BYTES:
                    async with asyncio.timeout(timeout):
                        size += len((await self()).get("body", b""))


class _Exchange:
    """One request and its response, for the log and the metrics.

    The whole body is sent at once, but its end is held back: with the end, the next request is
    accepted, or the connection closed.
    """

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope, self._send = scope, send
        self._began = time.perf_counter()
        self._status = 0
        self._is_whole = False
        self.num_bytes = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            message["headers"] = [*message["headers"], *HEADERS]
        elif not message.get("more_body"):
            self._is_whole = True
            message = {**message, "more_body": True}
        await self._send(message)

    async def refuse(self, refusal: Refusal, close: bool) -> None:
        if not self._status:
            for message in answer(refusal.status, {"error": refusal.message}, close):
                await self.send(message)

    async def send_end(self) -> None:
        if self._is_whole:
            await self._send({"type": "http.response.body", "body": b""})

    def record(self) -> None:
        seconds = time.perf_counter() - self._began
        path = self._scope["path"]
        is_file = path.startswith(("/static/", "/explore/"))
        route = path if path in ROUTES else "static" if is_file else "other"
        metrics.observe(route, self._status, seconds)
        log.info(
            "request",
            extra={
                "method": self._scope["method"],
                "route": route,
                "status": self._status,
                "ms": round(1000 * seconds, 1),
                "bytes": self.num_bytes,
                "client": (self._scope.get("client") or ("",))[0],
            },
        )
