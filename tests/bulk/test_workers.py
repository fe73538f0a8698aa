"""Workers: a pool that survives its processes, a Dask cluster, and the same rules for both."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor
from pathlib import Path

import psutil
import pytest

from clustered import dask
from cnn_mnist.process import num_cores
from cnn_mnist.workers import Workers, workers
from waiting import TIMEOUT


class Mark:
    """A preparation that leaves a file for each process that it is called in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self) -> Callable[[], object]:
        path = self.folder / str(os.getpid())
        path.touch()
        return path.unlink


@pytest.fixture
def marks(tmp_path: Path) -> Path:
    (tmp_path / "marks").mkdir()
    return tmp_path / "marks"


@pytest.fixture(params=["pool", "cluster"])
def engine(request: pytest.FixtureRequest, marks: Path) -> Iterator[Workers]:
    address = None
    if request.param == "cluster":
        address = request.getfixturevalue("cluster").address
    with workers(2, address, Mark(marks)) as opened:
        yield opened
    if request.param == "cluster":
        undone = [path for path in marks.iterdir() if psutil.pid_exists(int(path.name))]
        assert undone == []  # in the workers that live on


def test_work_is_done_by_prepared_workers_and_what_dies_is_replaced(
    engine: Workers, marks: Path
) -> None:
    assert engine.num_workers == 2
    futures = [engine.submit(pow, n, 2) for n in range(20)]
    assert [future.result(TIMEOUT) for future in futures] == [n * n for n in range(20)]
    with pytest.raises(ZeroDivisionError):
        engine.submit(divmod, 1, 0).result(TIMEOUT)

    with pytest.raises(BrokenExecutor):
        engine.submit(os._exit, 1).result(TIMEOUT)
    assert (marks / str(engine.submit(os.getpid).result(TIMEOUT))).exists()


def test_a_local_worker_has_the_threads_it_is_given_and_no_core_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OMP_PROC_BIND", "true")  # would put all workers on the first core
    with workers(1, threads=3) as pool:
        assert pool.submit(os.getenv, "OMP_NUM_THREADS").result() == "3"
        assert pool.submit(os.getenv, "OMP_PROC_BIND").result() is None
    assert os.environ["OMP_PROC_BIND"] == "true"


def test_without_a_number_there_is_a_worker_a_core() -> None:
    with workers() as pool:
        assert pool.num_workers == num_cores() == len(os.sched_getaffinity(0))


def test_what_runs_is_stopped_when_the_block_fails() -> None:
    began = time.monotonic()
    with contextlib.suppress(KeyboardInterrupt), workers(1) as pool:
        pool.submit(os.getpid).result()
        pool.submit(time.sleep, 10 * TIMEOUT)
        pool.submit(os.getpid)
        raise KeyboardInterrupt
    assert time.monotonic() - began < TIMEOUT


def test_a_worker_that_dies_while_the_block_ends_does_not_hold_the_others() -> None:
    opened = workers(2)
    pool = opened.__enter__()
    pids: set[int] = set()
    while len(pids) < 2:
        tasks = [pool.submit(os.getpid) for _ in range(2)]
        pids.update(task.result(TIMEOUT) for task in tasks)
    last = pool.submit(os.getpid).result(TIMEOUT)
    (waiting,) = pids - {last}  # at the queue, whose lock it holds
    os.kill(waiting, signal.SIGSTOP)
    ending = threading.Thread(target=opened.__exit__, args=(None, None, None))
    ending.start()
    ending.join(1)
    with contextlib.suppress(ProcessLookupError):  # it may have ended instead of stopping
        os.kill(waiting, signal.SIGKILL)
    ending.join(TIMEOUT)
    held = ending.is_alive()
    if held:
        os.kill(last, signal.SIGKILL)
    assert not held


ORPHANS = """
import os, sys
from cnn_mnist.workers import workers
with workers(2) as pool:
    print(*[f.result() for f in [pool.submit(os.getpid), pool.submit(os.getpid)]], flush=True)
    sys.stdin.read()
"""


def test_workers_end_with_a_killed_parent(environment: dict[str, str]) -> None:
    command = [sys.executable, "-c", ORPHANS]
    with subprocess.Popen(
        command, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        children = [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()]
        parent.kill()
    assert psutil.wait_procs(children, timeout=TIMEOUT)[1] == []


class Deadly:
    """Ends a process when it is pickled."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def __reduce__(self) -> tuple[type[int], tuple[()]]:
        os.kill(self.pid, signal.SIGKILL)
        return int, ()


@pytest.mark.parametrize("noticed", [True, False])
def test_a_scheduler_that_goes_while_a_result_is_fetched_ends_the_job(
    noticed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The result may fail before the client notices that it has no scheduler."""
    module = pytest.importorskip("cnn_mnist.workers.cluster")
    with dask(tmp_path, 1) as cluster, workers(2, cluster.address) as engine:
        gone = f"^the scheduler at {cluster.address} is gone; once it is back"
        fetched = engine.submit(Deadly, cluster.scheduler.pid)
        if not noticed:
            monkeypatch.setattr(module.Cluster, "_is_lost", lambda self: False)
        with pytest.raises(ValueError, match=gone):
            fetched.result(TIMEOUT)
        monkeypatch.undo()
        with pytest.raises(ValueError, match=gone):
            engine.submit(os.getpid).result(TIMEOUT)


@pytest.mark.parametrize(
    "address", ["here", "tcp://127.0.0.1:1", "tcp://HOST:PORT", "tls://127.0.0.1:1"]
)
def test_no_scheduler_is_one_line(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = pytest.importorskip("cnn_mnist.workers.cluster")
    monkeypatch.setattr(module, "TIMEOUT", 1)
    with (
        pytest.raises(ValueError, match=f"^no Dask scheduler answers at {address}; start"),
        workers(1, address),
    ):
        pass
