"""A Dask cluster as people start one: a scheduler and workers, processes of their own."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psutil
from distributed import Client, Nanny, Status

from waiting import TIMEOUT, wait_until

# Otherwise an idle cluster watches itself with a ninth of a core.
QUIET = {
    "DASK_DISTRIBUTED__ADMIN__TICK__INTERVAL": "1s",
    "DASK_DISTRIBUTED__ADMIN__TICK__CYCLE": "10s",
    "DASK_DISTRIBUTED__ADMIN__SYSTEM_MONITOR__INTERVAL": "10s",
    "DASK_DISTRIBUTED__WORKER__MEMORY__MONITOR_INTERVAL": "10s",
    "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False",
}


class Clustered(NamedTuple):
    address: str
    scheduler: "subprocess.Popen[bytes]"
    nanny: "subprocess.Popen[bytes]"


def working(cluster: Clustered | None = None) -> list[psutil.Process]:
    """The processes that do the work of a local pool, of this process; or of a cluster."""
    if cluster:
        return wait_until(lambda: settled(cluster.address))
    found = []
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # it has just died
            if "spawn_main" in " ".join(child.cmdline()):
                found.append(child)
    return found


def settled(address: str) -> list[psutil.Process]:
    """The workers that their nannies know to run: one that dies before that is not replaced."""
    with Client(address, set_as_default=False) as client:
        pids = client.run(pid_if_running, nanny=True).values()
    found = []
    for pid in filter(None, pids):
        with contextlib.suppress(psutil.NoSuchProcess):  # its nanny does not know it yet
            found.append(psutil.Process(pid))
    return found


def pid_if_running(dask_worker: Nanny) -> int | None:
    """Of a nanny's worker; called in the nanny."""
    process = dask_worker.process
    return process.pid if process and process.status is Status.running else None


@contextlib.contextmanager
def dask(folder: Path, num_workers: int = 2, **settings: str) -> Iterator[Clustered]:
    """A scheduler on a free port, and workers that start in `folder`."""
    path = os.pathsep.join(filter(None, sys.path))
    environment = os.environ | {"PYTHONPATH": path} | QUIET | settings
    contact = folder / "scheduler.json"

    def begin(*arguments: object) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "dask", *map(str, arguments)]
        with (folder / f"{arguments[0]}.log").open("w") as log:
            return subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)

    where = ("--scheduler-file", contact, "--no-dashboard")
    scheduler = begin("scheduler", "--host", "127.0.0.1", "--port", "0", *where)
    nanny = begin("worker", *where, "--nthreads", 1, "--nworkers", num_workers)
    try:
        wait_until(lambda: contact.exists() and contact.read_text().endswith("}"))
        address = json.loads(contact.read_text())["address"]
        with Client(address, set_as_default=False) as client:
            client.wait_for_workers(num_workers, timeout=TIMEOUT)
        yield Clustered(address, scheduler, nanny)
    finally:
        children = psutil.Process(nanny.pid).children(recursive=True)
        for process in (nanny, scheduler):
            process.terminate()
            process.wait(TIMEOUT)
        for child in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
