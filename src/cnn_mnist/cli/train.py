"""cnn-mnist train: train the network."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

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
    TeacherOption,
    extra,
    for_classes,
    refuse,
    without_missing_teacher,
)
from cnn_mnist.terminal import Terminal

if TYPE_CHECKING:
    from cnn_mnist.training.data import Splits
    from cnn_mnist.training.loop import Epoch, Run
    from cnn_mnist.training.runs.config import Config

# Of the metrics, with --json.
SHOWN = (
    *("run", "recipe", "dataset", "data_source", "split", "seed", "epochs", "num_params"),
    *("test_accuracy", "test_error_count", "test_nll", "seconds_train", "device"),
)


def train(
    recipe: RecipeOption = None,
    dataset: DatasetOption = None,
    data_dir: DataDirOption = None,
    out: Annotated[
        Path | None, typer.Option(help="Run folder to create.", show_default="runs/RECIPE-N")
    ] = None,
    epochs: EpochsOption = None,
    batch_size: Annotated[
        int | None, typer.Option(help="Images per step.", show_default="the recipe's")
    ] = None,
    lr: Annotated[
        float | None, typer.Option(help="Peak learning rate.", show_default="the recipe's")
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            help="Seed of the weights, the order and the augmentation.",
            show_default="0",
            min=0,
            max=2**63 - 1,
        ),
    ] = None,
    split: Annotated[Literal["test", "val"] | None, SPLIT] = None,
    teacher: TeacherOption = None,
    init: Annotated[
        str | None,
        typer.Option(help="Run folder or model's name whose weights the training starts from."),
    ] = None,
    device: DeviceOption = "auto",
    resume: Annotated[
        Path | None, typer.Option(help="Run folder to resume with its own settings.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Train a network. Prints one row per epoch, and writes weights, metrics and plots."""
    fixed: dict[str, Any] = {"--recipe": recipe, "--dataset": dataset, "--out": out}
    fixed |= {"--batch-size": batch_size, "--lr": lr, "--seed": seed, "--split": split}
    fixed |= {"--teacher": teacher, "--init": init}
    if resume:
        refuse("with --resume, which keeps the run's settings", fixed)
    with extra("train"):
        from cnn_mnist.training import distributed, recipes
        from cnn_mnist.training import train as training
        from cnn_mnist.training.data import load
        from cnn_mnist.training.device import choose, memory_checked
        from cnn_mnist.training.runs import run_folder
        from cnn_mnist.training.runs.config import load_config

    settings = recipes.get(recipe or "default").changed(epochs=epochs, batch_size=batch_size, lr=lr)
    begun = load_config(resume) if resume else None
    teaching, initial = (None if run is None else shelf.find(run) for run in (teacher, init))
    place, notice = choose(device)
    with distributed.process_group(place), memory_checked():
        say = Terminal(as_json, quiet=distributed.rank() > 0)
        say.notice(notice)
        splits = begun.data(data_dir) if begun else load(dataset or "auto", data_dir)
        say.notice(splits.notice)
        splits = _held_out(splits, begun, split, say)
        chosen = out or run_folder.free_name(Path("runs"), settings.name)
        folder = resume or Path(distributed.from_first(str(chosen)))
        if resume:
            run = training.resume(folder, epochs, place)
            say.notice(*_about_resuming(run, epochs, folder))
        else:
            settings = for_classes(settings, splits, say)
            settings = settings if batch_size else settings.sized_for(len(splits.train))
            settings = without_missing_teacher(settings, teacher, say)
            run = training.begin(settings, splits, folder, seed or 0, place, teaching, initial)
        for text in (*_head(run, splits.name, folder), *map(_row, run.history)):
            say.row(text)
        with say.progress(f"Resume with: cnn-mnist train --resume {folder}"):
            metrics = training.finish(
                run, splits, folder, lambda run: say.row(_row(run.history[-1])), say.step
            )
            plots = training.save_plots(run, splits, folder) if distributed.rank() == 0 else []
        say.result({name: metrics[name] for name in SHOWN}, _summary(metrics, plots))


def _held_out(
    splits: "Splits", begun: "Config | None", split: str | None, say: Terminal
) -> "Splits":
    """The splits to train on: those of the run to resume, or with a part held out for `val`."""
    if begun:
        num_held_out = len(splits.train) - begun.num_train
    else:
        num_held_out = splits.num_val if split == "val" else 0
    if split == "val" or num_held_out:
        splits = splits.hold_out(num_held_out)
        say.notice(f"Evaluating on {num_held_out:,} held-out training images.")
    return splits


def _about_resuming(run: "Run", epochs: int | None, folder: Path) -> Iterator[str]:
    if len(run.history) == run.recipe.epochs:
        yield f"{folder} is finished; --epochs N trains it further."
    if epochs and run.recipe.schedule == "one_cycle":
        yield (
            f"The learning rate now follows the one-cycle schedule of {epochs} epochs, so the "
            f"result differs from that of {epochs} epochs in one go."
        )


def _head(run: "Run", dataset: str, folder: Path) -> tuple[str, str]:
    """What is about to be trained, and the header of the table of epochs."""
    precision = str(run.precision).removeprefix("torch.")
    return (
        f"recipe {run.recipe.name}, {dataset}, seed {run.seed}, {run.device} in {precision}, "
        f"into {folder}",
        "epoch  train loss  train acc  test loss  test acc        lr  seconds",
    )


def _row(epoch: "Epoch") -> str:
    return (
        f"{epoch.epoch:5}  {epoch.train_loss:10.4f}  {epoch.train_accuracy:9.2%}  "
        f"{epoch.test_loss:9.4f}  {epoch.test_accuracy:8.2%}  {epoch.lr:8.2g}  "
        f"{epoch.seconds:7.1f}"
    )


def _summary(metrics: dict[str, Any], plots: list[str]) -> Iterator[str]:
    yield (
        f"{metrics['dataset']} {metrics['split']}: {metrics['test_accuracy']:.2%} right, "
        f"{metrics['test_error_count']} errors in {metrics['test_num_images']:,}; "
        f"cross-entropy {metrics['test_nll']:.4f} per image; "
        f"{metrics['num_params']:,} parameters, trained in {metrics['seconds_train']:.1f} s"
    )
    yield (
        f"run folder {metrics['run']}: weights, config.json, history.csv, metrics.json"
        + (f" and the plots {', '.join(plots)} (.png)" if plots else "")
    )
