"""Addresses → workers → results, in order, with a bounded number of batches on the way."""

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future, wait

from cnn_mnist.bulk.batch import Batch, Settings, given_up, read
from cnn_mnist.bulk.results import Results
from cnn_mnist.workers import Workers

BATCH = 100  # pictures; a worker is busy with them for a tenth of a second at least
AHEAD = 4  # batches a worker, so that one slow batch at the head does not stop the others
TRIES = 3  # of a picture that a worker dies over


def run(
    workers: Workers,
    addresses: Iterable[str],
    settings: Settings,
    results: Results,
    on_done: Callable[[int], None] | None = None,
) -> int:
    """Read all pictures that are not in the results yet, and finish them.

    Args:
        on_done: called with the number of pictures whose lines are on disk now, at first with
            those of an earlier job.

    Returns:
        How many were there already.

    Raises:
        ResultsError: the results are of other pictures.
        ClusterError: the cluster is gone.
    """
    stream = iter(addresses)
    results.skip(stream)
    before = results.num_done
    if on_done:
        on_done(before)
    batches = iter(lambda: list(itertools.islice(stream, BATCH)), [])
    for taken, batch in _in_order(workers, batches, settings):
        results.append(batch.lines, len(taken), batch.num_unreadable)
        if on_done:
            on_done(results.num_done)
    results.finish()
    return before


def _in_order(
    workers: Workers, batches: Iterator[list[str]], settings: Settings
) -> Iterator[tuple[list[str], Batch]]:
    flying: deque[tuple[list[str], Future[Batch]]] = deque()
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
            # Some worker died. Whoever is to blame shows when nothing else is running.
            wait([other for _, other in flying])
            yield batch, _alone(workers, batch, settings)


def _alone(workers: Workers, batch: Sequence[str], settings: Settings) -> Batch:
    """Read a batch again; if a worker dies over it, its pictures one by one."""
    for _ in range(TRIES if len(batch) == 1 else 1):
        try:
            return workers.submit(read, batch, settings).result()
        except BrokenExecutor:
            pass
    if len(batch) == 1:
        reason = (
            f"{batch[0]}: {TRIES} workers died over it, or it takes longer than "
            f"{settings.timeout:g} seconds"
        )
        return given_up(batch[0], reason)
    parts = [_alone(workers, [address], settings) for address in batch]
    return Batch(b"".join(p.lines for p in parts), sum(p.num_unreadable for p in parts))
