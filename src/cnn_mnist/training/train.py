"""One training from its settings to a finished run folder: the place that joins the steps."""

import copy
import io
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from cnn_mnist.training import checkpoint, distributed
from cnn_mnist.training.data import Splits
from cnn_mnist.training.device import precision
from cnn_mnist.training.evaluate import evaluate, predict_logits
from cnn_mnist.training.loop import Run, check_batch, fit, start
from cnn_mnist.training.metrics import measure
from cnn_mnist.training.model import count_params
from cnn_mnist.training.recipes import Recipe


def begin(
    recipe: Recipe, splits: Splits, folder: Path, seed: int = 0, device: str | torch.device = "cpu"
) -> Run:
    """A new run, with its folder made.

    Raises:
        RunError: the folder exists already, or cannot be made.
        ValueError: the seed is out of range, or the batch larger than the training set.
    """
    check_batch(recipe, splits)
    device = torch.device(device)
    run = start(recipe, seed, device, precision(device, recipe.mixed_precision))
    if distributed.rank() == 0:
        checkpoint.create(folder, checkpoint.Config.of(run, splits.name))
    return run


def go_on(folder: Path, epochs: int | None = None, device: str | torch.device = "cpu") -> Run:
    """The run of a folder as it was after its last epoch; to train further, give more epochs.

    Raises:
        RunError: the folder is not a run's or is damaged, or has more epochs behind it already.
    """
    config, device = checkpoint.load_config(folder), torch.device(device)
    recipe = config.recipe.changed(epochs=epochs)
    run = checkpoint.load_run(folder, recipe, device, precision(device, recipe.mixed_precision))
    if len(run.history) > recipe.epochs:
        raise checkpoint.RunError(
            f"{folder} has {len(run.history)} epochs behind it already; give more with --epochs"
        )
    if recipe != config.recipe and distributed.rank() == 0:
        checkpoint.save_config(folder, replace(config, recipe=recipe))
    return run


def finish(
    run: Run,
    splits: Splits,
    folder: Path,
    on_epoch: Callable[[Run], None] | None = None,
    on_step: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Train a run to its last epoch, saving every one, and measure it.

    Returns:
        What metrics.json holds: the run's facts and its figures on the test split.

    Raises:
        RunError: an epoch could not be saved.
        ValueError: as `fit`.
    """

    def save_then_tell(run: Run) -> None:
        if distributed.rank() == 0:
            checkpoint.save(folder, run)
        if on_epoch:
            on_epoch(run)

    fit(run.recipe, splits, save_then_tell, run=run, on_step=on_step)
    test = asdict(evaluate(run.model, splits, run.recipe.test_norm))
    metrics = {
        "run": str(folder),
        "recipe": run.recipe.name,
        "dataset": splits.name,
        "seed": run.seed,
        "epochs": run.recipe.epochs,
        "num_params": count_params(run.net),
        "test_accuracy": test.pop("accuracy"),
        "test_error_count": test.pop("error_count"),
        "test_nll": test.pop("nll"),
        "seconds_train": round(sum(row.seconds for row in run.history), 3),
        "device": str(run.device),
    }
    metrics |= {f"test_{name}": value for name, value in test.items()}
    if distributed.rank() == 0:
        checkpoint.save_metrics(folder, metrics)
    return metrics


def draw(run: Run, splits: Splits, folder: Path) -> None:
    """Write the run's five plots as PNG files into its folder."""
    from cnn_mnist.training import plots  # matplotlib takes a second to load

    splits = splits.to("cpu")
    logits = predict_logits(copy.deepcopy(run.model).cpu(), splits.test, run.recipe.test_norm)
    figures = {
        "curves": plots.curves(run.history, published=splits.name == "mnist"),
        "confusion": plots.confusion_matrix(measure(logits, splits.test.labels).confusion),
        "samples": plots.samples(splits.test, logits),
        "mistakes": plots.mistakes(splits.test, logits),
        "augmentations": plots.augmentations(splits.train, run.recipe),
    }
    for name, figure in figures.items():
        picture = io.BytesIO()
        figure.savefig(picture, format="png", dpi=110)
        checkpoint.write(folder / f"{name}.png", picture.getvalue())
