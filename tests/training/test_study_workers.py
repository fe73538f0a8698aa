"""A study on workers: its rows equal the serial study's, bit for bit, even if workers die."""

import contextlib
import pickle
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future
from pathlib import Path
from typing import Any

import pytest
import torch

from clustered import dask, working
from cnn_mnist import shelf
from cnn_mnist.training.data import Splits
from cnn_mnist.training.recipes import REFERENCE, Recipe
from cnn_mnist.training.runs import checkpoint, run_folder
from cnn_mnist.training.runs.run_folder import RunError
from cnn_mnist.training.studies.study import study
from cnn_mnist.training.studies.workers import Shared, StudyWorkers
from cnn_mnist.training.train import begin, finish, load_teacher
from cnn_mnist.workers import workers


def rows(folder: Path) -> list[dict[str, Any]]:
    """The metrics of each seed, without machine-dependent ones, and its weights."""
    found = []
    for path in sorted(folder.iterdir()):
        row = run_folder.load_metrics(path)
        assert row.pop("run") == str(path)
        assert row.pop("seconds_train") > 0
        row["weights"] = (path / "model.safetensors").read_bytes()
        found.append(row)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["pool", "cluster"])
def test_the_rows_are_those_of_the_serial_study(
    engine: str,
    request: pytest.FixtureRequest,
    tiny: Recipe,
    few_digits: Splits,
    tmp_path: Path,
) -> None:
    address = request.getfixturevalue("cluster").address if engine == "cluster" else None
    serial = study(tiny, few_digits, range(3), tmp_path / "serial")
    shared, told, done = Shared(tiny, few_digits), [], []
    with workers(2, address, shared) as pool:
        result = study(
            tiny,
            few_digits,
            range(3),
            tmp_path / "many",
            on_seed=lambda row: told.append(row["seed"]),
            on_step=lambda *counts: done.append(counts),
            workers=StudyWorkers(pool, shared.key),
        )
    assert result == serial
    assert rows(tmp_path / "many") == rows(tmp_path / "serial")
    assert told == [0, 1, 2]
    assert done == [(1, 3), (2, 3), (3, 3)]


class Here(Executor):
    """Runs tasks at once, in this process. `before` may lose a task, or hide the disk from it."""

    def __init__(self, before: Callable[[str], str] = str) -> None:
        self._before = before

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        key, folder, *others = args
        try:
            future.set_result(fn(key, self._before(folder), *others, **kwargs))
        except BrokenExecutor as error:
            future.set_exception(error)
        return future


@contextlib.contextmanager
def workers_here(shared: Shared, before: Callable[[str], str] = str) -> Iterator[StudyWorkers]:
    forget = shared()
    yield StudyWorkers(Here(before), shared.key)
    forget()


def elsewhere(folder: str) -> str:
    """The content of that path on a machine without the disk: nothing."""
    return f"/nowhere{folder}"


@pytest.mark.parametrize("disk", [str, elsewhere])
def test_a_stopped_seed_goes_on_after_its_last_epoch(
    disk: Callable[[str], str], tiny: Recipe, few_digits: Splits, tmp_path: Path
) -> None:
    serial = study(tiny, few_digits, [7], tmp_path / "serial")

    def stop(done: int, _: int) -> None:
        if done == 2 and (tmp_path / "many" / "seed-7" / "resume.safetensors").exists():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        study(tiny, few_digits, [7], tmp_path / "many", on_step=stop)
    first = checkpoint.load_history(tmp_path / "many" / "seed-7")
    assert len(first) == 1
    with workers_here(Shared(tiny, few_digits), disk) as workers:
        assert study(tiny, few_digits, [7], tmp_path / "many", workers=workers) == serial
    assert rows(tmp_path / "many") == rows(tmp_path / "serial")
    assert checkpoint.load_history(tmp_path / "many" / "seed-7")[:1] == first  # its time as well
    files = {p.name for p in (tmp_path / "many" / "seed-7").iterdir()}
    assert files == {p.name for p in (tmp_path / "serial" / "seed-7").iterdir()}


def test_finished_seeds_are_not_trained_again_and_lost_ones_are(
    tiny: Recipe, few_digits: Splits, tmp_path: Path
) -> None:
    serial = study(tiny, few_digits, range(3), tmp_path)
    (tmp_path / "seed-1" / "metrics.json").unlink()
    shutil.rmtree(tmp_path / "seed-2")
    asked: list[str] = []

    def lose_some(folder: str) -> str:
        asked.append(Path(folder).name)
        if len(asked) in (1, 2, 4):
            raise BrokenExecutor
        return folder

    with workers_here(Shared(tiny, few_digits), lose_some) as workers:
        assert study(tiny, few_digits, range(3), tmp_path, workers=workers) == serial
    # In whichever order they are lost: both, then one of them again.
    assert sorted(asked[:2]) == sorted(asked[2:4]) == ["seed-1", "seed-2"]
    assert asked[4:] == asked[3:4]


def test_workers_that_always_die_end_the_study_with_one_line(
    tiny: Recipe, few_digits: Splits, tmp_path: Path
) -> None:
    def lose(_: str) -> str:
        raise BrokenExecutor

    with (
        workers_here(Shared(tiny, few_digits), lose) as workers,
        pytest.raises(RunError, match="died 5 times before any training was finished"),
    ):
        study(tiny, few_digits, range(2), tmp_path, workers=workers)


def test_the_teacher_travels_with_what_is_shared(
    tiny: Recipe, few_digits: Splits, tmp_path: Path
) -> None:
    teacher, student = tmp_path / "teacher", tiny.changed(distil=0.5, num_views=2)
    finish(begin(tiny, few_digits, teacher), few_digits, teacher)
    serial = study(student, few_digits, [0, 1], tmp_path / "serial", teacher=teacher)
    shared = pickle.loads(pickle.dumps(Shared(student, few_digits, teacher)))
    with workers_here(shared, elsewhere) as workers:
        many = study(
            student, few_digits, [0, 1], tmp_path / "many", teacher=teacher, workers=workers
        )
    assert many == serial
    assert rows(tmp_path / "many") == rows(tmp_path / "serial")


def test_a_released_model_teaches_in_workers_too(tiny: Recipe, few_digits: Splits) -> None:
    student = tiny.changed(distil=0.5, num_views=1)
    folder = shelf.find("small")
    here = load_teacher(folder, student, few_digits).view(1)
    shared = pickle.loads(pickle.dumps(Shared(student, few_digits, folder)))
    there = shared.teacher
    assert there is not None
    torch.testing.assert_close(there.view(1).targets, here.targets)


def test_what_is_shared_travels_without_the_rest_of_the_memory(
    tiny: Recipe, digits: Splits
) -> None:
    part = Splits("digits", digits.train[:100], digits.test[:10])
    num_bytes = part.train.images.numel() + part.test.images.numel()
    assert len(pickle.dumps(Shared(tiny, part))) < num_bytes + 10_000


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["pool", "cluster"])
def test_a_study_of_twenty_with_workers_that_are_killed(
    engine: str, digits: Splits, tmp_path: Path
) -> None:
    recipe = REFERENCE.changed(epochs=3, mixed_precision=False).sized_for(len(digits.train))
    serial = study(recipe, digits, range(20), tmp_path / "serial")
    shared, killed = Shared(recipe, digits), []
    with contextlib.ExitStack() as stack:
        cluster = stack.enter_context(dask(tmp_path)) if engine == "cluster" else None
        address = cluster.address if cluster else None
        pool = stack.enter_context(workers(2, address, shared))

        def kill(row: dict[str, Any]) -> None:
            if row["seed"] % 2 == 0:
                for worker in working(cluster)[:1]:
                    worker.kill()
                    killed.append(worker.pid)

        many = study(
            recipe,
            digits,
            range(20),
            tmp_path / "many",
            on_seed=kill,
            workers=StudyWorkers(pool, shared.key),
        )
    assert len(set(killed)) >= 4
    assert many == serial
    assert rows(tmp_path / "many") == rows(tmp_path / "serial")
