"""What local processes and a Dask cluster have in common as workers."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import Executor

Prepare = Callable[[], Callable[[], object]]  # what it returns undoes it


class Workers(Executor, ABC):
    """An Executor that says how many pieces of work it does at a time."""

    @property
    @abstractmethod
    def num_workers(self) -> int: ...


def nothing() -> Callable[[], object]:
    """The preparation of workers that need none."""
    return nothing
