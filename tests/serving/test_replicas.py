"""Servers behind nginx, with the configuration that ships: no request is lost."""

import concurrent.futures
import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from test_serving import FORTY_TWO, SEVEN, png

from cnn_mnist import shelf
from served import Served, get, serve
from waiting import TIMEOUT, wait_until

CONFIGURATION = Path(__file__).parents[2] / "deploy" / "nginx.conf"
LARGE = png("42", height=600, pen=50)  # more than what fits one buffer of a proxy

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("nginx"), reason="nginx: apt install nginx-light"),
]


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        found = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in found]


@contextlib.contextmanager
def balancer(folder: Path, port: int, replicas: list[int]) -> Iterator[str]:
    """nginx with the shipped configuration, but for the ports."""
    text = CONFIGURATION.read_text()
    assert set(re.findall(r"127\.0\.0\.1:(\d+)", text)) == {"8001", "8002", "8003", "8080"}
    for old, new in zip((8080, 8001, 8002, 8003), (port, *replicas), strict=True):
        text = text.replace(f"127.0.0.1:{old}", f"127.0.0.1:{new}")
    (folder / "nginx.conf").write_text(text)
    command = ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"]
    if os.getuid() == 0:
        command += ["-g", "user root;"]
    with (folder / "nginx.log").open("w") as log:
        process = subprocess.Popen(command, stderr=log, stdout=log)
    try:
        wait_for(f"http://127.0.0.1:{port}/readyz")
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.terminate()
        process.wait(TIMEOUT)


def wait_for(url: str) -> None:
    """What a rolling change waits for before it goes on."""

    def ready() -> bool:
        with contextlib.suppress(httpx.TransportError):
            return get(url).status_code == 200
        return False

    wait_until(ready)


class Load:
    """Clients that ask without a pause, and keep every answer."""

    def __init__(self, url: str, num_clients: int = 6) -> None:
        self.answers: list[tuple[int, str, str]] = []
        self._url, self._over = url, threading.Event()
        self._pool = concurrent.futures.ThreadPoolExecutor(num_clients)
        self._clients = [self._pool.submit(self._ask, n) for n in range(num_clients)]

    def _ask(self, number: int) -> None:
        text, content = (("7", SEVEN), ("42", FORTY_TWO), ("42", LARGE))[number % 3]
        with httpx.Client(timeout=TIMEOUT) as client:
            while not self._over.is_set():
                response = client.post(f"{self._url}v1/predict", content=content)
                self.answers.append((response.status_code, text, response.text))

    def more(self, count: int = 30) -> None:
        """Wait until so many more are answered."""
        enough = len(self.answers) + count
        wait_until(lambda: len(self.answers) >= enough)

    def end(self) -> list[tuple[int, str, str]]:
        self._over.set()
        for client in self._clients:
            client.result(TIMEOUT)
        return self.answers


def one_more() -> onnx.ModelProto:
    """A model that decides alone, and takes each digit for the next one."""
    model = onnx.load(shelf.file("reader", shelf.ONNX))
    for weights in model.graph.initializer:
        if weights.name.startswith("model.fc2."):
            moved = np.roll(numpy_helper.to_array(weights), 1, axis=0)
            weights.CopyFrom(numpy_helper.from_array(moved, weights.name))
    onnx.helper.set_model_props(
        model, {p.key: p.value for p in model.metadata_props} | {"decides": "0.0"}
    )
    return model


def test_no_request_is_lost_with_a_replica_nor_while_the_model_is_changed(tmp_path: Path) -> None:
    assert len(LARGE) > 16 * 1024
    onnx.save(one_more(), tmp_path / "one_more.onnx")
    port, *ports = free_ports(4)

    with contextlib.ExitStack() as stack:

        def start(number: int, *options: object) -> Served:
            folder = tmp_path / f"{number}{len(options)}"
            folder.mkdir(exist_ok=True)
            return stack.enter_context(serve(folder, "--port", ports[number], *options))

        replicas = [start(n) for n in range(3)]
        load = Load(stack.enter_context(balancer(tmp_path, port, ports)))
        load.more()

        replicas[1].process.kill()
        load.more()
        replicas[1] = start(1)
        wait_for(replicas[1].url + "readyz")
        load.more()
        num_before = len(load.answers)

        for n, replica in enumerate(replicas):
            replica.process.terminate()
            assert replica.process.wait(TIMEOUT) == 0  # what it had accepted is answered
            replicas[n] = start(n, "--model", tmp_path / "one_more.onnx")
            wait_for(replicas[n].url + "readyz")
            load.more(10)
        num_between = len(load.answers)
        load.more()
        answers = load.end()

    assert {status for status, _, _ in answers} == {200}
    assert all(json.loads(body)["text"] == text for _, text, body in answers[:num_before])
    late = answers[num_between + 6 :]  # six were on the way
    assert late
    assert {json.loads(body)["text"] for _, _, body in late} == {"8", "53"}
    print(f"{len(answers)} requests, all answered")
