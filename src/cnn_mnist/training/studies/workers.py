"""The workers of a study: shared data, the input of each seed, and its results.

Data that all seeds need is sent to a worker once. A worker that can access the study's folder
trains there, so that every epoch is saved; others train in a temporary folder, filled with the
files sent along, and send that folder back.
"""

import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, as_completed
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch

from cnn_mnist.training.data import Split, Splits
from cnn_mnist.training.distillation import Teacher
from cnn_mnist.training.recipes import Recipe
from cnn_mnist.training.runs import checkpoint, run_folder
from cnn_mnist.training.runs.config import create_folder, load_config
from cnn_mnist.training.runs.run_folder import RunError
from cnn_mnist.training.train import finish, load_teacher, resume

Files = dict[str, bytes]  # a run folder, as `run_folder.read_files` gives it
TRIES = 5


class Shared:
    """What all seeds of a study need; called once in every worker."""

    def __init__(
        self,
        recipe: Recipe,
        splits: Splits,
        teacher: Path | None = None,
        device: str | torch.device = "cpu",
    ) -> None:
        self.key = uuid.uuid4().hex
        self.splits = replace(splits, train=_own(splits.train), test=_own(splits.test))
        self.device = str(device)
        self._recipe = recipe
        self._teacher = _packed(teacher) if teacher else {}

    def __call__(self) -> Callable[[], object]:
        """Keep it in this process until the returned function is called."""
        _shared[self.key] = self
        return partial(_shared.pop, self.key, None)

    @cached_property
    def teacher(self) -> Teacher | None:
        """The teacher; its outputs serve all seeds that this worker trains."""
        if not self._teacher:
            return None
        with tempfile.TemporaryDirectory() as folder:
            run_folder.write_files(Path(folder), self._teacher)
            return load_teacher(Path(folder), self._recipe, self.splits, self.device)


_shared: dict[str, Shared] = {}
_one_at_a_time = threading.Lock()  # trainings draw initial weights from torch's global generator


def train(key: str, folder: str, begun: Files, threads: int) -> tuple[dict[str, Any], Files]:
    """A worker's task: train one seed to the end.

    Args:
        key: of the shared data.
        folder: the run's folder, which this machine may not be able to access.
        begun: the folder's content.
        threads: number of arithmetic threads.

    Returns:
        The metrics, and the run folder's files; empty if they are in place already.
    """
    shared = _shared[key]
    with _one_at_a_time:
        torch.set_num_threads(threads)
        if _sees(Path(folder), begun):
            return _finish(Path(folder), shared), {}
        with tempfile.TemporaryDirectory() as elsewhere:
            run_folder.write_files(Path(elsewhere), begun)
            figures = _finish(Path(elsewhere), shared)
            return figures, run_folder.read_files(Path(elsewhere))


@dataclass(frozen=True)
class StudyWorkers:
    """Workers that have received the shared data."""

    workers: Executor
    key: str  # of the shared data
    threads: int = 1  # per training; another number changes the order of sums, and so the last bits

    def train(self, folders: Sequence[Path]) -> Iterator[dict[str, Any]]:
        """Train started runs to the end; yields their metrics in order of completion.

        Tasks lost with a worker are repeated.

        Raises:
            RunError: workers keep dying before a training is finished.
        """
        waiting, fruitless = list(folders), 0
        while waiting:
            futures = {self._submit(folder): folder for folder in waiting}
            lost = []
            for future in as_completed(futures):
                folder = futures[future]
                try:
                    figures, files = future.result()
                except BrokenExecutor:
                    lost.append(folder)
                    continue
                run_folder.write_files(folder, files)
                figures |= {"run": str(folder)}
                run_folder.save_metrics(folder, figures)
                yield figures
            fruitless = fruitless + 1 if len(lost) == len(waiting) else 0
            if fruitless == TRIES:
                raise RunError(
                    f"workers died {TRIES} times before any training was finished; find out "
                    "what ends them (too little memory?), then run the same command again to resume"
                )
            waiting = lost

    def _submit(self, folder: Path) -> Any:
        path, begun = str(folder.absolute()), run_folder.read_files(folder)
        return self.workers.submit(train, self.key, path, begun, self.threads)


def _finish(folder: Path, shared: Shared) -> dict[str, Any]:
    run = resume(folder, device=shared.device)
    return finish(run, shared.splits, folder, teacher=shared.teacher)


def _sees(folder: Path, begun: Files) -> bool:
    config = folder / "config.json"
    return config.exists() and config.read_bytes() == begun[config.name]


def _packed(teacher: Path) -> Files:
    """A teacher's models as run folders: of runs, or of a released model."""
    with tempfile.TemporaryDirectory() as folder:
        for number, member in enumerate(run_folder.members(teacher)):
            copy = Path(folder, f"{number:03}")
            create_folder(copy, load_config(member))
            checkpoint.save_model(copy, checkpoint.load_model(member))
        return run_folder.read_files(Path(folder))


def _own(split: Split) -> Split:
    """A copy without the larger memory it may be a view of, which would be sent along."""
    return replace(split, images=split.images.clone(), labels=split.labels.clone())
