"""The interface that local processes and a Dask cluster share."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import Executor

Prepare = Callable[[], Callable[[], object]]  # returns a function that undoes it


class Workers(Executor, ABC):
    """An Executor that tells how many tasks it runs at a time."""

    @property
    @abstractmethod
    def num_workers(self) -> int:
        """How many tasks run at the same time."""


def nothing() -> Callable[[], object]:
    """The preparation of workers that need none."""
    return nothing
