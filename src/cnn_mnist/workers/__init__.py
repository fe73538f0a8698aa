"""Workers for many independent tasks: local processes, or a Dask cluster.

The interface is Python's own Executor: callers submit tasks, and know neither engine. A task that
is lost because its worker died raises BrokenExecutor and may be submitted again.
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
    """Workers for the length of a with-block; tasks that still run at its end are stopped.

    Args:
        count: local processes; None starts one per core.
        scheduler: the address of a Dask scheduler, whose workers are used instead.
        prepare: called once in every worker, including those that join later. It is sent to each
            worker once, with all its data.
        threads: threads per local worker.

    Raises:
        ClusterError: no scheduler answers at the address, or it has no workers.
    """
    if scheduler:
        from cnn_mnist.workers.cluster import cluster

        with cluster(scheduler, pickle.dumps(prepare)) as connected:
            yield connected
        return
    pool = Pool(count or process.num_cores(), pickle.dumps(prepare), threads)
    try:
        yield pool
    finally:
        pool.stop()
