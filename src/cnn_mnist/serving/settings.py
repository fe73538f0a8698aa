"""The server's settings and limits."""

from dataclasses import dataclass
from pathlib import Path

METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"  # names the folder of all workers' counters


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
        model: an exported model file or a model's name; None means `reader`.
        token: bearer token that the API requires; None requires none.
        origins: other sites whose pages may call the API.
        collect: the folder to store corrections in; None disables corrections.
    """

    model: str | None
    limits: Limits
    token: str | None
    origins: tuple[str, ...]
    collect: Path | None
