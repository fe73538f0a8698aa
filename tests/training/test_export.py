"""The ONNX file: complete, of any batch size, and written only when it agrees with torch."""

import errno
import json
import logging
import os
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from cnn_mnist import shelf
from cnn_mnist.training.augment.transforms import normalize
from cnn_mnist.training.data import Split, Splits
from cnn_mnist.training.models.networks import Net
from cnn_mnist.training.runs import checkpoint
from cnn_mnist.training.runs import export as export_module
from cnn_mnist.training.runs.export import FORMATS, ExportError, export

NORM = (0.1307, 0.3081)
METADATA = {"threshold": "0.75", "recipe": json.dumps({"name": "reader"})}


@pytest.fixture(scope="module")
def images() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (30, 28, 28), dtype=torch.uint8, generator=generator)


@pytest.fixture(scope="module")
def net() -> Net:
    torch.manual_seed(0)
    return Net()


@pytest.fixture(scope="module")
def exported(net: Net, images: Tensor, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("export") / "model.onnx"
    assert export(net, path, NORM, images, METADATA, temperature=1.5).difference <= 1e-4
    return path


@pytest.fixture
def converted(exported: Path, monkeypatch: pytest.MonkeyPatch) -> float:
    """`export` need not convert `net` again; returns the temperature in the file."""
    monkeypatch.setattr(export_module, "to_onnx", lambda *_: exported.read_bytes())
    return 1.5


def test_one_file_with_everything_in_it(exported: Path) -> None:
    assert [path.name for path in exported.parent.iterdir()] == ["model.onnx"]
    onnx.checker.check_model(str(exported), full_check=True)
    session = onnxruntime.InferenceSession(exported, providers=["CPUExecutionProvider"])
    (entry,) = session.get_inputs()
    assert (entry.name, entry.type, entry.shape[1:]) == ("images", "tensor(uint8)", [28, 28])
    assert isinstance(entry.shape[0], str), "the batch is free"
    assert [output.name for output in session.get_outputs()] == ["logits", "probabilities"]
    assert METADATA.items() <= session.get_modelmeta().custom_metadata_map.items()


@pytest.mark.parametrize("count", [1, 3, 30])
def test_it_computes_what_the_definition_says(
    exported: Path, net: Net, images: Tensor, count: int
) -> None:
    session = onnxruntime.InferenceSession(exported, providers=["CPUExecutionProvider"])
    logits, probs = session.run(None, {"images": images[:count].numpy()})
    x = (images[:count, None].numpy() / 255 - NORM[0]) / NORM[1]
    with torch.no_grad():
        expected = net(torch.from_numpy(x).float()).numpy()
    assert logits == pytest.approx(expected, abs=1e-5)
    exponentials = np.exp(expected / 1.5)
    assert probs == pytest.approx(exponentials / exponentials.sum(1, keepdims=True), abs=1e-6)


def test_nothing_is_printed_logged_or_warned(
    images: Tensor,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    training = nn.Sequential(nn.Flatten(), nn.Linear(784, 10)).train()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        export(training, tmp_path / "model.onnx", NORM, images, METADATA)
    assert capfd.readouterr() == ("", "")
    assert [record for record in caplog.records if record.levelno > logging.DEBUG] == []
    assert training.training, "the model is left as it was"


def test_a_model_that_differs_is_not_written(
    images: Tensor, converted: float, tmp_path: Path
) -> None:
    with pytest.raises(ExportError, match="differs from torch"):
        export(Net(), tmp_path / "model.onnx", NORM, images, METADATA, converted)
    assert list(tmp_path.iterdir()) == []


def test_nan_is_a_difference(images: Tensor, converted: float, tmp_path: Path) -> None:
    net = Net()
    nn.init.constant_(net.fc2.bias, torch.nan)
    with pytest.raises(ExportError, match="nan"):
        export(net, tmp_path / "model.onnx", NORM, images, METADATA, converted)
    assert list(tmp_path.iterdir()) == []


def test_int8_is_a_third_of_the_size_and_as_accurate(mnist: Splits, tmp_path: Path) -> None:
    model, images = checkpoint.load_model(shelf.get("reader").folder), mnist.train.images[-1000:]
    path = tmp_path / "small.onnx"
    proof = export(model, path, NORM, images, METADATA, 1.2, "onnx-int8", mnist.test[:2000])
    assert proof.size == path.stat().st_size < 40_000
    assert proof.moved < 0.005
    assert proof.torch_error_count is not None
    assert proof.error_count is not None
    assert abs(proof.error_count - proof.torch_error_count) <= 5
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    assert METADATA.items() <= session.get_modelmeta().custom_metadata_map.items()
    assert len(session.run(None, {"images": images[:7].numpy()})[0]) == 7


def test_int8_that_moves_the_probabilities_is_not_written(images: Tensor, tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = Net()
    with torch.no_grad():
        net.conv1.weight[:4] /= 2**12  # the same function, but no 8 bits hold these and the others
        net.get_parameter("conv1.bias")[:4] /= 2**12
        net.conv2.weight[:, :4] *= 2**12
        net.fc2.weight *= 8
    with pytest.raises(ExportError, match=r"8 bits move .* not written; use --format onnx$"):
        export(net, tmp_path / "model.onnx", NORM, images, METADATA, form="onnx-int8")
    assert list(tmp_path.iterdir()) == []


def shifted(net: Net, count: int, size: int, monkeypatch: pytest.MonkeyPatch) -> Split:
    """Test images of the net's own answers; the file's first ones stand a place further on."""
    pictures = torch.randint(0, 256, (size, 28, 28), dtype=torch.uint8)
    with torch.no_grad():
        answers = net(normalize(pictures, *NORM)).argmax(dim=1)
    honest = export_module._run

    def run(session: object, batch: Tensor) -> export_module.Outputs:
        logits, probs = honest(session, batch)
        if len(batch) == size:
            logits[:count] = np.roll(logits[:count], 1, axis=1)
        return logits, probs

    monkeypatch.setattr(export_module, "_run", run)
    return Split(pictures, answers)


@pytest.mark.parametrize("form", FORMATS)
def test_another_accuracy_is_an_error(
    form: str,
    net: Net,
    images: Tensor,
    converted: float,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    test = shifted(net, 500, 500, monkeypatch)
    with pytest.raises(ExportError, match=r"errors in 500 test images"):
        export(net, tmp_path / "model.onnx", NORM, images, METADATA, converted, form, test)
    assert list(tmp_path.iterdir()) == []


def test_a_few_answers_that_change_are_chance(
    net: Net,
    images: Tensor,
    converted: float,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two errors more among 360 images are more than int8 may lose, and yet no evidence."""
    test = shifted(net, 2, 360, monkeypatch)
    path = tmp_path / "model.onnx"
    proof = export(net, path, NORM, images, METADATA, converted, "onnx-int8", test)
    assert proof.num_changed is not None
    assert proof.error_count == proof.num_changed >= 2
    assert proof.torch_error_count == 0


@pytest.mark.parametrize(
    ("name", "reason"), [("none/model.onnx", "there is no folder .*none;"), (".", "is a folder;")]
)
def test_a_place_that_is_none_is_told(
    net: Net, images: Tensor, tmp_path: Path, name: str, reason: str
) -> None:
    with pytest.raises(ExportError, match=reason):
        export(net, tmp_path / name, NORM, images, METADATA)


def test_int8_is_calibrated_on_the_last_images(
    net: Net, images: Tensor, converted: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_module, "MAX_CALIBRATION", 10)
    for name, some in (("all", images), ("last", images[-10:])):
        export(net, tmp_path / name, NORM, some, METADATA, converted, "onnx-int8")
    assert (tmp_path / "all").read_bytes() == (tmp_path / "last").read_bytes()


def test_a_full_disk_is_told_and_leaves_the_old_file(
    net: Net, images: Tensor, converted: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model.onnx").write_bytes(b"old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ExportError, match=r"model\.onnx cannot be written: No space left"):
        export(net, tmp_path / "model.onnx", NORM, images, METADATA, converted)
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]
    assert (tmp_path / "model.onnx").read_bytes() == b"old"
