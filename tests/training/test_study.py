"""Several seeds: statistics against numpy and scipy, and resuming after an interruption."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from cnn_mnist.training.data import Splits
from cnn_mnist.training.recipes import Recipe
from cnn_mnist.training.runs import run_folder
from cnn_mnist.training.runs.run_folder import RunError
from cnn_mnist.training.studies.study import compare, finished, study, summarize


def test_mean_spread_and_interval_are_scipys() -> None:
    accuracies = [0.9911, 0.9925, 0.9903, 0.9931, 0.9917]
    got = summarize(accuracies)
    low, high = stats.t.interval(0.95, 4, loc=np.mean(accuracies), scale=stats.sem(accuracies))
    assert (got.num_seeds, got.accuracies) == (5, accuracies)
    assert got.mean == pytest.approx(np.mean(accuracies))
    assert got.std == pytest.approx(np.std(accuracies, ddof=1))
    assert got.interval == pytest.approx((low, high))


def test_one_seed_has_no_interval() -> None:
    got = summarize([0.99])
    assert (got.mean, got.std, got.interval) == (0.99, 0, None)


def test_the_difference_and_its_interval_are_scipys_welch() -> None:
    ours, theirs = [0.9951, 0.9947, 0.9956, 0.9949], [0.9940, 0.9931, 0.9938]
    expected = stats.ttest_ind(ours, theirs, equal_var=False).confidence_interval(0.95)
    got = compare(ours, theirs)
    assert got.mean == pytest.approx(np.mean(ours) - np.mean(theirs))
    assert got.interval == pytest.approx((expected.low, expected.high))
    assert got.is_real


def test_what_may_be_chance_is_called_so() -> None:
    assert not compare([0.991, 0.995], [0.990, 0.994]).is_real
    assert not compare([0.99, 0.99], [0.99, 0.99]).is_real
    assert compare([0.99, 0.99], [0.98, 0.98]).is_real
    assert (compare([0.99], [0.98]).interval, compare([0.99], [0.98]).is_real) == (None, False)


def test_a_finished_study_is_read_from_its_folder(
    tiny: Recipe, few_digits: Splits, tmp_path: Path
) -> None:
    result = study(tiny, few_digits, [0, 1], tmp_path)
    (tmp_path / "seed-2").mkdir()  # begun only
    assert finished(tmp_path, few_digits) == result.accuracies
    with pytest.raises(RunError, match="is not a study"):
        finished(tmp_path / "seed-0", few_digits)


@pytest.mark.parametrize("recorded", [True, False])
def test_only_studies_of_one_split_are_compared(
    recorded: bool, tiny: Recipe, few_digits: Splits, tmp_path: Path
) -> None:
    held_out = few_digits.hold_out()
    for splits, other in ((few_digits, held_out), (held_out, few_digits)):
        folder = tmp_path / splits.split
        result = study(tiny.changed(epochs=1), splits, [0], folder)
        if not recorded:  # as in earlier versions
            metrics = run_folder.load_metrics(folder / "seed-0")
            del metrics["split"]
            run_folder.save_metrics(folder / "seed-0", metrics)
        assert finished(folder, splits) == result.accuracies
        with pytest.raises(RunError, match=rf"on {splits.split}, and this study is on .*--split$"):
            finished(folder, other)


def test_each_seed_is_trained_once_however_often_it_is_asked_for(
    tiny: Recipe, few_digits: Splits, tmp_path: Path
) -> None:
    steps: list[int] = []

    def count(done: int, _: int) -> None:
        steps.append(done)

    def run(seeds: int) -> list[float]:
        steps.clear()
        return study(tiny, few_digits, range(seeds), tmp_path, on_step=count).accuracies

    first = run(2)
    assert len(steps) == 2 * 6
    assert run(2) == first
    assert steps == []
    assert run(3)[:2] == first
    assert len(steps) == 6
    assert {path.name for path in tmp_path.iterdir()} == {"seed-0", "seed-1", "seed-2"}


def test_a_stopped_seed_is_finished_to_the_same_result(
    tiny: Recipe, few_digits: Splits, tmp_path: Path
) -> None:
    whole = study(tiny, few_digits, [7], tmp_path / "whole")

    def stop(done: int, _: int) -> None:
        if done == 2 and (tmp_path / "stopped" / "seed-7" / "resume.safetensors").exists():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        study(tiny, few_digits, [7], tmp_path / "stopped", on_step=stop)
    steps: list[int] = []
    went_on = study(
        tiny, few_digits, [7], tmp_path / "stopped", on_step=lambda n, _: steps.append(n)
    )
    assert went_on == whole
    assert len(steps) == 3  # the second epoch alone


def test_the_seeds_are_told_in_order(tiny: Recipe, few_digits: Splits, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = []
    result = study(tiny, few_digits, [3, 1], tmp_path, on_seed=rows.append)
    assert [row["seed"] for row in rows] == [3, 1]
    assert [row["test_accuracy"] for row in rows] == result.accuracies


def test_another_recipe_data_set_or_split_is_refused(
    tiny: Recipe, few_digits: Splits, tmp_path: Path
) -> None:
    study(tiny, few_digits, [0], tmp_path)
    mnist = Splits("mnist", few_digits.train, few_digits.test)
    others = {
        "recipe": (replace(tiny, name="other"), few_digits),
        "data set": (tiny, mnist),
        "--split": (tiny, few_digits.hold_out()),
        "value of lr": (tiny.changed(lr=0.02), few_digits),
    }
    for name, (recipe, splits) in others.items():
        with pytest.raises(
            RunError, match=f"seed-0 was started with a different {name}; choose another --out"
        ):
            study(recipe, splits, [0, 1], tmp_path)


def test_damaged_figures_are_named(tiny: Recipe, few_digits: Splits, tmp_path: Path) -> None:
    study(tiny, few_digits, [0], tmp_path)
    path = tmp_path / "seed-0" / "metrics.json"
    for content in ("", "[]", "{}", '{"test_accuracy": 0.9'):
        path.write_text(content)
        with pytest.raises(RunError, match=f"^{path} "):
            study(tiny, few_digits, [0], tmp_path)
