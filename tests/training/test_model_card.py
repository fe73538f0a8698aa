"""A run's card: calibration, evaluation, and which images it was calibrated on."""

import json
from pathlib import Path

import pytest
import torch

from cnn_mnist.training.data import Splits
from cnn_mnist.training.evaluation import predict_logits
from cnn_mnist.training.recipes import Recipe
from cnn_mnist.training.runs import checkpoint, model_card, model_file, run_folder
from cnn_mnist.training.runs.run_folder import RunError
from cnn_mnist.training.train import begin, finish


@pytest.fixture(scope="module")
def run(tiny: Recipe, digits: Splits, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("card") / "run"
    finish(begin(tiny, digits, folder), digits, folder)
    return folder


def test_a_run_is_calibrated_and_measured(run: Path, digits: Splits) -> None:
    about = model_card.of_run(run, digits)
    assert (about["num_train"], about["val"]["num_images"]) == (1437, 287)
    assert about["val_in_train"]
    assert about["test"]["num_images"] == 360
    logits = predict_logits(checkpoint.load_model(run), digits.test, (0.1307, 0.3081))
    metrics = run_folder.load_metrics(run)
    assert about["test"]["error_count"] == metrics["test_error_count"]
    probs = (logits / about["temperature"]).softmax(dim=1)
    picked = probs[torch.arange(360), digits.test.labels]
    assert about["test"]["nll"] == pytest.approx(float(-picked.log().mean()), rel=1e-4)


def test_a_run_that_held_them_out_says_so(tiny: Recipe, digits: Splits, tmp_path: Path) -> None:
    held = digits.hold_out(287)
    finish(begin(tiny, held, tmp_path / "run"), held, tmp_path / "run")
    about = model_card.of_run(tmp_path / "run", digits)
    assert (about["val_in_train"], about["val"]["num_images"]) == (False, 287)


def test_the_model_file_says_what_the_card_says(run: Path, digits: Splits) -> None:
    about = model_card.of_run(run, digits)
    written = {name: json.loads(text) for name, text in model_card.metadata(about).items()}
    names = set(model_file.METADATA) - {"decides", "own"}  # of an adapted model only
    assert set(written) == names
    assert written == json.loads(json.dumps({name: about[name] for name in names}))


def test_an_unfinished_run_is_refused(tiny: Recipe, digits: Splits, tmp_path: Path) -> None:
    begin(tiny, digits, tmp_path / "run")
    with pytest.raises(RunError, match=r"not a finished run: .* cnn-mnist train --resume .*run$"):
        model_card.of_run(tmp_path / "run", digits)
