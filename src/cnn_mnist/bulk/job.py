"""Addresses → workers → results, in order, with a bounded number of batches in flight."""

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future, wait

from cnn_mnist.bulk.batch import Settings, given_up, read
from cnn_mnist.bulk.results import Results
from cnn_mnist.workers import Workers

BATCH = 100  # pictures; keeps a worker busy for at least a tenth of a second
AHEAD = 4  # batches per worker, so that one slow batch does not stall the others
TRIES = 3  # for a picture that crashes its worker


def run(
    workers: Workers,
    addresses: Iterable[str],
    settings: Settings,
    results: Results,
    on_done: Callable[[int], None] | None = None,
) -> int:
    """Read all pictures that are not in the results yet, and complete the file.

    Args:
        on_done: called with the number of pictures saved so far, first with those of an
            earlier job.

    Returns:
        The number of pictures that were already done.

    Raises:
        ResultsError: the results belong to other pictures.
        ClusterError: the cluster is gone.
    """
    stream = iter(addresses)
    results.skip(stream)
    before = results.num_done
    if on_done:
        on_done(before)
    batches = iter(lambda: list(itertools.islice(stream, BATCH)), [])
    for batch, lines in _in_order(workers, batches, settings):
        results.append(lines, len(batch))
        if on_done:
            on_done(results.num_done)
    results.finish()
    return before


def _in_order(
    workers: Workers, batches: Iterator[list[str]], settings: Settings
) -> Iterator[tuple[list[str], bytes]]:
    """Each batch with its lines."""
    flying: deque[tuple[list[str], Future[bytes]]] = deque()
    while True:
        room = max(1, AHEAD * workers.num_workers - len(flying))
        for batch in itertools.islice(batches, room):
            flying.append((batch, workers.submit(read, batch, settings)))
        if not flying:
            return
        batch, future = flying.popleft()
        try:
            yield batch, future.result()
        except BrokenExecutor:
            # A worker died. Running batches one at a time shows which one is to blame.
            wait([other for _, other in flying])
            yield batch, _alone(workers, batch, settings)


def _alone(workers: Workers, batch: Sequence[str], settings: Settings) -> bytes:
    """Read a batch again; if a worker dies, read its pictures one by one."""
    for _ in range(TRIES if len(batch) == 1 else 1):
        try:
            return workers.submit(read, batch, settings).result()
        except BrokenExecutor:
            pass
    if len(batch) == 1:
        reason = f"{TRIES} workers died reading it, or it takes over {settings.timeout:g} seconds"
        return given_up(batch[0], reason)
    return b"".join(_alone(workers, [address], settings) for address in batch)
