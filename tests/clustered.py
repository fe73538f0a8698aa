"""A Dask cluster as people start one: a scheduler and workers, processes of their own."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psutil
from distributed import Client

TESTS = Path(__file__).parent
SOURCE = TESTS.parent / "src"
SETTLED = 6  # seconds


class Clustered(NamedTuple):
    address: str
    scheduler: "subprocess.Popen[bytes]"
    nanny: "subprocess.Popen[bytes]"


def working(nanny: "subprocess.Popen[bytes] | None" = None) -> list[psutil.Process]:
    """The processes that do the work of a local pool, of this process; or of Dask's nanny.

    There it waits for one that has been up for a while: one that dies while it starts is not
    replaced.
    """
    while True:
        found = []
        for child in psutil.Process(nanny and nanny.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):  # it has just died
                settled = not nanny or time.time() - child.create_time() > SETTLED
                if settled and "spawn_main" in " ".join(child.cmdline()):
                    found.append(child)
        if found or not nanny:
            return found
        time.sleep(0.1)


@contextlib.contextmanager
def dask(folder: Path, num_workers: int = 2) -> Iterator[Clustered]:
    """A scheduler on a free port, and workers that start in `folder`."""
    paths = [str(SOURCE), str(TESTS), os.environ.get("PYTHONPATH")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
    contact = folder / "scheduler.json"

    def begin(*arguments: object) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "dask", *map(str, arguments)]
        with (folder / f"{arguments[0]}.log").open("w") as log:
            return subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)

    where = ("--scheduler-file", contact, "--no-dashboard")
    scheduler = begin("scheduler", "--host", "127.0.0.1", "--port", "0", *where)
    nanny = begin("worker", *where, "--nthreads", 1, "--nworkers", num_workers)
    try:
        deadline = time.monotonic() + 60
        while not contact.exists() or not contact.read_text().endswith("}"):
            assert time.monotonic() < deadline, (folder / "scheduler.log").read_text()
            time.sleep(0.05)
        address = json.loads(contact.read_text())["address"]
        with Client(address, set_as_default=False) as client:
            client.wait_for_workers(num_workers, timeout=60)
        yield Clustered(address, scheduler, nanny)
    finally:
        children = psutil.Process(nanny.pid).children(recursive=True)
        for process in (nanny, scheduler):
            process.terminate()
            process.wait(30)
        for child in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
