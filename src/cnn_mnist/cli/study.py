"""cnn-mnist study: train with several seeds."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from cnn_mnist import shelf
from cnn_mnist.cli.options import (
    SPLIT,
    DataDirOption,
    DatasetOption,
    DeviceOption,
    EpochsOption,
    JsonOption,
    RecipeOption,
    SchedulerOption,
    TeacherOption,
    WorkersOption,
    extra,
    for_classes,
    refuse,
    without_missing_teacher,
)
from cnn_mnist.terminal import Terminal


def study(
    recipe: RecipeOption = None,
    seeds: Annotated[
        int, typer.Option(help="Number of trainings, with the seeds 0, 1, 2, …", min=1)
    ] = 5,
    split: Annotated[Literal["test", "val"], SPLIT] = "test",
    teacher: TeacherOption = None,
    dataset: DatasetOption = None,
    data_dir: DataDirOption = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the runs, one per seed.", show_default="runs/study-RECIPE"),
    ] = None,
    against: Annotated[
        Path | None, typer.Option(help="Folder of another study to compare with.")
    ] = None,
    epochs: EpochsOption = None,
    device: DeviceOption = "auto",
    workers: WorkersOption = None,
    scheduler: SchedulerOption = None,
    threads: Annotated[
        int | None,
        typer.Option(
            help="Threads per training on a CPU.",
            show_default="1 with workers, otherwise all cores",
            min=1,
            max=1024,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Train a recipe with several seeds. Prints a row per seed, then mean and interval."""
    if scheduler:
        refuse("with --scheduler, which has its own workers", {"--workers": workers})
    with extra("train"):
        import torch

        from cnn_mnist.training import recipes
        from cnn_mnist.training.data import load
        from cnn_mnist.training.device import choose, memory_checked
        from cnn_mnist.training.studies.study import compare, finished
        from cnn_mnist.training.studies.study import study as run_study
        from cnn_mnist.training.studies.workers import Shared, StudyWorkers
        from cnn_mnist.workers import workers as open_workers

    settings = recipes.get(recipe or "default").changed(epochs=epochs)
    teaching = None if teacher is None else shelf.find(teacher)
    place, notice = choose(device)
    splits = load(dataset or "auto", data_dir)
    say = Terminal(as_json)
    say.notice(notice, splits.notice)
    splits = splits.hold_out() if split == "val" else splits
    settings = for_classes(settings, splits, say)
    settings = without_missing_teacher(settings.sized_for(len(splits.train)), teacher, say)
    suffix = "-val" if split == "val" else ""
    folder = out or Path("runs") / f"study-{settings.name}{suffix}"
    theirs = finished(against, splits) if against else []

    def print_seed(metrics: dict[str, Any]) -> None:
        say.row(
            f"seed {metrics['seed']:3}  {metrics['test_accuracy']:.2%}  "
            f"{metrics['test_error_count']:4} errors  {metrics['seconds_train']:6.1f} s"
        )

    go = partial(run_study, settings, splits, range(seeds), folder, place, print_seed)
    how = f"Run the same command again to resume in {folder}"
    if workers or scheduler:
        shared = Shared(settings, splits, teaching, place)
        threads = threads or 1
        with (
            memory_checked(),
            say.progress(how, " trainings"),
            extra("cluster"),
            open_workers(workers, scheduler, shared, threads) as engine,
        ):
            result = go(say.counted, teaching, StudyWorkers(engine, shared.key, threads))
    else:
        if threads:
            torch.set_num_threads(threads)
        with memory_checked(), say.progress(how):
            result = go(say.step, teaching)
    about: dict[str, Any] = {"recipe": settings.name, "dataset": splits.name}
    about |= {"data_source": splits.source, "split": split}
    about |= {"num_images": len(splits.test), **asdict(result)}
    if against:
        difference = compare(result.accuracies, theirs)
        about["difference"] = {"against": str(against), **asdict(difference)}
    say.result(about, _rows(about))


def _rows(summary: dict[str, Any]) -> Iterator[str]:
    text = (
        f"{summary['recipe']} on {summary['dataset']} {summary['split']}, "
        f"n = {summary['num_seeds']}: mean {summary['mean']:.3%}"
    )
    if summary["interval"]:
        low, high = summary["interval"]
        text += f", standard deviation {summary['std']:.3%}, "
        text += f"95% interval of the mean {low:.3%} to {high:.3%}"
    yield text
    counts = Counter(round((1 - a) * summary["num_images"]) for a in summary["accuracies"])
    for errors in sorted(counts):
        yield f"{errors:5} errors  {'#' * counts[errors]}"
    if difference := summary.get("difference"):
        text = f"against {difference['against']}: {100 * difference['mean']:+.3f} points"
        if difference["interval"]:
            low, high = (f"{100 * end:+.3f}" for end in difference["interval"])
            text += f", 95% interval {low} to {high}"
        yield f"{text}: {'' if difference['is_real'] else 'not '}significant"
