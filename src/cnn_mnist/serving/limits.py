"""The server's settings and limits, and the response to a request that exceeds them."""

import json
from dataclasses import dataclass
from pathlib import Path

from starlette.types import Message

HEADERS = [
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
        b"connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; "
        b"frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"geolocation=(), microphone=()"),
]

METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"  # names the folder of all workers' counters
FAILED = "the server failed; this has been logged"
LINGER_BYTES = 256 * 2**20  # maximum that a refused client may still send; it is discarded


@dataclass(frozen=True)
class Limits:
    """One worker's limits."""

    body: int = 16 * 2**20  # bytes
    pictures: int = 64  # in a request; also pages of all its pictures
    pixels: int = 50_000_000  # of all pages in a request
    in_flight: int = 32  # requests being received, waiting or processed
    timeout: float = 10.0  # seconds for a request's headers, and again for its body
    collected: int = 100 * 2**20  # maximum size of the corrections folder in bytes


@dataclass(frozen=True)
class Settings:
    """A server's settings.

    Args:
        model: an exported model file or a model's name; default `reader`.
        token: bearer token that the API requires; None requires none.
        origins: other sites whose pages may call the API.
        collect: the folder to store corrections in; None disables corrections.
    """

    model: str | None = None
    limits: Limits = Limits()
    token: str | None = None
    origins: tuple[str, ...] = ()
    collect: Path | None = None


class Refusal(Exception):  # noqa: N818 - an answer, not a failure
    """A request refused with a status and a one-line message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


def answer(status: int, values: object, close: bool = False) -> list[Message]:
    """The two ASGI messages of a JSON response."""
    body = json.dumps(values).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    if status == 503:
        headers.append((b"retry-after", b"1"))
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if close:
        headers.append((b"connection", b"close"))
    return [
        {"type": "http.response.start", "status": status, "headers": headers},
        {"type": "http.response.body", "body": body},
    ]
