"""The shelf: names, checks, and a correct registry."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

import cnn_mnist
from cnn_mnist import shelf
from cnn_mnist.cli import app
from cnn_mnist.shelf import ShelfError
from cnn_mnist.training import recipes
from cnn_mnist.training.data import Splits
from cnn_mnist.training.runs import model_card

RELEASED = cnn_mnist.list_models()


def test_the_registry_is_what_lies_there() -> None:
    for model in (shelf.get(name) for name in RELEASED):
        models = {path.name for path in model.folder.glob("model*")}
        assert models == set(model.files)
        for name, facts in model.files.items():
            path = model.folder / name
            assert (path.stat().st_size, shelf.sha256(path)) == (facts["size"], facts["sha256"])


def test_all_models_together_are_small() -> None:
    files = [facts["size"] for name in RELEASED for facts in shelf.get(name).files.values()]
    assert sum(files) < 3_000_000


@pytest.mark.parametrize("name", RELEASED)
def test_an_entry_agrees_with_its_card(name: str) -> None:
    model = shelf.get(name)
    card = model_card.released(model.folder)
    assert card["recipe"]["name"] == model.recipe
    assert card["recipe"]["model"] == model.architecture
    assert card["num_params"] == model.num_params
    assert not any("/" in card[role] for role in ("teacher", "init"))  # a folder of one machine
    assert model.test.items() <= card["test"].items()
    assert (model.folder / "README.md").read_text() == model_card.readme(model, card)


def test_the_readme_has_every_released_model_with_its_figures() -> None:
    text = (Path(__file__).parents[1] / "README.md").read_text()
    for model in (shelf.get(name) for name in RELEASED):
        (row,) = [line for line in text.splitlines() if line.startswith(f"| `{model.name}` |")]
        size = sum(facts["size"] for facts in model.files.values()) / 1000
        assert f"| {model.num_params:,} | {size:,.0f} kB" in row
        if model.architecture != "lines":
            assert f"| {model.test['accuracy']:.2%}" in row
            assert f"| {model.test['clean_label_accuracy']:.2%}" in row


def test_every_entry_is_a_recipes() -> None:
    for name, model in shelf.models().items():
        assert model.recipe in recipes.RECIPES
        assert model.recipe in (name, *model.aliases)
        assert recipes.get(model.recipe).model == model.architecture


def test_a_name_is_a_file_and_a_path_stays_a_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert shelf.find("reader", shelf.ONNX) == shelf.WEIGHTS / "reader" / "model.onnx"
    assert shelf.find("reader") == shelf.WEIGHTS / "reader"
    assert shelf.find("runs/mine") == Path("runs/mine")
    assert shelf.find(Path("mine.onnx")) == Path("mine.onnx")
    assert shelf.find(tmp_path) == tmp_path


def test_a_name_that_nothing_has_is_told_with_those_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ShelfError, match=r"is named 'nowhere'; the .* lines or lines-finetune$"):
        shelf.find("nowhere")
    with pytest.raises(ShelfError, match=r"^there is no model 'raeder'; did you mean reader\?"):
        cnn_mnist.load_model("raeder")


def test_a_name_that_is_a_folder_too_is_not_guessed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "reader").mkdir()
    with pytest.raises(ShelfError, match=r"write \./reader"):
        shelf.find("reader")
    assert shelf.find("./reader") == Path("reader")
    cnn_mnist.Reader()  # which nobody named


def test_a_damaged_file_is_not_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = tmp_path / "weights"
    shutil.copytree(shelf.WEIGHTS, weights)
    path = weights / "reader" / "model.onnx"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    monkeypatch.setattr(shelf, "WEIGHTS", weights)
    with pytest.raises(ShelfError, match=r"model\.onnx is damaged or missing"):
        cnn_mnist.Reader(model="reader")


def test_the_command_lists_them() -> None:
    shown = CliRunner().invoke(app, ["models"])
    assert shown.exit_code == 0
    assert [line.split()[0] for line in shown.stdout.splitlines()] == ["name", *RELEASED]
    listed = json.loads(CliRunner().invoke(app, ["models", "--json"]).stdout)["models"]
    assert [model["name"] for model in listed] == RELEASED
    assert all(Path(model["folder"], name).exists() for model in listed for name in model["files"])


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name == "reader" else pytest.mark.slow)
        for name in RELEASED
        if name != "lines"
    ],
)
def test_evaluating_a_name_gives_the_figures_of_its_card(
    name: str, mnist: Splits, mnist_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    line = ["evaluate", name, "--data-dir", str(mnist_folder), "--device", "cpu", "--json"]
    figures = json.loads(CliRunner().invoke(app, line).stdout)
    card = model_card.released(shelf.get(name).folder)["test"]
    for key in ("num_images", "accuracy", "error_count", "clean_label_accuracy", "nll", "ece"):
        assert figures[key] == pytest.approx(card[key], abs=1e-5), key
