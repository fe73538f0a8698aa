"""The web page of a run: a folder, complete or absent, with the run's own weights."""

import base64
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cnn_mnist import shelf
from cnn_mnist.training.data import Splits
from cnn_mnist.training.evaluation import evaluate, predict_logits
from cnn_mnist.training.loop import start
from cnn_mnist.training.recipes import Recipe
from cnn_mnist.training.runs import checkpoint, web
from cnn_mnist.training.runs.config import load_config
from cnn_mnist.training.runs.run_folder import RunError
from cnn_mnist.training.train import begin, finish

NUM_PARAMS = 24_488


@pytest.fixture(scope="module")
def folder(tiny: Recipe, few_digits: Splits, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("web") / "run"
    finish(begin(tiny, few_digits, folder, seed=2), few_digits, folder)
    return folder


def read(page: Path) -> tuple[dict[str, Any], bytes]:
    """The content of model.js, with its numbers unpacked."""
    text = (page / "model.js").read_text()
    model = json.loads(text.removeprefix("const MODEL = ").removesuffix(";\n"))
    return model, zlib.decompress(base64.b64decode(model["data"]))


def test_a_page_is_the_sources_and_a_model(
    folder: Path, few_digits: Splits, tmp_path: Path
) -> None:
    page = web.export(folder, few_digits, tmp_path / "page")
    sources = {path.name for path in web.PAGE.iterdir()}
    assert {path.name for path in (tmp_path / "page").iterdir()} == sources | {"model.js"}
    assert page.size == sum(path.stat().st_size for path in (tmp_path / "page").iterdir())
    assert {path.name for path in tmp_path.iterdir()} == {"page"}, "nothing is left over"


def test_the_last_weights_are_exact_and_the_others_nearly(
    folder: Path, few_digits: Splits, tmp_path: Path
) -> None:
    web.export(folder, few_digits, tmp_path / "page")
    model, data = read(tmp_path / "page")
    exact = np.frombuffer(data, "<f4", NUM_PARAMS)
    assert np.array_equal(exact, flat(checkpoint.load_model(folder)))
    differences = np.frombuffer(data, np.int8, 2 * NUM_PARAMS, 4 * NUM_PARAMS)
    codes = np.cumsum(differences.reshape(2, -1), axis=0, dtype=np.int8)
    steps = np.repeat([t["step"] for t in model["tensors"]], [t["size"] for t in model["tensors"]])
    untrained = start(load_config(folder).recipe, seed=2).net
    for code, epoch in zip(codes, [untrained, checkpoint.load_epochs(folder)[1]], strict=True):
        assert (np.abs(code * steps - flat(epoch)) <= 0.5001 * steps).all()


def flat(model: torch.nn.Module) -> np.ndarray:
    return torch.cat([tensor.flatten() for tensor in model.state_dict().values()]).numpy()


def test_the_accuracies_are_those_of_the_weights_on_the_page(
    folder: Path, few_digits: Splits, tmp_path: Path
) -> None:
    page = web.export(folder, few_digits, tmp_path / "page")
    assert list(page.accuracies) == [0, 1, 2]
    norm = load_config(folder).recipe.test_norm
    final = evaluate(checkpoint.load_model(folder), few_digits, norm)
    assert page.accuracies[2] == pytest.approx(final.accuracy, abs=1e-6)
    near = evaluate(checkpoint.load_epochs(folder)[1], few_digits, norm)
    assert page.accuracies[1] == pytest.approx(near.accuracy, abs=0.05)


def test_the_pictures_are_an_example_a_digit_and_all_mistakes(
    folder: Path, few_digits: Splits, tmp_path: Path
) -> None:
    page = web.export(folder, few_digits, tmp_path / "page")
    model, data = read(tmp_path / "page")
    pictures = np.frombuffer(data, np.uint8, offset=6 * NUM_PARAMS).reshape(-1, 28, 28)
    labels = torch.tensor(model["examples"] + model["mistakes"])
    assert model["examples"] == list(range(10))
    norm = load_config(folder).recipe.test_norm
    logits = predict_logits(checkpoint.load_model(folder), few_digits.test, norm)
    wrong = few_digits.test.images[logits.argmax(1) != few_digits.test.labels]
    assert sorted(map(bytes, pictures[10:])) == sorted(map(bytes, wrong.numpy()))
    assert page.num_mistakes == len(wrong)
    known = {bytes(image): int(label) for image, label in zip(*columns(few_digits), strict=True)}
    assert [known[bytes(picture)] for picture in pictures] == labels.tolist()


def columns(splits: Splits) -> tuple[np.ndarray, torch.Tensor]:
    return splits.test.images.numpy(), splits.test.labels


def test_a_long_training_is_shown_in_steps(
    tiny: Recipe, few_digits: Splits, tmp_path: Path
) -> None:
    recipe = tiny.changed(epochs=14)
    finish(begin(recipe, few_digits, tmp_path / "run"), few_digits, tmp_path / "run")
    shown = list(web.export(tmp_path / "run", few_digits, tmp_path / "page").accuracies)
    assert (shown[0], shown[-1], len(shown)) == (0, 14, web.NUM_EPOCHS)
    assert set(np.diff(shown)) <= {1, 2}


def test_the_released_weights_have_one_epoch(few_digits: Splits, tmp_path: Path) -> None:
    web.export(shelf.get("reader").folder, few_digits, tmp_path / "page")
    model, data = read(tmp_path / "page")
    assert [epoch["epoch"] for epoch in model["epochs"]] == [60]
    assert np.array_equal(
        np.frombuffer(data, "<f4", NUM_PARAMS),
        flat(checkpoint.load_model(shelf.get("reader").folder)),
    )


def test_an_existing_folder_is_not_touched(
    folder: Path, few_digits: Splits, tmp_path: Path
) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(RunError, match="mine exists already; choose another --out"):
        web.export(folder, few_digits, tmp_path / "mine")
    assert list((tmp_path / "mine").iterdir()) == []


def test_a_place_that_cannot_be_written_is_named(
    folder: Path, few_digits: Splits, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"could not be written to .*file/page: "):
        web.export(folder, few_digits, tmp_path / "file" / "page")


def test_another_architecture_is_refused(tiny: Recipe, few_digits: Splits, tmp_path: Path) -> None:
    recipe = tiny.changed(model="bn", epochs=1)
    finish(begin(recipe, few_digits, tmp_path / "run"), few_digits, tmp_path / "run")
    with pytest.raises(RunError, match="the page draws the network net"):
        web.export(tmp_path / "run", few_digits, tmp_path / "page")
