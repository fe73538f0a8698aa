"""A client that sends more than it may gets its answer, with whatever it sends; none is waited for
without end."""

import contextlib
import http.client
import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import requests

from cnn_mnist.serving.refusal import LINGER_BYTES
from cnn_mnist.serving.settings import Limits
from served import Served, get, serve
from waiting import TIMEOUT, wait_until

BUFFERED = 64 * 2**20  # Linux's sockets hold up to 36 MiB
SIZE = 32 * 2**20  # more than the sockets' buffers hold, so that the client is sending when refused
TOKEN = {"authorization": "Bearer secret"}
Answer = tuple[int, str]  # status, error


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One small body at a time, with a token and no time limit."""
    folder, options = tmp_path_factory.mktemp("strict"), ["--max-body", 1, "--max-in-flight", 1]
    with serve(folder, *options, "--timeout", 600, CNN_MNIST_TOKEN="secret") as served:
        yield served


def by_urllib(url: str, body: Any, headers: dict[str, str]) -> Answer:
    request = urllib.request.Request(url, body, headers, method="POST")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=TIMEOUT)
    with refused.value as answer:
        return answer.code, json.load(answer)["error"]


def by_requests(url: str, body: Any, headers: dict[str, str]) -> Answer:
    answer = requests.post(url, data=body, headers=headers, timeout=TIMEOUT)
    return answer.status_code, answer.json()["error"]


def by_httpx(url: str, body: Any, headers: dict[str, str]) -> Answer:
    answer = httpx.post(url, content=body, headers=headers, timeout=TIMEOUT, verify=False)
    return answer.status_code, answer.json()["error"]


def by_curl(url: str, body: Any, headers: dict[str, str]) -> Answer:
    if not shutil.which("curl"):
        pytest.skip("there is no curl on this machine")
    content = body if isinstance(body, bytes) else b"".join(body)
    named = [part for name in headers for part in ("-H", f"{name}: {headers[name]}")]
    if not isinstance(body, bytes):
        named += ["-H", "Transfer-Encoding: chunked"]
    command = ["curl", "-sS", "--data-binary", "@-", "-w", "\n%{http_code}", *named, url]
    done = subprocess.run(command, input=content, capture_output=True, timeout=TIMEOUT)
    assert done.returncode == 0, done.stderr
    text, status = done.stdout.decode().rsplit("\n", 1)
    return int(status), json.loads(text)["error"]


def by_socket(url: str, body: Any, headers: dict[str, str]) -> Answer:
    """Sends everything before it reads."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=TIMEOUT) as raw:
        lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
        head = f"POST {parts.path} HTTP/1.1\r\nHost: a\r\n{''.join(lines)}"
        if isinstance(body, bytes):
            raw.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        else:
            raw.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
            for part in body:
                raw.sendall(b"%x\r\n%s\r\n" % (len(part), part))
            raw.sendall(b"0\r\n\r\n")
        response = http.client.HTTPResponse(raw)
        response.begin()
        return response.status, json.load(response)["error"]


CLIENTS = [by_urllib, by_requests, by_httpx, by_curl, by_socket]
Client = Callable[[str, Any, dict[str, str]], Answer]


def pieces() -> Iterator[bytes]:
    """A body without a Content-Length."""
    for _ in range(SIZE // 2**20):
        yield bytes(2**20)


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("announced", [True, False])
def test_a_body_that_is_too_large(client: Client, announced: bool, strict: Served) -> None:
    body = bytes(SIZE) if announced else pieces()
    status, error = client(strict.url + "v1/predict", body, TOKEN)
    assert (status, error) == (413, "the body is larger than 1,048,576 bytes")


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("announced", [True, False])
def test_a_token_that_is_missing(client: Client, announced: bool, strict: Served) -> None:
    body = bytes(SIZE) if announced else pieces()
    status, error = client(strict.url + "v1/predict", body, {})
    assert (status, error) == (401, "this request needs the header Authorization: Bearer TOKEN")


@pytest.mark.parametrize(("path", "status"), [("nowhere", 404), ("healthz", 405)])
@pytest.mark.parametrize("client", CLIENTS)
def test_a_body_that_nobody_wants(client: Client, path: str, status: int, strict: Served) -> None:
    assert client(strict.url + path, bytes(SIZE), {"Connection": "close"})[0] == status


@pytest.mark.parametrize("client", CLIENTS[:3])
def test_headers_that_are_too_large(client: Client, strict: Served) -> None:
    status, error = client(strict.url, b"", {"x": "a" * SIZE})
    assert (status, error) == (431, "the headers are larger than 65,536 bytes")


@pytest.fixture
def busy(strict: Served) -> Iterator[Served]:
    """A server whose only slot is taken while the test runs."""
    parts = urlsplit(strict.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=TIMEOUT) as taken:
        head = b"POST /v1/predict HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer secret\r\n"
        taken.sendall(head + b"Content-Length: 9\r\n\r\n")
        wait_until(lambda: "cnn_mnist_in_flight 1.0" in get(strict.url + "metrics").text)
        yield strict
        taken.sendall(b"123456789")
        assert taken.recv(4096).startswith(b"HTTP/1.1 415")


@pytest.mark.parametrize("client", CLIENTS)
def test_a_server_with_too_much_to_do(client: Client, busy: Served) -> None:
    status, error = client(busy.url + "v1/predict", bytes(SIZE), TOKEN)
    assert (status, error) == (503, "too many requests at once; try again in a second")


def connect(served: Served) -> socket.socket:
    parts = urlsplit(served.url)
    return socket.create_connection((parts.hostname, parts.port), timeout=TIMEOUT)


def test_a_body_that_comes_too_slowly(tmp_path: Path) -> None:
    """The client is told while it sends, and may send the rest."""
    with serve(tmp_path, "--timeout", 4, "--max-body", 64) as served, connect(served) as raw:
        raw.sendall(b"POST /v1/predict HTTP/1.1\r\nHost: a\r\n")
        raw.sendall(b"Content-Length: %d\r\n\r\nabc" % SIZE)
        response = http.client.HTTPResponse(raw)
        response.begin()
        assert response.status == 408
        raw.sendall(bytes(SIZE - 3))
        assert "did not arrive within 4 seconds" in json.load(response)["error"]


def send_until_cut_off(raw: socket.socket, part: bytes, most: float) -> int:
    """How many bytes could be sent before the other side hung up, or more than `most`."""
    sent = 0
    with contextlib.suppress(ConnectionError):
        while sent <= most:
            raw.sendall(part)
            sent += len(part)
    return sent


@pytest.mark.parametrize("length", [b"Content-Length: 99999999999", b"Transfer-Encoding: chunked"])
def test_a_client_that_never_stops_is_cut_off(length: bytes, strict: Served) -> None:
    with connect(strict) as raw:
        raw.sendall(b"POST /v1/predict HTTP/1.1\r\nHost: a\r\n%s\r\n\r\n" % length)
        chunk = b"100000\r\n%s\r\n" % bytes(2**20)
        most = LINGER_BYTES + BUFFERED
        assert send_until_cut_off(raw, chunk, most) <= most


def test_headers_that_never_stop_are_cut_off(strict: Served) -> None:
    with connect(strict) as raw:
        raw.sendall(b"GET / HTTP/1.1\r\nx: ")
        most = LINGER_BYTES + BUFFERED
        assert send_until_cut_off(raw, bytes(b"a" * 2**20), most) <= most


def test_a_client_that_trickles_or_is_silent_is_cut_off(tmp_path: Path) -> None:
    head = b"POST /v1/predict HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n"
    with (
        serve(tmp_path, "--timeout", 2) as served,
        connect(served) as silent,
        connect(served) as slow,
    ):
        for raw in (silent, slow):
            raw.sendall(head)
        with contextlib.suppress(ConnectionError):
            while True:
                slow.sendall(b"x")
                time.sleep(0.01)
        received = b""
        while part := silent.recv(4096):
            received += part
        assert received.startswith(b"HTTP/1.1 413")


FETCH = """async (size) => {
  const response = await fetch("v1/predict", { method: "POST", body: new Uint8Array(size) });
  return [response.status, (await response.json()).error];
}"""


def test_the_fetch_of_a_browser(browser: Any, server: Served) -> None:
    page = browser.new_page()
    page.goto(server.url)
    status, error = page.evaluate(FETCH, Limits.body + 1)
    page.close()
    assert (status, error) == (413, "the body is larger than 16,777,216 bytes")
