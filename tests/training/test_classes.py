"""Runs on data sets with other classes than the ten digits, from training to export."""

import csv
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image

import collected
from cnn_mnist import shelf
from cnn_mnist.inference.recognition.classifier import Classifier
from cnn_mnist.training.data import DIGITS, DataError, Splits, load
from cnn_mnist.training.evaluation import predict_logits
from cnn_mnist.training.models.networks import MODELS
from cnn_mnist.training.recipes import Recipe
from cnn_mnist.training.runs import checkpoint, errors, model_card, plots, web
from cnn_mnist.training.runs.config import load_config
from cnn_mnist.training.runs.export import export
from cnn_mnist.training.runs.run_folder import RunError
from cnn_mnist.training.train import begin, finish, resume, save_plots


@pytest.fixture
def small(tiny: Recipe) -> Recipe:
    return tiny.changed(batch_size=20, augment="none", lr=0.003)


@pytest.mark.parametrize("count", [2, 10, 26, 47])
@pytest.mark.parametrize("model", ["net", "bn-small"])
def test_the_network_has_an_output_for_every_class(
    model: str, count: int, small: Recipe, tmp_path: Path
) -> None:
    splits = load(str(collected.keras(tmp_path / "a.npz", count, 3, 1)))
    run = begin(small.changed(model=model, epochs=1, batch_size=6), splits, tmp_path / "run")
    metrics = finish(run, splits, tmp_path / "run")
    assert metrics["dataset"] == "a.npz"
    assert len(metrics["test_confusion"]) == len(metrics["test_confusion"][0]) == count
    assert predict_logits(checkpoint.load_model(tmp_path / "run"), splits.test, (0, 1)).shape == (
        count,
        count,
    )
    config = load_config(tmp_path / "run")
    assert (config.classes, config.images_sha256) == (splits.classes, splits.sha256)
    assert torch.equal(config.data().train.images, splits.train.images)
    assert resume(tmp_path / "run").history == run.history


def test_letters_are_learned(small: Recipe, tmp_path: Path) -> None:
    splits = load(str(collected.keras(tmp_path / "a.npz", 26, 10, 2)))
    metrics = finish(
        begin(small.changed(epochs=6), splits, tmp_path / "run"), splits, tmp_path / "run"
    )
    assert metrics["test_accuracy"] > 0.9


def test_a_run_does_not_resume_with_other_data(small: Recipe, tmp_path: Path) -> None:
    path = collected.keras(tmp_path / "a.npz", 3, 8, 2)
    begin(small, load(str(path)), tmp_path / "run")
    config = load_config(tmp_path / "run")
    path.rename(tmp_path / "b.npz")
    assert len(config.data(tmp_path / "b.npz").train) == 24
    collected.keras(path, 3, 9, 2)
    with pytest.raises(DataError, match="images or labels have changed"):
        config.data()


def test_a_folder_without_classes_in_its_config_is_of_the_ten_digits(
    tiny: Recipe, few_digits: Splits, tmp_path: Path
) -> None:
    begin(tiny, few_digits, tmp_path / "run")
    path = tmp_path / "run" / "config.json"
    values = json.loads(path.read_text())
    assert values.pop("classes") == list(DIGITS)
    assert values.pop("images_sha256") == ""
    path.write_text(json.dumps(values))
    assert load_config(tmp_path / "run").classes == DIGITS
    assert load_config(shelf.get("reader").folder).classes == DIGITS
    assert resume(tmp_path / "run").net.fc2.out_features == 10  # type: ignore[union-attr]


def test_an_exported_model_says_its_classes_and_is_refused_where_digits_are_read(
    small: Recipe, tmp_path: Path
) -> None:
    splits, folder = load(str(collected.keras(tmp_path / "a.npz", 26, 3, 1))), tmp_path / "run"
    finish(begin(small.changed(epochs=1), splits, folder), splits, folder)
    card = model_card.of_run(folder, splits)
    path = tmp_path / "letters.onnx"
    model, facts = checkpoint.load_model(folder), model_card.metadata(card)
    export(model, path, (0.13, 0.3), splits.test.images, facts, test=splits.test)
    session = onnxruntime.InferenceSession(path.read_bytes())
    assert json.loads(session.get_modelmeta().custom_metadata_map["classes"]) == list(
        splits.classes
    )
    logits, _ = session.run(None, {"images": splits.test.images.numpy()})
    assert logits.shape == (26, 26)
    with pytest.raises(
        ValueError, match=r"letters.onnx was trained on other classes than the ten digits"
    ):
        Classifier(path)
    with pytest.raises(RunError, match="the page is about the ten digits"):
        web.export(folder, splits, tmp_path / "page")
    assert not (tmp_path / "page").exists()


def test_plots_bear_the_names_of_the_classes(small: Recipe, tmp_path: Path) -> None:
    labels = collected.labels(3, 10)
    names = ["cat", "do$g", "x_$y$"]  # dollars are no formula
    np.savez(tmp_path / "a.npz", images=collected.images(labels), labels=labels, classes=names)
    splits, folder = load(str(tmp_path / "a.npz")), tmp_path / "run"
    run = begin(small.changed(epochs=1), splits, folder)
    finish(run, splits, folder)
    save_plots(run, splits, folder)
    assert (folder / "confusion.png").exists()
    axes = plots.confusion_matrix([[1, 0, 0], [0, 2, 0], [1, 0, 0]], splits.classes).axes[0]
    assert [text.get_text() for text in axes.get_xticklabels()] == names
    assert axes.get_ylabel() == "true class"
    logits = torch.eye(3)[[0, 0, 2]]
    figure = plots.samples(splits.test[:3], logits, splits.classes)
    titles = [text.get_text() for text in figure.axes[0].texts]
    assert [title.splitlines()[:-1] for title in titles] == [["cat"]] * 2 + [["x_$y$", "not do$g"]]


def test_errors_are_a_sheet_and_a_table(few_digits: Splits, tmp_path: Path) -> None:
    test = few_digits.test
    files = tuple(f"{row}.png" for row in range(60))
    split = type(test)(test.images, test.labels, files=files)
    logits = 5.0 * torch.nn.functional.one_hot(test.labels, 10)
    logits[7] = 9.0 * torch.nn.functional.one_hot((test.labels[7] + 1) % 10, 10)
    logits[9] = 2.0 * torch.nn.functional.one_hot((test.labels[9] + 1) % 10, 10)
    logits[3] *= 0.5
    errors.write(tmp_path / "seen", split, logits, DIGITS)
    table = (tmp_path / "seen" / "errors.csv").read_text()
    rows = list(csv.DictReader(table.splitlines()))
    assert [row["row"] for row in rows[:3]] == ["7", "9", "3"]
    assert len(rows) == 2 + errors.NUM_LEAST_CONFIDENT
    assert rows[0]["file"] == "7.png"
    assert rows[0]["label"] == str(int(test.labels[7]))
    assert rows[0]["answer"] == str(int(test.labels[7] + 1) % 10)
    assert float(rows[0]["confidence"]) == pytest.approx(
        float(logits[7].softmax(0).max()), abs=1e-4
    )
    with Image.open(tmp_path / "seen" / "errors.png") as sheet:
        assert sheet.size[0] > 1000


def test_the_table_of_errors_names_a_file_whose_name_is_no_text(
    few_digits: Splits, tmp_path: Path
) -> None:
    split = replace(few_digits.test[:1], files=(os.fsdecode(b"\xff.png"),))
    errors.write(tmp_path, split, torch.zeros(1, 10), DIGITS)
    assert (tmp_path / "errors.csv").read_text().endswith(",?.png\n")


def test_errors_that_cannot_be_written_are_told(few_digits: Splits, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    logits = torch.zeros(60, 10)
    with pytest.raises(RunError, match=r"cannot be written to .*: Not a directory"):
        errors.write(tmp_path / "file" / "seen", few_digits.test, logits, DIGITS)


def test_ten_outputs_start_as_they_always_did() -> None:
    for name, build in MODELS.items():
        states = []
        for arguments in ((), (10,)):
            torch.manual_seed(3)
            states.append(build(*arguments).state_dict())
        assert all(torch.equal(states[0][key], states[1][key]) for key in states[0]), name
