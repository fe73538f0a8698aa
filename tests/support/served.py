"""The server as people start it: a process of its own on a free port."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import httpx

from waiting import TIMEOUT, wait_until

SOURCE = Path(__file__).parents[2] / "src"

# httpx gives up after five seconds, and loads the certificates of HTTPS for every request.
get = partial(httpx.get, timeout=TIMEOUT, verify=False)
post = partial(httpx.post, timeout=TIMEOUT, verify=False)


class Served(NamedTuple):
    url: str  # with the last slash
    process: "subprocess.Popen[str]"
    log: Path

    def wait_for(self, event: str, count: int = 1) -> None:
        """Wait until the log has so many lines of an event."""
        wait_until(lambda: self.log.read_text().count(f'"event": "{event}"') >= count)


@contextlib.contextmanager
def serve(folder: Path, *options: object, **environment: str) -> Iterator[Served]:
    """Start `cnn-mnist serve` and end it gracefully; its log is a file in `folder`."""
    paths = os.pathsep.join(filter(None, [str(SOURCE), os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-m", "cnn_mnist", "serve", "--port", "0", *map(str, options)]
    log = folder / "server.log"
    with log.open("w") as stderr:
        process = subprocess.Popen(
            command,
            env=os.environ | {"PYTHONPATH": paths, "TMPDIR": str(folder)} | environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=stderr,
        )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("Serving http://"), log.read_text()
        yield Served(line.split()[1], process, log)
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=TIMEOUT)
