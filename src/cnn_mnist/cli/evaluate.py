"""cnn-mnist evaluate: measure a run."""

from dataclasses import asdict
from typing import Annotated, Literal

import typer

from cnn_mnist import shelf
from cnn_mnist.cli.options import (
    DataDirOption,
    DatasetOption,
    DeviceOption,
    JsonOption,
    RunArgument,
    extra,
    refuse_lines,
    run_folder,
)
from cnn_mnist.terminal import Terminal


def evaluate(
    run: RunArgument = None,
    split: Annotated[
        Literal["test", "train", "val"], typer.Option(help="test, train, or val: 10,000 of train.")
    ] = "test",
    dataset: DatasetOption = None,
    data_dir: DataDirOption = None,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Measure a run, or a released model, on every image of a split."""
    with extra("train"):
        from cnn_mnist.training import evaluate as evaluate_model
        from cnn_mnist.training.data import load
        from cnn_mnist.training.device import choose
        from cnn_mnist.training.runs import checkpoint, model_card

    folder = run_folder(run)
    config = checkpoint.load_config(folder)
    place, notice = choose(device)
    refuse_lines(config.recipe.model, folder)
    splits = load(dataset or config.dataset, data_dir)
    say = Terminal(as_json)
    say.notice(notice, splits.notice)
    model = checkpoint.load_model(folder).to(place)
    temperature = model_card.released(folder)["temperature"] if shelf.holds(folder) else 1.0
    figures = asdict(evaluate_model(model, splits, config.recipe.test_norm, split, temperature))
    say.figures({"split": split, "data_source": splits.source, **figures})
