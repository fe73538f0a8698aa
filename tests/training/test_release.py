"""The released weights, made from a tiny run on the bundled digits."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import safetensors.torch
import torch

from cnn_mnist import shelf
from cnn_mnist.training import data
from cnn_mnist.training.data import Splits
from cnn_mnist.training.recipes import READER
from cnn_mnist.training.runs import checkpoint, export
from cnn_mnist.training.runs.config import load_config
from cnn_mnist.training.runs.release import main, register, release
from cnn_mnist.training.runs.run_folder import RunError
from cnn_mnist.training.train import begin, finish
from shell import Shell

TINY = READER.changed(epochs=2, batch_size=64, drawn=100, distil=0.0, mixed_precision=False)
NUM_VAL = 200


@pytest.fixture(scope="module")
def run(digits: Splits, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("release") / "run"
    held = digits.hold_out(NUM_VAL)
    finish(begin(TINY, held, folder, seed=5), held, folder)
    return folder


@pytest.fixture(scope="module")
def out(run: Path) -> Path:
    return run.parent / "weights"


@pytest.fixture(scope="module")
def card(run: Path, digits: Splits, out: Path) -> dict[str, Any]:
    """Both files come from one conversion."""
    convert, converted = export.to_onnx, list[bytes]()

    def once(*arguments: Any) -> bytes:
        converted[:] = converted or [convert(*arguments)]
        return converted[0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export, "to_onnx", once)
        return release(run, digits, out)


def test_four_files_and_a_card_that_is_true(card: dict[str, Any], out: Path) -> None:
    names = ["card.json", "model-int8.onnx", "model.onnx", "model.safetensors"]
    assert sorted(p.name for p in out.iterdir()) == names
    assert json.loads((out / "card.json").read_text()) == json.loads(json.dumps(card))
    assert card["num_train"] == 1437 - NUM_VAL
    assert (card["val"]["num_images"], card["test"]["num_images"]) == (NUM_VAL, 360)
    assert card["val"]["rejected"] <= 0.01
    assert 0.1 <= card["threshold"] <= 1
    assert card["difference"]["onnx"] <= 1e-4
    assert card["data_sha256"] == {}, "the digits have no files"


def test_the_card_is_the_released_weights_config(
    card: dict[str, Any], out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shelf, "WEIGHTS", out.parent)
    config = load_config(out)
    assert (config.recipe, config.dataset, config.seed) == (TINY, "digits", 5)
    tensors = safetensors.torch.load_file(out / "model.safetensors")
    state = checkpoint.load_model(out).state_dict()
    assert all(torch.equal(tensors[name], value) for name, value in state.items())


def test_the_figures_are_those_of_the_exported_model(
    card: dict[str, Any], out: Path, digits: Splits
) -> None:
    session = onnxruntime.InferenceSession(out / "model.onnx", providers=["CPUExecutionProvider"])
    metadata = session.get_modelmeta().custom_metadata_map
    assert float(metadata["threshold"]) == card["threshold"]
    assert json.loads(metadata["test"]) == card["test"]
    logits, probs = session.run(None, {"images": digits.test.images.numpy()})
    labels = digits.test.labels.numpy()
    assert (logits.argmax(axis=1) != labels).sum() == card["test"]["error_count"]
    picked = probs[np.arange(len(labels)), labels]
    assert -np.log(picked).mean() == pytest.approx(card["test"]["nll"], rel=1e-3)
    rejected = (probs.max(axis=1) < card["threshold"]).mean()
    assert rejected == pytest.approx(card["test"]["rejected"], abs=1 / 360)


def test_a_second_release_is_the_same(
    card: dict[str, Any],
    run: Path,
    digits: Splits,
    out: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(export, "to_onnx", lambda *_: (out / "model.onnx").read_bytes())
    release(run, digits, tmp_path)
    for path in out.iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()


def test_an_export_is_calibrated_like_the_release(
    card: dict[str, Any], run: Path, out: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "to_onnx", lambda *_: (out / "model.onnx").read_bytes())
    assert shell("export --format onnx-int8 --out exported.onnx", run).code == 0
    assert Path("exported.onnx").read_bytes() == (out / "model-int8.onnx").read_bytes()


def test_the_registry_is_written_from_what_lies_on_the_shelf(
    card: dict[str, Any], out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = {"files": {}, "test": {}, "num_params": 0}
    entries = {
        name: {**json.loads((shelf.WEIGHTS / "registry.json").read_text())[name], **empty}
        for name in ("reader", "bn")
    }
    shutil.copytree(out, tmp_path / "reader")
    (tmp_path / "registry.json").write_text(json.dumps(entries))
    monkeypatch.setattr(shelf, "WEIGHTS", tmp_path)
    register(tmp_path)
    assert shelf.list_models() == ["reader"]
    model = shelf.get("reader")
    assert (model.num_params, model.test["accuracy"]) == (24488, card["test"]["accuracy"])
    assert shelf.file("reader", shelf.INT8).stat().st_size == model.files[shelf.INT8]["size"]
    assert "`reader`" in (tmp_path / "reader" / "README.md").read_text()
    with pytest.raises(shelf.ShelfError, match=r"^bn has no released weights; .* are reader$"):
        shelf.get("bn")
    shelf.models.cache_clear()


def test_a_run_that_left_nothing_to_calibrate_with_is_refused(
    few_digits: Splits, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    finish(begin(TINY.changed(drawn=0), few_digits, folder), few_digits, folder)
    with pytest.raises(RunError, match=r"none are left .* train it with --split val$"):
        release(folder, few_digits, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_command_says_in_one_line_what_is_wrong(
    run: Path, digits: Splits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(run, tmp_path / "run")
    (tmp_path / "run" / "metrics.json").unlink()
    monkeypatch.setattr(data, "load", lambda *_: digits)
    monkeypatch.setattr("sys.argv", ["release", str(tmp_path / "run")])
    with pytest.raises(
        SystemExit, match=r"^release: .*no metrics\.json; finish it with: cnn-mnist"
    ):
        main()
