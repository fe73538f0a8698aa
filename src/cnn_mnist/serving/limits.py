"""What a server is told: what clients may ask for, and how one that asks for more is answered."""

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


LINGER_BYTES = 256 * 2**20  # that a refused client may still send, to be dropped


@dataclass(frozen=True)
class Limits:
    """One worker's limits."""

    body: int = 16 * 2**20  # bytes
    pictures: int = 64  # in a request, and pages of all its pictures
    pixels: int = 50_000_000  # of all pages of a request
    in_flight: int = 32  # requests being received, waiting or read
    timeout: float = 10.0  # seconds for a request's head, and again for its body
    collected: int = 100 * 2**20  # bytes of the folder of corrections


@dataclass(frozen=True)
class Settings:
    """What a server is told.

    Args:
        model: an exported model file or a name of the shelf; without it, `reader`.
        token: what the API asks for as a bearer token; None asks for nothing.
        origins: other sites whose pages may call the API.
        collect: the folder that corrections are stored in; None takes none.
    """

    model: str | None = None
    limits: Limits = Limits()
    token: str | None = None
    origins: tuple[str, ...] = ()
    collect: Path | None = None


class Refusal(Exception):  # noqa: N818 - an answer, not a failure
    """A request that is answered with a status and one line."""

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
