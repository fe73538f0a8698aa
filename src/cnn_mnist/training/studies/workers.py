"""The workers of a study: what they share, what each is given for a seed, and what it gives back.

What all seeds need travels to a worker once. A worker that sees the study's folder trains there,
so that every epoch is kept; another one trains in a folder of its own, begun with the files that
came with the work, and that folder comes back.
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
from cnn_mnist.training.runs import checkpoint
from cnn_mnist.training.runs.checkpoint import RunError
from cnn_mnist.training.train import finish, go_on, load_teacher

Files = dict[str, bytes]  # a run folder, as `checkpoint.pack` gives it
TEACHES = "config.json", "model.safetensors"  # of a teacher's folder
TRIES = 5


class Shared:
    """What all seeds of a study need: to be called once in every worker."""

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
        files = checkpoint.pack(teacher) if teacher else {}
        self._teacher = {name: files[name] for name in files if Path(name).name in TEACHES}

    def __call__(self) -> Callable[[], object]:
        """Keep it in this process, until what is returned is called."""
        _shared[self.key] = self
        return partial(_shared.pop, self.key, None)

    @cached_property
    def teacher(self) -> Teacher | None:
        """Its answers are for all seeds that this worker trains."""
        if not self._teacher:
            return None
        with tempfile.TemporaryDirectory() as folder:
            checkpoint.unpack(Path(folder), self._teacher)
            return load_teacher(Path(folder), self._recipe, self.splits, self.device)


_shared: dict[str, Shared] = {}
_one_at_a_time = threading.Lock()  # a training draws its weights from torch's one generator


def train(key: str, folder: str, begun: Files, threads: int) -> tuple[dict[str, Any], Files]:
    """A worker's part: train one seed to its end.

    Args:
        key: of what was shared.
        folder: the run's folder, which this machine may see or not.
        begun: what is in it.
        threads: of the arithmetic.

    Returns:
        The figures, and the run folder's files; none where they are in place already.
    """
    shared = _shared[key]
    with _one_at_a_time:
        torch.set_num_threads(threads)
        if _sees(Path(folder), begun):
            return _finish(Path(folder), shared), {}
        with tempfile.TemporaryDirectory() as elsewhere:
            checkpoint.unpack(Path(elsewhere), begun)
            figures = _finish(Path(elsewhere), shared)
            return figures, checkpoint.pack(Path(elsewhere))


@dataclass(frozen=True)
class StudyWorkers:
    """Workers in which what is shared was called."""

    workers: Executor
    key: str  # of what is shared
    threads: int = 1  # of a training; another number adds in another order, so the last bits differ

    def train(self, folders: Sequence[Path]) -> Iterator[dict[str, Any]]:
        """Train begun runs to their end; their figures, in the order in which they end.

        What was lost with a worker is done again.

        Raises:
            RunError: no worker lives long enough to finish a training.
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
                checkpoint.unpack(folder, files)
                figures |= {"run": str(folder)}
                checkpoint.save_metrics(folder, figures)
                yield figures
            fruitless = fruitless + 1 if len(lost) == len(waiting) else 0
            if fruitless == TRIES:
                raise RunError(
                    f"workers died {TRIES} times before one of them had finished a training; "
                    "see what ends them (too little memory?); run the same command again to resume"
                )
            waiting = lost

    def _submit(self, folder: Path) -> Any:
        path, begun = str(folder.absolute()), checkpoint.pack(folder)
        return self.workers.submit(train, self.key, path, begun, self.threads)


def _finish(folder: Path, shared: Shared) -> dict[str, Any]:
    run = go_on(folder, device=shared.device)
    return finish(run, shared.splits, folder, teacher=shared.teacher)


def _sees(folder: Path, begun: Files) -> bool:
    config = folder / "config.json"
    return config.exists() and config.read_bytes() == begun[config.name]


def _own(split: Split) -> Split:
    """The same without the rest of the memory that it may be a part of, which would travel too."""
    return replace(split, images=split.images.clone(), labels=split.labels.clone())
