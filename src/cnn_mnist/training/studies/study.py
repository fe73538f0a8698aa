"""Several trainings of one recipe that differ only in the seed: mean, spread, interval."""

import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from cnn_mnist.training.data import Splits
from cnn_mnist.training.loop import Run
from cnn_mnist.training.recipes import Recipe
from cnn_mnist.training.runs import run_folder
from cnn_mnist.training.runs.config import load_config
from cnn_mnist.training.runs.run_folder import RunError
from cnn_mnist.training.studies.workers import StudyWorkers
from cnn_mnist.training.train import begin, check_teacher, finish, load_teacher, resume


@dataclass(frozen=True)
class Summary:
    """The summary of several seeds. Accuracies are in 0..1."""

    num_seeds: int
    mean: float
    std: float  # of single trainings; 0 for one seed
    interval: tuple[float, float] | None  # 95%, of the mean (Student's t); None for one seed
    accuracies: list[float]


def study(
    recipe: Recipe,
    splits: Splits,
    seeds: Sequence[int],
    folder: Path,
    device: str | torch.device = "cpu",
    on_seed: Callable[[dict[str, Any]], None] | None = None,
    on_step: Callable[[int, int], None] | None = None,
    teacher: Path | None = None,
    workers: StudyWorkers | None = None,
) -> Summary:
    """Train the recipe once per seed, each in its own folder, and summarize the results.

    Called again after an interruption, it reads the finished seeds, resumes the interrupted one,
    and trains the rest.

    Args:
        on_step: as in `fit`; with workers, called with (trainings done, trainings).
        teacher: the finished run that a recipe with `distil` learns from, or a folder of several.
        workers: train several seeds at a time; without them, training runs in this process.

    Raises:
        RunError: the folder holds a study with another recipe, data set, split or teacher; or
            workers keep dying.
    """
    check_teacher(recipe, splits, teacher)
    places = {seed: folder / f"seed-{seed}" for seed in seeds}
    open_run = partial(_begin_or_resume, recipe, splits, device=device, teacher=teacher)
    if workers:
        trained = _by_workers(workers, places, open_run, on_step)
    else:
        answers = load_teacher(teacher, recipe, splits, device) if teacher else None
        finish_run = partial(finish, splits=splits, on_step=on_step, teacher=answers)
        trained = _one_by_one(places, open_run, finish_run)
    accuracies = []
    for row in trained:
        accuracies.append(row["test_accuracy"])
        if on_seed:
            on_seed(row)
    return summarize(accuracies)


def _one_by_one(
    places: dict[int, Path],
    open_run: Callable[..., Run | None],
    finish_run: Callable[..., dict[str, Any]],
) -> Iterator[dict[str, Any]]:
    for seed, place in places.items():
        run = open_run(seed, place)
        yield run_folder.load_metrics(place) if run is None else finish_run(run, folder=place)


def _by_workers(
    workers: StudyWorkers,
    places: dict[int, Path],
    open_run: Callable[..., Run | None],
    on_done: Callable[[int, int], None] | None,
) -> Iterator[dict[str, Any]]:
    waiting = {s: place for s, place in places.items() if open_run(s, place) is not None}
    rows = {s: run_folder.load_metrics(p) for s, p in places.items() if s not in waiting}
    finishing = workers.train(list(waiting.values()))
    for seed in places:
        while seed not in rows:
            row = next(finishing)
            rows[row["seed"]] = row
            if on_done:
                on_done(len(rows), len(places))
        yield rows[seed]


def finished(folder: Path, splits: Splits) -> list[float]:
    """The accuracies of a study's finished trainings, by seed.

    Args:
        splits: the data of the study that they are compared with.

    Raises:
        RunError: there are none, they were measured on another split, or a file is damaged.
    """
    folders = sorted(folder.glob("seed-*"), key=lambda path: (len(path.name), path.name))
    done = [path for path in folders if (path / "metrics.json").exists()]
    if not done:
        raise RunError(f"{folder} is not a study: there is no seed-N/metrics.json in it")
    rows = {path: run_folder.load_metrics(path) for path in done}
    for path, row in rows.items():
        split = row.get("split") or _unrecorded_split(path, splits)
        if split != splits.split:
            raise RunError(
                f"{path} was measured on {split}, and this study is on {splits.split}; compare "
                "studies of the same --split"
            )
    return [float(row["test_accuracy"]) for row in rows.values()]


def _unrecorded_split(folder: Path, splits: Splits) -> str:
    """The split of a training by an earlier version, by the number of its training images."""
    config = load_config(folder)
    num_images = len(splits.train) + (len(splits.test) if splits.split == "val" else 0)
    held_out = config.dataset == splits.name and config.num_train < num_images
    return "val" if held_out else "test"


@dataclass(frozen=True)
class Difference:
    """How much higher the mean accuracy of one study is than another's."""

    mean: float
    interval: tuple[float, float] | None  # 95%, Welch's; None if a side has one training
    is_real: bool  # the interval does not contain 0


def compare(ours: Sequence[float], theirs: Sequence[float]) -> Difference:
    """Welch's interval for the difference of two means, with unequal variances and sizes."""
    mean = statistics.fmean(ours) - statistics.fmean(theirs)
    if min(len(ours), len(theirs)) < 2:
        return Difference(mean, None, is_real=False)
    parts = [statistics.variance(side) / len(side) for side in (ours, theirs)]
    if not any(parts):
        return Difference(mean, (mean, mean), mean != 0)
    freedom = sum(parts) ** 2 / sum(
        part**2 / (len(side) - 1) for part, side in zip(parts, (ours, theirs), strict=True)
    )
    half = _quantile(freedom) * math.sqrt(sum(parts))
    return Difference(mean, (mean - half, mean + half), abs(mean) > half)


def _begin_or_resume(
    recipe: Recipe,
    splits: Splits,
    seed: int,
    folder: Path,
    device: str | torch.device,
    teacher: Path | None,
) -> Run | None:
    """The run of one seed; None if it is finished."""
    if not folder.exists():
        return begin(recipe, splits, folder, seed, device, teacher)
    config = load_config(folder)
    taught_by = run_folder.weights_sha256(teacher) if teacher else ""
    data = config.dataset, config.images_sha256, config.num_train
    begun = _settings(config.recipe, *data, config.teacher_sha256)
    wanted = _settings(recipe, splits.name, splits.sha256, len(splits.train), taught_by)
    if others := [name for name in wanted if begun[name] != wanted[name]]:
        raise RunError(f"{folder} was started with a different {others[0]}; choose another --out")
    return None if (folder / "metrics.json").exists() else resume(folder, device=device)


def _settings(
    recipe: Recipe, dataset: str, sha256: str, num_train: int, teacher_sha256: str
) -> dict[str, object]:
    """What all trainings of a study have in common, as messages name it."""
    return {
        "recipe": recipe.name,
        "data set": (dataset, sha256),
        "--split": num_train,
        "--teacher": teacher_sha256,
        **{f"value of {name}": value for name, value in asdict(recipe).items()},
    }


def summarize(accuracies: Sequence[float]) -> Summary:
    """Mean, standard deviation and the mean's 95% interval of at least one accuracy."""
    count, mean = len(accuracies), statistics.fmean(accuracies)
    if count == 1:
        return Summary(1, mean, 0.0, None, list(accuracies))
    std = statistics.stdev(accuracies)
    half = _quantile(count - 1) * std / math.sqrt(count)
    return Summary(count, mean, std, (mean - half, mean + half), list(accuracies))


def _quantile(freedom: float) -> float:
    """The quantile of Student's t with 95% of values within, two-sided."""
    from scipy.stats import t

    return float(t.ppf(0.975, freedom))
