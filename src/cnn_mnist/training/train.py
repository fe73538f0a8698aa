"""One training from its settings to a finished run folder: the place that joins the steps."""

import copy
import io
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from cnn_mnist.training import distributed
from cnn_mnist.training.data import Splits
from cnn_mnist.training.device import precision
from cnn_mnist.training.distillation import Teacher
from cnn_mnist.training.evaluate import evaluate, predict_logits
from cnn_mnist.training.lines.train import evaluate_lines, fit_lines, written_lines
from cnn_mnist.training.loop import Run, check_batch, fit, start
from cnn_mnist.training.metrics import measure
from cnn_mnist.training.models.networks import count_params
from cnn_mnist.training.recipes import Recipe
from cnn_mnist.training.runs import checkpoint
from cnn_mnist.training.runs.checkpoint import RunError


def begin(
    recipe: Recipe,
    splits: Splits,
    folder: Path,
    seed: int = 0,
    device: str | torch.device = "cpu",
    teacher: Path | None = None,
    init: Path | None = None,
) -> Run:
    """A new run, with its folder made.

    Args:
        teacher: the finished run that a recipe with `distil` learns from, or a folder of several.
        init: the run whose weights this one begins with.

    Raises:
        RunError: the folder exists already, or cannot be made.
        ValueError: the seed is out of range, or the batch larger than the training set.
    """
    check_batch(recipe, splits)
    check_teacher(recipe, splits, teacher)
    device = torch.device(device)
    run = start(recipe, seed, device, precision(device, recipe), len(splits.classes))
    if init:
        _check_unseen(init, splits, "run")
        _take_weights(run, init)
    if distributed.rank() == 0:
        checkpoint.create(folder, checkpoint.Config.of(run, splits, teacher, init))
    distributed.wait()  # the other processes read the teacher's place there
    return run


def go_on(folder: Path, epochs: int | None = None, device: str | torch.device = "cpu") -> Run:
    """The run of a folder as it was after its last epoch; to train further, give more epochs.

    Raises:
        RunError: the folder is not a run's or is damaged, or has more epochs behind it already.
    """
    config, device = checkpoint.load_config(folder), torch.device(device)
    recipe = config.recipe.changed(epochs=epochs)
    run = checkpoint.load_run(folder, recipe, device, precision(device, recipe))
    if config.init and not run.history:
        _check_same(Path(config.init), config.init_sha256, folder)
        _take_weights(run, Path(config.init))
    if len(run.history) > recipe.epochs:
        raise RunError(
            f"{folder} has {len(run.history)} epochs behind it already; give more with --epochs"
        )
    if recipe != config.recipe and distributed.rank() == 0:
        checkpoint.save_config(folder, replace(config, recipe=recipe))
    return run


def check_teacher(recipe: Recipe, splits: Splits, teacher: Path | None) -> None:
    """Whether a run folder is what the recipe learns from.

    Raises:
        RunError: the recipe wants a teacher and none is named, or the other way round; or the
            teacher has seen images that are held out here.
    """
    if recipe.distil and teacher is None:
        raise RunError(
            f"the recipe {recipe.name} learns from a teacher; train one with: "
            "cnn-mnist train --recipe teacher --out runs/teacher, and name it with --teacher"
        )
    if teacher is None:
        return
    if not recipe.distil:
        raise RunError(f"the recipe {recipe.name} learns without a teacher; leave --teacher out")
    for member in checkpoint.members(teacher):
        _check_unseen(member, splits, "teacher")


def _check_unseen(folder: Path, splits: Splits, role: str) -> None:
    """Whether what is held out here was held out from another run, too."""
    config = checkpoint.load_config(folder)
    learned = config.dataset, config.images_sha256
    if learned != (splits.name, splits.sha256) or config.num_train > len(splits.train):
        raise RunError(
            f"the {role} {folder} learned from {config.num_train:,} images of "
            f"{config.dataset}, and here are {len(splits.train):,} of {splits.name}; what is "
            f"held out must be new to the {role} too: train it with --split val"
        )


def _check_same(used: Path, sha256: str, folder: Path) -> None:
    """Whether another run still is the one that the run of a folder began with."""
    if checkpoint.weights_sha256(used) != sha256:
        raise RunError(f"the run {used} is another one than {folder} began with")


def _take_weights(run: Run, folder: Path) -> None:
    """Begin with the weights of another run."""
    model = checkpoint.load_config(folder).recipe.model
    if model != run.recipe.model:
        raise RunError(
            f"{folder} is a run of the model {model}, and the recipe {run.recipe.name} trains "
            f"{run.recipe.model}; name a run of that with --init"
        )
    weights = checkpoint.load_model(folder).state_dict()
    for net in filter(None, (run.net, run.averaged)):
        net.load_state_dict(weights)


def load_teacher(
    folder: Path, recipe: Recipe, splits: Splits, device: str | torch.device = "cpu"
) -> Teacher:
    """The models of a run folder, or of a folder of several, as the teacher of a recipe.

    Raises:
        RunError: a file is missing or damaged.
    """
    device, models = torch.device(device), []
    for member in checkpoint.members(folder):
        teaching = checkpoint.load_config(member).recipe
        models.append((checkpoint.load_model(member).to(device), teaching.test_norm))
    bits = precision(device, teaching)
    return Teacher(models, splits.train.to(device), recipe, bits)


def _teacher_of(run: Run, splits: Splits, folder: Path) -> Teacher | None:
    """The teacher that a run began with, as long as it still is the same."""
    config = checkpoint.load_config(folder)
    if not config.teacher:
        return None
    teacher = Path(config.teacher)
    _check_same(teacher, config.teacher_sha256, folder)
    return load_teacher(teacher, run.recipe, splits, run.device)


def finish(
    run: Run,
    splits: Splits,
    folder: Path,
    on_epoch: Callable[[Run], None] | None = None,
    on_step: Callable[[int, int], None] | None = None,
    teacher: Teacher | None = None,
) -> dict[str, Any]:
    """Train a run to its last epoch, saving every one, and measure it.

    Args:
        teacher: the run's own, where it is at hand already; its answers serve several runs.

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

    if run.recipe.model == "lines":
        fit_lines(run, splits, save_then_tell, on_step)
        test = asdict(evaluate_lines(run.model, written_lines(splits.test)))
    else:
        teacher = teacher or _teacher_of(run, splits, folder)
        fit(run.recipe, splits, save_then_tell, run=run, teacher=teacher, on_step=on_step)
        test = asdict(evaluate(run.model, splits, run.recipe.test_norm))
    metrics = {
        "run": str(folder),
        "recipe": run.recipe.name,
        "dataset": splits.name,
        "data_source": splits.source,
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
    """Write the plots of a digit classifier's run as PNG files into its folder."""
    if run.recipe.model == "lines":
        return
    from cnn_mnist.training.runs import plots  # matplotlib takes a second to load

    splits = splits.to("cpu")
    logits = predict_logits(copy.deepcopy(run.model).cpu(), splits.test, run.recipe.test_norm)
    figures = {
        "curves": plots.curves(run.history, published=splits.name == "mnist"),
        "confusion": plots.confusion_matrix(
            measure(logits, splits.test.labels).confusion, splits.classes
        ),
        "samples": plots.samples(splits.test, logits, splits.classes),
        "mistakes": plots.mistakes(splits.test, logits, splits.classes),
        "augmentations": plots.augmentations(splits.train, run.recipe),
    }
    for name, figure in figures.items():
        picture = io.BytesIO()
        figure.savefig(picture, format="png", dpi=110)
        checkpoint.write(folder / f"{name}.png", picture.getvalue())
