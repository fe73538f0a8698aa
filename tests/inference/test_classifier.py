"""The released model behind ONNX Runtime: batches, calibration, refusal of other files."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from scipy import ndimage

import predict_speed
from cnn_mnist import shelf
from cnn_mnist.inference.recognition.classifier import Classifier, tta_probs
from cnn_mnist.inference.recognition.normalize import to_mnist
from cost import cost
from drawn import coverage


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier()


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.stack([to_mnist(coverage(text, 100, 14)) for text in "0123456789"])


def test_it_reads_drawn_digits(classifier: Classifier, images: np.ndarray) -> None:
    probs = classifier.probs(images)
    assert probs.argmax(axis=1).tolist() == list(range(10))
    assert classifier.is_digit(probs).all()


@pytest.mark.parametrize("size", [0, 1, 2, 7, 511, 1025])
def test_any_batch_size(classifier: Classifier, images: np.ndarray, size: int) -> None:
    batch = np.resize(images, (size, 28, 28))
    assert classifier.probs(batch).shape == (size, 10)
    one_by_one = [classifier.probs(image[None])[0] for image in batch[:10]]
    assert np.allclose(
        classifier.probs(batch)[:10], np.array(one_by_one).reshape(-1, 10), atol=1e-5
    )


def test_probabilities_are_the_softmax_of_tempered_logits(
    classifier: Classifier, images: np.ndarray
) -> None:
    properties = onnx.load(shelf.file("reader", shelf.ONNX)).metadata_props
    temperature = float({p.key: p.value for p in properties}["temperature"])
    scaled = np.exp(classifier.logits(images).astype(np.float64) / temperature)
    assert np.allclose(classifier.probs(images), scaled / scaled.sum(axis=1, keepdims=True))


def test_steady_probabilities_are_the_mean_over_moves_by_one_pixel(
    classifier: Classifier, images: np.ndarray
) -> None:
    moved = [images]
    for axis in (1, 2):
        for step in (-1, 1):
            moved.append(ndimage.shift(images, np.eye(3)[axis] * step, order=0))
    expected = np.mean([classifier.probs(batch) for batch in moved], axis=0)
    assert np.allclose(tta_probs(classifier.probs, images), expected, atol=1e-6)
    assert tta_probs(classifier.probs, images[:0]).shape == (0, 10)


def test_a_blank_and_noise_are_no_digits(classifier: Classifier) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (50, 28, 28), np.uint8)
    assert classifier.is_digit(classifier.probs(noise)).mean() <= 0.1


@pytest.mark.parametrize(
    "batch",
    [np.zeros((2, 28, 28)), np.zeros((28, 28), np.uint8), np.zeros((1, 28, 27), np.uint8)],
)
def test_other_arrays_are_refused(classifier: Classifier, batch: np.ndarray) -> None:
    with pytest.raises(ValueError, match="uint8 N×28×28"):
        classifier.probs(batch)


def other_model(path: Path) -> None:
    node = onnx.helper.make_node("Identity", ["x"], ["y"])
    x, y = (onnx.helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, [1]) for n in "xy")
    graph = onnx.helper.make_graph([node], "other", [x], [y])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)])
    model.ir_version = 9
    onnx.helper.set_model_props(model, {"threshold": "0.5"})
    onnx.save(model, path)


def test_missing_damaged_and_other_models_are_one_clear_line(tmp_path: Path) -> None:
    whole = shelf.file("reader", shelf.ONNX).read_bytes()
    (tmp_path / "cut.onnx").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.onnx").write_text("no model")
    (tmp_path / "empty.onnx").write_bytes(b"")
    (tmp_path / "noise.onnx").write_bytes(np.random.default_rng(0).bytes(len(whole)))
    (tmp_path / "folder.onnx").mkdir()
    model = onnx.load_from_string(whole)
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "nameless.onnx")
    other_model(tmp_path / "other.onnx")
    names = "none cut text empty noise folder nameless other"
    for name in (f"{stem}.onnx" for stem in names.split()):
        with pytest.raises(ValueError, match=name) as error:
            Classifier(tmp_path / name)
        assert "\n" not in str(error.value)


def test_reading_imports_neither_torch_nor_scikit_learn() -> None:
    code = (
        "import sys, numpy; from cnn_mnist.inference.reader import Reader;"
        "Reader().read(numpy.zeros((40, 40), numpy.uint8));"
        "print(sorted({'torch', 'sklearn', 'scipy', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_reading_leaves_no_trace_and_reports_to_nobody(tmp_path: Path) -> None:
    """ONNX Runtime caches its telemetry for the user unless that is disabled."""
    code = "import cnn_mnist, numpy; cnn_mnist.Reader().read(numpy.zeros((40, 40), numpy.uint8))"
    unset = {"ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME"}
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    subprocess.run(
        [sys.executable, "-c", code], env=environment | {"HOME": str(tmp_path)}, check=True
    )
    assert list(tmp_path.rglob("*")) == []


def test_many_images_cost_less_than_by_torch(classifier: Classifier) -> None:
    """About a third; of processor time, which other programs on the machine hardly change."""
    batch = np.random.default_rng(0).integers(0, 256, (1_000, 28, 28), np.uint8)
    torch_eager = predict_speed.torch_eager(1)
    ours, torchs = cost(
        lambda: classifier.probs(batch),
        lambda: [torch_eager(part) for part in np.split(batch, 2)],
    )
    assert ours < torchs


def test_the_threads_change_neither_order_nor_answers() -> None:
    images = np.random.default_rng(0).integers(0, 256, (1_000, 28, 28), np.uint8)
    alone = Classifier(threads=1).probs(images)
    for threads in (3, 2_000):
        assert np.array_equal(Classifier(threads=threads).probs(images), alone)
    assert np.array_equal(Classifier(threads=1).probs(images[700:701]), alone[700:701])
