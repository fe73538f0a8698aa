"""Where many independent pieces of work are done: by local processes, or by a Dask cluster.

The seam is Python's own Executor: who has work submits it, and knows neither engine. Work that
was lost because its worker died ends in BrokenExecutor and may be submitted again.
"""

import pickle
from collections.abc import Iterator
from contextlib import contextmanager

from cnn_mnist import process
from cnn_mnist.workers.base import Prepare, Workers, nothing
from cnn_mnist.workers.pool import Pool

__all__ = ["Prepare", "Workers", "nothing", "workers"]


@contextmanager
def workers(
    count: int | None = None,
    scheduler: str | None = None,
    prepare: Prepare = nothing,
    threads: int = 1,
) -> Iterator[Workers]:
    """Workers for the length of a with-block; what still runs when it fails is stopped.

    Args:
        count: local processes; None takes one a core.
        scheduler: the address of a Dask scheduler, whose workers are used instead.
        prepare: called once in every worker, also in one that comes later. It travels to each
            worker once, with all that it holds.
        threads: of one local worker.

    Raises:
        ClusterError: there is no scheduler at the address, or it has no workers.
    """
    if scheduler:
        from cnn_mnist.workers.cluster import cluster

        with cluster(scheduler, pickle.dumps(prepare)) as connected:
            yield connected
        return
    pool = Pool(count or process.num_cores(), pickle.dumps(prepare), threads)
    try:
        yield pool
    except BaseException:
        pool.stop()
        raise
    pool.shutdown()
