"""Counters for Prometheus. With PROMETHEUS_MULTIPROC_DIR set, all workers' counts are summed."""

import os
from pathlib import Path

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from cnn_mnist.serving.settings import METRICS_FOLDER

CONTENT_TYPE = CONTENT_TYPE_LATEST
REASONS = {
    400: "malformed",
    401: "unauthorized",
    408: "slow",
    413: "body_too_large",
    415: "not_a_picture",
    422: "unreadable",
    503: "busy",
    507: "full",
}

REQUESTS = Counter("cnn_mnist_requests", "Requests answered", ["route", "status"])
LATENCY = Histogram(
    "cnn_mnist_request_seconds",
    "From a request's headers to the end of its response",
    ["route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
DIGITS = Counter("cnn_mnist_digits", "Digits read", ["digit"])
PICTURES = Counter("cnn_mnist_pictures", "Pictures, by outcome", ["outcome"])
CORRECTIONS = Counter("cnn_mnist_corrections", "Pictures stored with their labels", ["label"])
REJECTIONS = Counter("cnn_mnist_rejections", "Requests refused", ["reason"])
IN_FLIGHT = Gauge("cnn_mnist_in_flight", "Requests in progress", multiprocess_mode="livesum")


def observe(route: str, status: int, seconds: float) -> None:
    """Count a finished request; status 0 means that the client disconnected."""
    REQUESTS.labels(route, status).inc()
    LATENCY.labels(route).observe(seconds)
    if status in REASONS:
        REJECTIONS.labels(REASONS[status]).inc()


def render() -> bytes:
    """All counters in Prometheus' text format."""
    folder = os.environ.get(METRICS_FOLDER)
    if not folder:
        return generate_latest(REGISTRY)
    for pid in {int(path.stem.split("_")[-1]) for path in Path(folder).glob("gauge_live*.db")}:
        if not _alive(pid):
            mark_process_dead(pid, folder)  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    MultiProcessCollector(registry, folder)  # type: ignore[no-untyped-call]
    return generate_latest(registry)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:  # there is none, or it is another user's and not one of ours
        return False
    return True
