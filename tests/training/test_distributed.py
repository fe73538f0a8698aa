"""Two processes give the same training as one."""

import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from cnn_mnist.training import distributed
from cnn_mnist.training.data import Split, Splits
from cnn_mnist.training.loop import Run, start, train_epoch
from cnn_mnist.training.recipes import DEFAULT, REFERENCE
from cnn_mnist.training.runs import checkpoint
from cnn_mnist.training.train import begin, finish
from waiting import TIMEOUT, wait_until

Steps = tuple[tuple[float, float], Run, Run]


def two_steps(digits: Split) -> Steps:
    """Loss, accuracy and run of a step, and the run of two, the last with a single image."""
    run = start(DEFAULT.changed(augment="none", batch_size=64))
    figures = train_epoch(run, digits[:64], 1)
    uneven = start(DEFAULT.changed(batch_size=64))
    train_epoch(uneven, digits[:65], 1)
    return figures, run, uneven


# A thread of the group that is left could abort the interpreter while it exits.
OTHER_PROCESS = """
from pathlib import Path

import torch
from cnn_mnist.training import distributed, load
from test_distributed import two_steps

with distributed.process_group(torch.device("cpu")):
    two_steps(load("digits").train)
names = [path.read_text() for path in Path("/proc/self/task").glob("*/comm")]
assert not [name for name in names if "gloo" in name], names
"""


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def torchrun(environment: dict[str, str], folder: Path, *arguments: object) -> Any:
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    command += ["--master-port", str(free_port()), *map(str, arguments)]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=TIMEOUT
    )


def test_the_gradient_of_two_processes_is_that_of_one(
    environment: dict[str, str], digits: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first of the two is this process. Both have what torchrun sets."""
    figures, alone, _ = two_steps(digits.train)
    group = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    for name, value in group.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("RANK", "0")
    paths = f"{environment['PYTHONPATH']}{os.pathsep}{Path(__file__).parent}"
    paths += f"{os.pathsep}{Path(__file__).parents[1] / 'support'}"
    other = environment | group | {"RANK": "1", "PYTHONPATH": paths}
    with subprocess.Popen([sys.executable, "-c", OTHER_PROCESS], env=other) as process:
        with distributed.process_group(torch.device("cpu")):
            together, shared, uneven = two_steps(digits.train)
        assert process.wait(TIMEOUT) == 0

    assert together == pytest.approx(figures)
    for theirs, ours in zip(shared.net.parameters(), alone.net.parameters(), strict=True):
        assert ours.grad is not None
        assert theirs.grad is not None
        assert torch.allclose(theirs.grad, ours.grad, rtol=1e-4, atol=1e-6)
    assert all(value.isfinite().all() for value in uneven.net.state_dict().values())


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


@contextlib.contextmanager
def two_hosts(
    environment: dict[str, str], folder: Path, *arguments: object
) -> Iterator[list["subprocess.Popen[str]"]]:
    """torchrun on two hosts, one process each: two addresses of this machine's loopback."""
    begun, port = [], free_port()
    for number, address in enumerate(("127.0.0.1", "127.0.0.2")):
        command = [sys.executable, "-m", "torch.distributed.run", "--nnodes", "2"]
        command += ["--node-rank", str(number), "--local-addr", address]
        command += ["--master-addr", "127.0.0.1", "--master-port", str(port)]
        command += ["-m", "cnn_mnist", *map(str, arguments)]
        begun.append(
            subprocess.Popen(
                command,
                cwd=folder,
                env=environment | {"GLOO_SOCKET_IFNAME": "lo"},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    try:
        yield begun
    finally:
        for process in begun:
            process.kill()
            process.communicate()


TRAIN = [
    *("train", "--recipe", "reference", "--dataset", "digits", "--batch-size", "100"),
    *("--device", "cpu", "--json"),
]


@pytest.mark.slow
def test_two_hosts_train_one_run_as_good_as_that_of_one_process(
    environment: dict[str, str], digits: Splits, tmp_path: Path
) -> None:
    with two_hosts(environment, tmp_path, *TRAIN, "--epochs", 10) as hosts:
        outputs = [host.communicate(timeout=TIMEOUT) for host in hosts]
    assert [host.returncode for host in hosts] == [0, 0], outputs
    metrics = json.loads(outputs[0][0])
    assert outputs[1][0] == ""
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["reference-1"]
    recipe = REFERENCE.changed(epochs=10, batch_size=100)
    alone = finish(begin(recipe, digits, tmp_path / "alone"), digits, tmp_path / "alone")
    assert metrics["test_accuracy"] == pytest.approx(alone["test_accuracy"], abs=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("lost", [0, 1])
def test_a_lost_host_ends_the_run_with_one_line_and_resume_goes_on(
    lost: int, environment: dict[str, str], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    with two_hosts(environment, tmp_path, *TRAIN, "--epochs", 10_000, "--out", run) as hosts:
        wait_until((run / "epochs" / "02.safetensors").exists)
        for process in [*psutil.Process(hosts[lost].pid).children(), hosts[lost]]:
            process.kill()
        _, err = hosts[1 - lost].communicate(timeout=TIMEOUT)
    assert hosts[1 - lost].returncode == 1
    ours = [line for line in err.splitlines() if line.startswith("cnn-mnist: ")]
    assert len(ours) == 1
    assert "another process of this training has ended" in ours[0]
    behind = checkpoint.load_history(run)

    resume = ("train", "--resume", run, "--epochs", len(behind) + 1, "--device", "cpu", "--json")
    with two_hosts(environment, tmp_path, *resume) as hosts:
        outputs = [host.communicate(timeout=TIMEOUT) for host in hosts]
    assert [host.returncode for host in hosts] == [0, 0], outputs
    history = checkpoint.load_history(run)
    assert len(history) == len(behind) + 1
    assert history[:-1] == behind


def test_one_process_needs_no_group() -> None:
    with distributed.process_group(torch.device("cpu")):
        assert (distributed.rank(), distributed.world_size()) == (0, 1)
        assert distributed.from_first("said") == "said"
        assert distributed.sum_over_ranks(torch.ones(2)).tolist() == [1, 1]
