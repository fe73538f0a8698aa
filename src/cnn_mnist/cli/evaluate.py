"""cnn-mnist evaluate: measure a run."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from cnn_mnist.cli.options import (
    DataDirOption,
    DatasetOption,
    DeviceOption,
    JsonOption,
    extra,
    refuse_lines,
)
from cnn_mnist.terminal import Terminal


def evaluate(
    run: Annotated[
        Path | None,
        typer.Argument(help="Run folder or .onnx file; without it, the released weights."),
    ] = None,
    split: Annotated[
        Literal["test", "train", "val"], typer.Option(help="test, train, or val: 10,000 of train.")
    ] = "test",
    dataset: DatasetOption = None,
    data_dir: DataDirOption = None,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Measure a run, or the released weights, on every image of a split."""
    with extra("train"):
        from cnn_mnist.training import evaluate as evaluate_model
        from cnn_mnist.training.data import load
        from cnn_mnist.training.device import choose
        from cnn_mnist.training.runs import checkpoint

    folder = run or checkpoint.RELEASED
    config = checkpoint.load_config(folder)
    place, notice = choose(device)
    refuse_lines(config.recipe.model, folder)
    splits = load(dataset or config.dataset, data_dir)
    say = Terminal(as_json)
    say.notice(notice, splits.notice)
    model = checkpoint.load_model(folder).to(place)
    figures = asdict(evaluate_model(model, splits, config.recipe.test_norm, split))
    say.figures({"split": split, "data_source": splits.source, **figures})
