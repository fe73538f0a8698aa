"""cnn-mnist evaluate: evaluate a run or a released model."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from cnn_mnist import shelf
from cnn_mnist.cli.options import (
    DataDirOption,
    DatasetOption,
    DeviceOption,
    JsonOption,
    RunArgument,
    extra,
    run_folder,
)
from cnn_mnist.terminal import Terminal, share


def evaluate(
    run: RunArgument = None,
    split: Annotated[
        Literal["test", "train", "val"],
        typer.Option(help="test, train, or val, the last sixth of the training images."),
    ] = "test",
    dataset: DatasetOption = None,
    data_dir: DataDirOption = None,
    device: DeviceOption = "auto",
    errors: Annotated[
        Path | None,
        typer.Option(
            help="Folder for errors.png and errors.csv: mistakes and least confident answers."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Evaluate a model on a data set or on your own pictures."""
    with extra("train"):
        from cnn_mnist.training.data import load_for
        from cnn_mnist.training.device import choose
        from cnn_mnist.training.evaluation import images_of, predict_logits
        from cnn_mnist.training.metrics import measure
        from cnn_mnist.training.runs import checkpoint, model_card
        from cnn_mnist.training.runs.config import load_config

    folder = run_folder(run)
    config = load_config(folder)
    if config.recipe.model == "lines":
        name = "card.json" if shelf.holds(folder) else "metrics.json"
        raise ValueError(
            f"{folder} is a run of the line network, but this needs a digit classifier; the line "
            f"network's accuracy is in {name} in that folder"
        )
    place, notice = choose(device)
    if dataset:
        splits = load_for(config.classes, config.images_sha256, dataset, data_dir)
    else:
        splits = config.data(data_dir)
    say = Terminal(as_json)
    say.notice(notice, splits.notice)
    model, norm = checkpoint.load_model(folder).to(place), config.recipe.test_norm
    images = images_of(splits, split)
    logits = predict_logits(model, images.to(place), norm) / model_card.temperature(folder)
    figures = asdict(measure(logits, images.labels.to(place), images.wrong_labels))
    if errors:
        from cnn_mnist.training.runs import errors as errors_of  # imports matplotlib

        errors_of.write(errors, images, logits, splits.classes)
        shown = "mistakes" if figures["error_count"] else "least confident answers"
        say.notice(f"{errors}/errors.png and errors.csv show the {shown}.")
    about = {"split": split, "data_source": splits.source, "classes": splits.classes}
    say.result(about | figures, _rows(about | figures))


def _rows(figures: dict[str, Any]) -> Iterator[str]:
    yield f"{figures['split']}: {figures['num_images']:,} images"
    yield f"accuracy              {figures['accuracy']:.2%}"
    yield f"errors                {figures['error_count']}"
    yield f"nll                   {figures['nll']:.4f}"
    yield f"ece                   {figures['ece']:.2%}"
    if figures["clean_label_accuracy"] is not None:
        yield f"clean-label accuracy  {figures['clean_label_accuracy']:.2%}"
    yield from _class_rows(figures["classes"], figures["per_class"], figures["confusion"])


def _class_rows(
    classes: Sequence[str], accuracies: list[float | None], confusion: list[list[int]]
) -> Iterator[str]:
    """Digits in one line, other classes in a table by name."""
    if list(classes) == list("0123456789"):
        yield "per digit             " + "  ".join(map(share, accuracies))
        yield "confusion (true digit down, answer across)"
    else:
        yield "per class"
        for name, accuracy, counts in zip(classes, accuracies, confusion, strict=True):
            yield f"{name:>20}  {share(accuracy):>6} of {sum(counts):,}"
        yield "confusion (true class down, answer across in the same order)"
    wide = max(map(len, classes))
    for name, counts in zip(classes, confusion, strict=True):
        yield f"{name:>{wide}}: " + " ".join(f"{number:5}" for number in counts)
