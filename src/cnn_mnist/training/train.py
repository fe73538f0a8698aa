"""One training, from its settings to a finished run folder."""

import copy
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from cnn_mnist.training import distributed
from cnn_mnist.training.data import Splits
from cnn_mnist.training.device import precision
from cnn_mnist.training.distillation import Teacher
from cnn_mnist.training.evaluation import evaluate, predict_logits
from cnn_mnist.training.lines.train import evaluate_lines, fit_lines, written_lines
from cnn_mnist.training.lines.typefaces import handwritten
from cnn_mnist.training.loop import Run, check_batch, fit, start
from cnn_mnist.training.metrics import measure
from cnn_mnist.training.models.networks import count_params
from cnn_mnist.training.recipes import Recipe
from cnn_mnist.training.runs import checkpoint, run_folder
from cnn_mnist.training.runs.config import Config, create_folder, load_config, save_config
from cnn_mnist.training.runs.run_folder import RunError


def begin(
    recipe: Recipe,
    splits: Splits,
    folder: Path,
    seed: int = 0,
    device: str | torch.device = "cpu",
    teacher: Path | None = None,
    init: Path | None = None,
) -> Run:
    """Start a new run, and create its folder.

    Args:
        teacher: the finished run that a recipe with `distil` learns from, or a folder of several.
        init: the run whose weights this one starts from.

    Raises:
        RunError: the folder exists already or cannot be created, the recipe needs `init`, or it
            trains the line network in several processes.
        ValueError: the seed is out of range, the batch is larger than the training set, or the
            handwriting typefaces of the line network are missing.
    """
    _check_processes(recipe)
    check_batch(recipe, splits)
    check_teacher(recipe, splits, teacher)
    if recipe.init_share and init is None:
        raise RunError(f"the recipe {recipe.name} starts from another run; name it with --init")
    device = torch.device(device)
    run = start(recipe, seed, device, precision(device, recipe), len(splits.classes))
    if init:
        _check_unseen(init, splits, "run")
        _take_weights(run, init)
    if recipe.model == "lines":
        handwritten()  # fail before the folder is created
    if distributed.rank() == 0:
        create_folder(folder, Config.of(run, splits, teacher, init))
    distributed.wait()  # the other processes read the teacher's path there
    return run


def resume(folder: Path, epochs: int | None = None, device: str | torch.device = "cpu") -> Run:
    """Load the run of a folder as it was after its last epoch.

    Args:
        epochs: the new number of epochs, to train a run further than its settings say.

    Raises:
        RunError: the folder is not a run's, is damaged, or has more epochs than that already; or
            it is resumed in several processes, but trains the line network.
    """
    config = load_config(folder)
    _check_processes(config.recipe)
    device = torch.device(device)
    recipe = config.recipe.changed(epochs=epochs)
    run = checkpoint.load_run(folder, recipe, device, precision(device, recipe))
    if config.init and not run.history:
        _take_weights(run, _init_of(folder))
    if len(run.history) > recipe.epochs:
        raise RunError(
            f"{folder} has already been trained for {len(run.history)} epochs; give a larger "
            "--epochs to train further"
        )
    if recipe != config.recipe and distributed.rank() == 0:
        save_config(folder, replace(config, recipe=recipe))
    return run


def _check_processes(recipe: Recipe) -> None:
    if recipe.model == "lines" and distributed.world_size() > 1:
        raise RunError("the line network is trained by one process; start it without torchrun")


def check_teacher(recipe: Recipe, splits: Splits, teacher: Path | None) -> None:
    """Check that a run folder is a valid teacher for the recipe.

    Raises:
        RunError: the recipe needs a teacher but none is given, or one is given but not needed; or
            the teacher has seen images that are held out here.
    """
    if recipe.distil and teacher is None:
        raise RunError(
            f"the recipe {recipe.name} needs a teacher; train one with: cnn-mnist train "
            "--recipe teacher --out runs/teacher, then pass it with --teacher runs/teacher"
        )
    if teacher is None:
        return
    if not recipe.distil:
        raise RunError(f"the recipe {recipe.name} uses no teacher; omit --teacher")
    for member in run_folder.members(teacher):
        _check_unseen(member, splits, "teacher")


def _check_unseen(folder: Path, splits: Splits, role: str) -> None:
    """Check that the held-out images are new to another run, of the same data set."""
    config = load_config(folder)
    if (config.dataset, config.images_sha256) != (splits.name, splits.sha256):
        raise RunError(
            f"the {role} {folder} was trained on other data ({config.dataset}) than this run "
            f"({splits.name}); give one that was trained on the same data set"
        )
    if config.num_train > len(splits.train):
        raise RunError(
            f"the {role} {folder} was trained on {config.num_train:,} images, but this run trains "
            f"on {len(splits.train):,}; the {role} must not have seen the held-out images either: "
            "train it with --split val"
        )


def _check_same(used: Path, sha256: str, folder: Path) -> None:
    """Check that the weights of another run are those that a run started with."""
    if run_folder.weights_sha256(used) != sha256:
        raise RunError(
            f"{used} has changed since {folder} started with it; put the old weights back, or "
            "train a new run"
        )


def _take_weights(run: Run, folder: Path) -> None:
    """Start from the weights of another run."""
    model = load_config(folder).recipe.model
    if model != run.recipe.model:
        raise RunError(
            f"{folder} is a run of the model {model}, but the recipe {run.recipe.name} trains "
            f"{run.recipe.model}; give a run of that model with --init"
        )
    weights = checkpoint.load_model(folder).state_dict()
    for net in filter(None, (run.net, run.averaged)):
        net.load_state_dict(weights)


def _init_of(folder: Path) -> Path:
    """The run that a run started from, if it is still the same."""
    config = load_config(folder)
    _check_same(Path(config.init), config.init_sha256, folder)
    return Path(config.init)


def _interpolate(run: Run, folder: Path) -> None:
    """Average the final weights with the initial ones, to keep what these could do.

    Wortsman et al., Robust fine-tuning of zero-shot models (CVPR 2022).
    """
    initial = checkpoint.load_model(_init_of(folder)).state_dict()
    for name, value in run.model.state_dict().items():
        if value.is_floating_point():
            value.lerp_(initial[name].to(value.device), run.recipe.init_share)
    checkpoint.save_model(folder, run.model)


def load_teacher(
    folder: Path, recipe: Recipe, splits: Splits, device: str | torch.device = "cpu"
) -> Teacher:
    """Load the models of a run folder, or of a folder of several, as a recipe's teacher.

    Raises:
        RunError: a file is missing or damaged.
    """
    device = torch.device(device)
    models, dtypes = [], set()
    for member in run_folder.members(folder):
        teaching = load_config(member).recipe
        models.append((checkpoint.load_model(member).to(device), teaching.test_norm))
        dtypes.add(precision(device, teaching))
    dtype = torch.float32 if torch.float32 in dtypes else torch.bfloat16
    return Teacher(models, splits.train.to(device), recipe, dtype)


def _teacher_of(run: Run, splits: Splits, folder: Path) -> Teacher | None:
    """The teacher that a run started with, if it is still the same."""
    config = load_config(folder)
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
    """Train a run to its last epoch, saving every epoch, and evaluate it.

    Args:
        teacher: the run's own teacher, if it has been loaded; several runs can share its outputs.

    Returns:
        The content of metrics.json: what the run is, and its metrics on `splits.test`, test_*.

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
    else:
        teacher = teacher or _teacher_of(run, splits, folder)
        fit(run.recipe, splits, save_then_tell, run=run, teacher=teacher, on_step=on_step)
    if run.recipe.init_share:
        _interpolate(run, folder)
    if run.recipe.model == "lines":
        test = asdict(evaluate_lines(run.model, written_lines(splits.test)))
    else:
        test = asdict(evaluate(run.model, splits, run.recipe.test_norm))
    metrics = {
        "run": str(folder),
        "recipe": run.recipe.name,
        "dataset": splits.name,
        "data_source": splits.source,
        "split": splits.split,
        "seed": run.seed,
        "epochs": run.recipe.epochs,
        "num_params": count_params(run.net),
        "seconds_train": round(sum(row.seconds for row in run.history), 3),
        "device": str(run.device),
        **{f"test_{name}": value for name, value in test.items()},
    }
    if distributed.rank() == 0:
        run_folder.save_metrics(folder, metrics)
    return metrics


def save_plots(run: Run, splits: Splits, folder: Path) -> list[str]:
    """Save the plots of a run as PNG files in its folder → their names; line networks have none."""
    if run.recipe.model == "lines":
        return []
    from cnn_mnist.training.runs import plots  # matplotlib takes a second to import

    splits = splits.to("cpu")
    logits = predict_logits(copy.deepcopy(run.model).cpu(), splits.test, run.recipe.test_norm)
    published = (splits.name, splits.split) == ("mnist", "test")
    figures = {
        "curves": plots.curves(run.history, published, splits.split),
        "confusion": plots.confusion_matrix(
            measure(logits, splits.test.labels).confusion, splits.classes
        ),
        "samples": plots.samples(splits.test, logits, splits.classes),
        "mistakes": plots.mistakes(splits.test, logits, splits.classes),
        "augmentations": plots.augmentations(splits.train, run.recipe),
    }
    for name, figure in figures.items():
        run_folder.write(folder / f"{name}.png", plots.png(figure))
    return list(figures)
