"""One training, from its settings to a finished folder, with every kind of interruption."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from cnn_mnist.terminal import Terminal
from cnn_mnist.training.data import Splits
from cnn_mnist.training.loop import Epoch, Run
from cnn_mnist.training.recipes import DEFAULT, REFERENCE, Recipe
from cnn_mnist.training.runs import checkpoint, plots
from cnn_mnist.training.runs.config import load_config
from cnn_mnist.training.runs.run_folder import RunError
from cnn_mnist.training.train import begin, finish, resume, save_plots
from shell import Shell

WEIGHTS = {"model.safetensors", "resume.safetensors", "epochs"}
FILES = {"config.json", "history.csv", "metrics.json"} | WEIGHTS
PLOTS = {f"{name}.png" for name in ["curves", "confusion", "samples", "mistakes", "augmentations"]}

Start = Callable[..., "subprocess.Popen[str]"]


class InterruptedRunError(Exception):
    """Stands for anything that stops a training between two epochs."""


def stop_after(epochs: int) -> Callable[[Run], None]:
    def stop(run: Run) -> None:
        if len(run.history) == epochs:
            raise InterruptedRunError

    return stop


def weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("recipe", [REFERENCE, DEFAULT], ids=lambda recipe: recipe.name)
def test_ten_epochs_are_five_and_five_more_bit_for_bit(
    recipe: Recipe, few_digits: Splits, tmp_path: Path
) -> None:
    recipe = recipe.changed(epochs=10, batch_size=100, mixed_precision=False)
    compare_straight_with_resumed(recipe, few_digits, tmp_path)


@pytest.mark.slow
def test_ten_epochs_are_five_and_five_more_on_mnist_in_the_default_precision(
    mnist: Splits, tmp_path: Path
) -> None:
    splits = Splits("mnist", mnist.train[:20_000], mnist.test)
    compare_straight_with_resumed(DEFAULT, splits, tmp_path)


def compare_straight_with_resumed(recipe: Recipe, splits: Splits, parent: Path) -> None:
    straight, broken = parent / "straight", parent / "broken"
    whole = begin(recipe, splits, straight, seed=1)
    finish(whole, splits, straight)
    with pytest.raises(InterruptedRunError):
        finish(begin(recipe, splits, broken, seed=1), splits, broken, stop_after(5))
    resumed = resume(broken)
    assert len(resumed.history) == 5
    finish(resumed, splits, broken)
    assert weights(broken) == weights(straight)
    assert [row.train_loss for row in resumed.history] == [row.train_loss for row in whole.history]
    assert [row.test_loss for row in resumed.history] == [row.test_loss for row in whole.history]


def test_a_finished_step_schedule_can_be_trained_further(
    few_digits: Splits, tmp_path: Path
) -> None:
    recipe = REFERENCE.changed(batch_size=100)
    straight, longer = tmp_path / "straight", tmp_path / "longer"
    finish(begin(recipe.changed(epochs=4), few_digits, straight), few_digits, straight)
    finish(begin(recipe.changed(epochs=2), few_digits, longer), few_digits, longer)
    finish(resume(longer, epochs=4), few_digits, longer)
    assert weights(longer) == weights(straight)
    assert load_config(longer).recipe.epochs == 4


def test_the_curves_say_what_was_evaluated() -> None:
    history = [Epoch(1, 0.5, 0.9, 0.4, 0.95, 1e-3, 1.0)]
    for split, word in (("test", "Test"), ("val", "Validation")):
        titles = [axes.get_title() for axes in plots.curves(history, split=split).axes]
        assert titles[2:] == [f"{word} loss (cross-entropy per image)", f"{word} accuracy (%)"]


def test_a_finished_run_leaves_exactly_these_files(
    tiny: Recipe, few_digits: Splits, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    run = begin(tiny, few_digits, folder, seed=3)
    assert names(folder) == {"config.json"}
    metrics = finish(run, few_digits, folder)
    assert names(folder) == FILES
    assert names(folder / "epochs") == {"01.safetensors", "02.safetensors"}
    assert json.loads((folder / "metrics.json").read_text()) == metrics
    check_figures(metrics, run)
    before, state = weights(folder), torch.get_rng_state()
    assert {f"{name}.png" for name in save_plots(run, few_digits, folder)} == PLOTS
    assert names(folder) == FILES | PLOTS
    assert all((folder / name).read_bytes().startswith(b"\x89PNG") for name in PLOTS)
    checkpoint.save(folder, run)
    assert weights(folder) == before, "drawing leaves the run as it was"
    assert torch.equal(torch.get_rng_state(), state)
    config = (folder / "config.json").read_bytes()
    with pytest.raises(RunError, match=r"run has already been trained for 2 epochs.*--epochs"):
        resume(folder, epochs=1)
    assert (folder / "config.json").read_bytes() == config


def check_figures(metrics: dict[str, Any], run: Run) -> None:
    """They are those of the last epoch."""
    last = run.history[-1]
    assert metrics["test_accuracy"] == last.test_accuracy
    assert metrics["test_nll"] == last.test_loss
    assert metrics["test_error_count"] == round((1 - last.test_accuracy) * 60)
    assert (metrics["seed"], metrics["epochs"], metrics["num_params"]) == (3, 2, 24_488)
    assert metrics["seconds_train"] == pytest.approx(sum(r.seconds for r in run.history), abs=1e-3)


def test_a_batch_that_does_not_fit_leaves_no_folder(few_digits: Splits, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="only 300"):
        begin(DEFAULT.changed(batch_size=301), few_digits, tmp_path / "run")
    assert not (tmp_path / "run").exists()


# --- interruptions of a real process ---


PAUSED = """
import importlib, sys
from cnn_mnist import cli

train = importlib.import_module("cnn_mnist.cli.train")

class Paused(train.Terminal):
    epoch = 0

    def step(self, done, total):
        super().step(done, total)
        self.epoch += done == 1
        if (self.epoch, done) == (2, 5):
            print("paused", flush=True)
            sys.stdin.read()

train.Terminal = Paused
cli.main()
"""
TRAIN = "train --recipe reference --dataset digits --epochs 2 --batch-size 100 --out run"


def test_ctrl_c_ends_with_130_and_says_how_to_resume(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def interrupt(said: Terminal, done: int, total: int) -> None:
        if names(tmp_path / "run") > {"history.csv"} and done == 5:  # of the second epoch
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Terminal, "step", interrupt)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        outcome = shell(TRAIN)
    finally:
        signal.signal(signal.SIGINT, before)
    assert outcome.code == 130
    assert "Resume with: cnn-mnist train --resume run" in outcome.err
    assert len(resume(tmp_path / "run").history) == 1
    assert names(tmp_path / "run") == FILES - {"metrics.json"}


@pytest.fixture
def training(environment: dict[str, str], tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """A training that hangs in the middle of its second epoch until it is killed."""
    with subprocess.Popen(
        [sys.executable, "-c", PAUSED, *TRAIN.split()],
        cwd=tmp_path,
        env=environment,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line == "paused\n":
                break
        yield process


def test_a_killed_training_goes_on_as_if_nothing_had_been(
    training: "subprocess.Popen[str]", digits: Splits, tmp_path: Path
) -> None:
    training.kill()
    training.communicate()
    resumed = resume(tmp_path / "run")
    assert len(resumed.history) == 1
    assert finish(resumed, digits, tmp_path / "run")["epochs"] == 2
    undisturbed = tmp_path / "undisturbed"
    recipe = REFERENCE.changed(epochs=2, batch_size=100)
    finish(begin(recipe, digits, undisturbed), digits, undisturbed)
    assert weights(tmp_path / "run") == weights(undisturbed)
    assert names(tmp_path / "run") == FILES
