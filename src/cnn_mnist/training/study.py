"""Many trainings of one recipe that differ in the seed alone: mean, spread, interval."""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from cnn_mnist.training import checkpoint
from cnn_mnist.training.data import Splits
from cnn_mnist.training.recipes import Recipe
from cnn_mnist.training.train import begin, finish, go_on


@dataclass(frozen=True)
class Summary:
    """What several seeds give. The accuracies are in 0..1."""

    num_seeds: int
    mean: float
    std: float  # of the single trainings; 0 for one seed
    interval: tuple[float, float] | None  # 95 %, of the mean (Student's t); none for one seed
    accuracies: list[float]


def study(
    recipe: Recipe,
    splits: Splits,
    seeds: Sequence[int],
    folder: Path,
    device: str | torch.device = "cpu",
    on_seed: Callable[[dict[str, Any]], None] | None = None,
    on_step: Callable[[int, int], None] | None = None,
) -> Summary:
    """Train the recipe once a seed, each in a folder of its own, and sum the figures up.

    Called again after an interruption it reads the finished seeds, goes on with the one that was
    stopped, and trains the rest.

    Raises:
        RunError: the folder holds a study of another recipe or data set.
    """
    rows = []
    for seed in seeds:
        rows.append(_one(recipe, splits, seed, folder / f"seed-{seed}", device, on_step))
        if on_seed:
            on_seed(rows[-1])
    return summarize([row["test_accuracy"] for row in rows])


def _one(
    recipe: Recipe,
    splits: Splits,
    seed: int,
    folder: Path,
    device: str | torch.device,
    on_step: Callable[[int, int], None] | None,
) -> dict[str, Any]:
    if not folder.exists():
        run = begin(recipe, splits, folder, seed, device)
        return finish(run, splits, folder, on_step=on_step)
    config = checkpoint.load_config(folder)
    if (config.recipe, config.dataset) != (recipe, splits.name):
        raise checkpoint.RunError(
            f"{folder} is of another recipe or data set; choose another --out"
        )
    if (folder / "metrics.json").exists():
        return checkpoint.load_metrics(folder)
    return finish(go_on(folder, device=device), splits, folder, on_step=on_step)


def summarize(accuracies: Sequence[float]) -> Summary:
    """Mean, standard deviation and the mean's 95 % interval of at least one accuracy."""
    from scipy.stats import t

    count, mean = len(accuracies), statistics.fmean(accuracies)
    if count == 1:
        return Summary(1, mean, 0.0, None, list(accuracies))
    std = statistics.stdev(accuracies)
    half = float(t.ppf(0.975, count - 1)) * std / math.sqrt(count)
    return Summary(count, mean, std, (mean - half, mean + half), list(accuracies))
