"""Two processes train as one does."""

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from cnn_mnist.training import distributed
from cnn_mnist.training.data import Splits
from cnn_mnist.training.loop import start, train_epoch
from cnn_mnist.training.recipes import DEFAULT, REFERENCE
from cnn_mnist.training.train import begin, finish

ONE_STEP = """
import sys, torch
from cnn_mnist.training import distributed, load, recipes
from cnn_mnist.training.loop import start, train_epoch

with distributed.process_group(torch.device("cpu")):
    digits = load("digits").train
    run = start(recipes.DEFAULT.changed(augment="none", batch_size=64))
    loss, accuracy = train_epoch(run, digits[:64], 1)
    gradients = [param.grad for param in run.net.parameters()]
    uneven = start(recipes.DEFAULT.changed(batch_size=64))
    train_epoch(uneven, digits[:65], 1)  # the second batch has one image for two processes
    if distributed.rank() == 0:
        last = {k: v for k, v in uneven.net.state_dict().items()}
        torch.save([loss, accuracy, gradients, last], sys.argv[1])
"""


def torchrun(environment: dict[str, str], folder: Path, *arguments: object) -> Any:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    command += ["--master-port", str(port), *map(str, arguments)]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=200
    )


def test_the_gradient_of_two_processes_is_that_of_one(
    environment: dict[str, str], digits: Splits, tmp_path: Path
) -> None:
    (tmp_path / "step.py").write_text(ONE_STEP)
    result = torchrun(environment, tmp_path, "step.py", "result.pt")
    assert result.returncode == 0, result.stderr
    loss, accuracy, gradients, last = torch.load(tmp_path / "result.pt")

    run = start(DEFAULT.changed(augment="none", batch_size=64))
    assert train_epoch(run, digits.train[:64], 1) == pytest.approx((loss, accuracy))
    for theirs, ours in zip(gradients, run.net.parameters(), strict=True):
        assert ours.grad is not None
        assert torch.allclose(theirs, ours.grad, rtol=1e-4, atol=1e-6)
    assert all(value.isfinite().all() for value in last.values())


@pytest.mark.slow
def test_two_processes_leave_one_run_as_good_as_that_of_one(
    environment: dict[str, str], digits: Splits, tmp_path: Path
) -> None:
    recipe = REFERENCE.changed(epochs=10, batch_size=100)
    arguments = "-m cnn_mnist train --recipe reference --dataset digits --epochs 10 --json"
    result = torchrun(environment, tmp_path, *arguments.split(), "--batch-size", 100)
    assert result.returncode == 0, result.stderr
    metrics = json.loads(result.stdout)
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["reference-1"]
    assert result.stderr.count("epoch  train loss") == 1

    alone = finish(begin(recipe, digits, tmp_path / "alone"), digits, tmp_path / "alone")
    files = {path.name for path in (tmp_path / "alone").iterdir()}
    assert files <= {path.name for path in (tmp_path / "runs" / "reference-1").iterdir()}
    # Each process draws its own augmentations, so the two are like two seeds.
    assert metrics["test_accuracy"] == pytest.approx(alone["test_accuracy"], abs=0.02)


def test_one_process_needs_no_group() -> None:
    with distributed.process_group(torch.device("cpu")):
        assert (distributed.rank(), distributed.world_size()) == (0, 1)
        net = torch.nn.Linear(1, 1)
        assert distributed.wrap(net) is net
        assert distributed.from_first("said") == "said"
        assert distributed.sum_over_ranks(torch.ones(2)).tolist() == [1, 1]
