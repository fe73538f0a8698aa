"""Released models as torch modules: from Python, from torch.hub, in Hugging Face's format."""

import importlib.util
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import cnn_mnist
from cnn_mnist import shelf
from cnn_mnist.inference.recognition.classifier import Classifier
from cnn_mnist.training.augment.transforms import normalize
from cnn_mnist.training.data import Splits
from cnn_mnist.training.models.pretrained import create_model

ROOT = Path(__file__).parents[2]
CLASSIFIERS = [name for name in cnn_mnist.list_models() if name != "lines"]


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_model_in_torch_is_the_one_that_reads(name: str, digits: Splits) -> None:
    images = digits.test.images[:50]
    model = cnn_mnist.load_model(name)
    assert not model.training
    with torch.no_grad():
        logits = model(normalize(images, 0.1307, 0.3081))
    assert np.allclose(logits.numpy(), Classifier(name).logits(images.numpy()), atol=1e-4)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_torch_hub_finds_it(name: str) -> None:
    model = torch.hub.load(str(ROOT), name, source="local")
    ours = cnn_mnist.load_model(name).state_dict()
    assert all(torch.equal(value, ours[key]) for key, value in model.state_dict().items())
    fresh = torch.hub.load(str(ROOT), name, source="local", pretrained=False)
    assert any(not torch.equal(value, ours[key]) for key, value in fresh.state_dict().items())


def test_torch_hub_has_every_classifier() -> None:
    hubconf = runpy.run_path(str(ROOT / "hubconf.py"))
    entries = {name for name, value in hubconf.items() if callable(value)}
    offered = {name for name in entries if not name.startswith("_")}
    assert offered == set(shelf.models()) - {"lines"}


def test_an_alias_gives_the_same_network() -> None:
    assert type(create_model("best-bn")) is type(create_model("bn"))


def test_the_line_network_comes_as_onnx_only() -> None:
    with pytest.raises(
        shelf.ShelfError,
        match=r"^lines is released without model\.safetensors; it has model\.onnx, ",
    ):
        cnn_mnist.load_model("lines")


@pytest.mark.parametrize("function", ["load_model", "create_model"])
def test_without_torch_it_says_what_to_install(function: str, environment: dict[str, str]) -> None:
    program = "import sys; sys.modules['torch'] = None;"
    program += "from cnn_mnist.training.models import pretrained;"
    program += f"pretrained.{function}('reader')"
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True)
    last = done.stderr.decode().strip().splitlines()[-1]
    assert last.startswith(f"ImportError: {function} needs torch")
    assert last.endswith("pip install 'cnn-mnist[train]'")


def test_without_torch_every_public_name_is_shown(environment: dict[str, str]) -> None:
    program = "import sys; sys.modules['torch'] = None; import cnn_mnist; help(cnn_mnist);"
    program += "from cnn_mnist import *; print(sorted(set(cnn_mnist.__all__) & set(globals())))"
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True)
    shown = done.stdout.decode()
    assert "class Reader" in shown, done.stderr
    assert "load_model(" in shown
    assert shown.splitlines()[-1] == str(sorted(cnn_mnist.__all__))


def test_loading_needs_nothing_that_loads_slowly(environment: dict[str, str]) -> None:
    heavy = ("cv2", "pooch", "requests", "sklearn", "scipy", "matplotlib", "onnx", "onnxruntime")
    program = "import sys, cnn_mnist; cnn_mnist.load_model('reader');"
    program += f"print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True)
    assert done.stdout.decode().strip() == "[]", done.stderr


@pytest.mark.skipif(not importlib.util.find_spec("huggingface_hub"), reason="extra hub")
def test_hugging_faces_format_is_written_and_read(tmp_path: Path) -> None:
    from cnn_mnist.training.models.hub import HubModel

    HubModel.released("reader").save_pretrained(tmp_path / "saved")
    again = HubModel.from_pretrained(tmp_path / "saved")
    ours = cnn_mnist.load_model("reader").state_dict()
    assert not again.training
    assert (again.mean, again.std) == (0.1307, 0.3081)
    assert all(torch.equal(value, ours[key]) for key, value in again.model.state_dict().items())
