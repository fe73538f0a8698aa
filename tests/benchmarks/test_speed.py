"""The benchmarks of speed: what they count is right, and every system they time trains or reads."""

import json
import random
import shutil
import venv
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import latency
import plot_results
import predict_speed
import roofline
import train_speed
from cnn_mnist.training.augment.transforms import normalize
from cnn_mnist.training.data import Splits
from cnn_mnist.training.models.networks import Net, count_params
from cnn_mnist.training.recipes import NORM
from peers.published import (
    Original,
    WideNet,
    lean_transform,
    normalized,
    train_mnist_fast,
)

CPU = torch.device("cpu")


def test_train_mnist_fasts_network_has_its_published_size() -> None:
    assert count_params(WideNet()) == 215_194


def test_peers_see_what_our_recipes_see(digits: Splits) -> None:
    images = digits.train.images[:5]
    torch.testing.assert_close(normalized(images), normalize(images, *NORM))
    assert lean_transform(images[0].numpy()).shape == (1, 28, 28)


def test_every_system_learns(digits: Splits) -> None:
    train, test = digits.train, digits.test
    torch.manual_seed(0)
    random.seed(0)
    original = Original()
    for _ in range(2):
        original.lean_epoch(train.images, train.labels)
    fast = train_mnist_fast(normalized(train.images), train.labels, seed=0)
    for net in (original.net, fast):
        answers = net(normalized(test.images)).argmax(dim=1)
        assert float((answers == test.labels).double().mean()) > 0.5


def test_train_mnist_fast_depends_on_its_seed_alone(few_digits: Splits) -> None:
    images, labels = normalized(few_digits.train.images), few_digits.train.labels
    nets = [train_mnist_fast(images, labels, seed) for seed in (0, 0, 1)]
    first, again, other = (next(net.parameters()) for net in nets)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_train_speed_times_every_system_once_a_round(few_digits: Splits) -> None:
    turns = train_speed.systems(few_digits, ["default"], CPU, None)
    found = train_speed.measure(turns, rounds=2)
    assert set(found) == {"default", "original, lean", "train_mnist_fast", "recipe default"}
    assert all(len(system["seconds"]) == 2 for system in found.values())
    assert all(0.1 < value <= 1 for value in found["recipe default"]["accuracy"])


def test_an_environment_without_torchvision_is_named_in_one_line(
    few_digits: Splits, tmp_path: Path
) -> None:
    venv.create(tmp_path / "bare", symlinks=True)
    for python in (tmp_path / "bare/bin/python", Path("/nowhere/python")):
        with pytest.raises(SystemExit, match=f"--torchvision {python}"):
            train_speed.torchvision_epoch(python, few_digits)


def test_torchvisions_files_are_those_of_mnist(few_digits: Splits, tmp_path: Path) -> None:
    train_speed.write_mnist(few_digits, tmp_path / "raw")
    content = (tmp_path / "raw/t10k-images-idx3-ubyte").read_bytes()
    assert content[:16] == bytes.fromhex("00000803 0000003c 0000001c 0000001c")
    assert content[16:] == few_digits.test.images.numpy().tobytes()
    assert (tmp_path / "raw/train-labels-idx1-ubyte").stat().st_size == 8 + 300


def test_the_references_multiply_adds_by_hand() -> None:
    by_hand = {
        "conv1": 24 * 24 * 8 * 9,  # of 26 rows and columns: the last two are not seen
        "conv2": 10 * 10 * 16 * 8 * 9,
        "conv3": 8 * 8 * 24 * 16 * 9,
        "fc1": 384 * 50,
        "fc2": 50 * 10,
    }
    assert roofline.multiply_adds(Net()) == by_hand
    forward, conv1 = sum(by_hand.values()), by_hand["conv1"]
    assert roofline.training_multiply_adds(Net()) == 3 * forward - conv1


def test_the_roofline_has_every_ceiling_and_shares_of_it(
    digits: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roofline, "SIZES", {"steps": 1000, "side": 64, "megabytes": 1})
    found = roofline.measure(digits.train, rounds=1, batch_sizes=(256, 512))
    json.dumps(found)
    assert found["gflops"]["fma_float32"] is not None or not shutil.which("cc")
    assert set(found["us_an_image_by_batch"]["training"]) == {"256", "512"}
    assert len(found["seconds_by"]["images"]) == len(found["seconds_by"]["epochs"]) == 3


def test_measuring_the_ceiling_leaves_numbers_near_0_as_they_are() -> None:
    roofline.fma_rate(1, 1000)  # gcc's -ffast-math would flush them in the whole process
    assert np.float32(1e-42) * np.float32(1)


def test_every_way_to_classify_gives_the_same_answers(digits: Splits) -> None:
    images = digits.test.images[:200].numpy()
    eager, session = predict_speed.torch_eager(1), predict_speed.session(1)
    assert np.array_equal(eager(images).argmax(axis=1), session(images).argmax(axis=1))
    times = predict_speed.measure(predict_speed.ways(64), images, rounds=1)
    assert {"torch, threads 1", "session, threads 2", "callers 2, batch 64"} <= set(times)
    assert all(value > 0 for values in times.values() for value in values)


def test_the_plots_are_drawn_from_the_last_json_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    systems = {
        "default": {"seconds": [1.0]},
        "original, lean": {"seconds": [6.0, 6.2, 6.1]},
        "train_mnist_fast": {"seconds": [6.5], "accuracy": [0.99]},
        "recipe fast": {"seconds": [2.5, 2.4], "accuracy": [0.99, 0.991]},
    }
    line = json.dumps({"systems": systems, "cores": 2, "processor": "p", "torch": "t"})
    kept = tmp_path / "speed.md"
    kept.write_text(f'# title\n{{"old": 1}}\n{line}\n```\n')
    monkeypatch.setattr("sys.argv", ["plot_results.py", str(kept), "--out", str(tmp_path)])
    plot_results.main()
    assert (tmp_path / "speed.png").stat().st_size > 10_000
    assert (tmp_path / "accuracy.png").stat().st_size > 10_000
    axes = plot_results.accuracy_by_seconds(plot_results.last_json(kept)).axes[0]
    original = axes.get_lines()[0]
    assert np.asarray(original.get_xdata())[-1] == pytest.approx(61)
    assert np.asarray(original.get_ydata())[-1] == 99.13
    kept.write_text("nothing")
    with pytest.raises(ValueError, match="no JSON line"):
        plot_results.last_json(kept)


def test_only_networks_that_were_timed_stand_against_latency() -> None:
    row = {"params": 1, "mean": 99.5, "low": 99.4, "high": 99.6, "n": 3, "ours": True}
    rows = [{**row, "name": "timed", "network": "net"}, {**row, "name": "other"}]
    times = {"net": {"median": 40.0, "min": 39.0, "max": 44.0}}
    figure = plot_results.accuracy_by_latency(rows, {"microseconds": times, "processor": "p"})
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.texts] == ["timed (n = 3)"]
    assert [np.asarray(line.get_xdata())[0] for line in axes.get_lines()] == [40.0]


def test_every_network_is_timed_in_every_round() -> None:
    sessions = {"net": latency.session(nn.Sequential(nn.Flatten(), nn.Linear(784, 10)))}
    times = latency.measure(sessions, np.zeros((3, 28, 28), np.uint8), rounds=2)
    assert len(times["net"]) == 2
