"""The HTTP API of a running server: its answers, its limits, its end."""

import base64
import concurrent.futures
import contextlib
import io
import json
import os
import re
import signal
import socket
import struct
import tempfile
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
import uvicorn
from PIL import Image, ImageDraw

from cnn_mnist.inference.pictures.image import FIRST_FRAME
from cnn_mnist.inference.reader import Reader
from cnn_mnist.serving import folders, server
from cnn_mnist.serving.middleware import PAUSE
from cnn_mnist.serving.server import (
    HOLD_BACK,
    MAX_HOLD_BACK,
    Server,
    SharedListener,
    remove_abandoned,
)
from drawn import page
from paged import chain, encoded, locked
from served import SOURCE, Served, get, post, serve
from shell import Shell
from waiting import TIMEOUT, wait_until

FIELDS = {
    "path", "page", "num_pages", "text", "digits", "ok", "reason", "lines", "turned", "notice",
}  # fmt: skip


def png(text: str, **look: Any) -> bytes:
    content = io.BytesIO()
    Image.fromarray(page(text, **look)).save(content, "PNG")
    return content.getvalue()


SEVEN, FORTY_TWO = png("7"), png("42")
BLANK = io.BytesIO()
Image.new("RGB", (80, 80), "white").save(BLANK, "PNG")


@pytest.fixture
def client(server: Served) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=TIMEOUT, verify=False) as client:
        yield client


def predict(client: httpx.Client, content: bytes, **query: Any) -> httpx.Response:
    return client.post("v1/predict", content=content, params=query)


# --- what it answers ---


@pytest.mark.parametrize("content", [SEVEN, FORTY_TWO, BLANK.getvalue()])
def test_raw_bytes_are_answered_as_by_the_command_line(
    client: httpx.Client, content: bytes
) -> None:
    response = predict(client, content)
    assert response.status_code == 200
    (reading,) = Reader().read_pages(content)
    assert response.json() == {"path": None, **reading.to_dict()}
    assert set(response.json()) == FIELDS


def test_a_form_of_one_file_and_of_many(client: httpx.Client) -> None:
    one = client.post("v1/predict", files={"any": ("seven.png", SEVEN)}).json()
    assert (one["path"], one["text"]) == ("seven.png", "7")
    files = [("f", ("a.png", SEVEN)), ("f", ("b.txt", b"text")), ("f", ("c.png", FORTY_TWO))]
    many = client.post("v1/predict", files=files).json()
    assert [(m["path"], m["text"], m["ok"]) for m in many] == [
        ("a.png", "7", True),
        ("b.txt", "", False),
        ("c.png", "42", True),
    ]
    assert "not a picture" in many[1]["reason"]
    assert all(set(answer) == FIELDS for answer in many)


def test_json_with_base64_and_data_urls(client: httpx.Client) -> None:
    text = base64.b64encode(SEVEN).decode()
    assert client.post("v1/predict", json={"image": text}).json()["text"] == "7"
    images = [f"data:image/png;base64,{text}", base64.b64encode(FORTY_TWO).decode()]
    many = client.post("v1/predict", json={"images": images}).json()
    assert [answer["text"] for answer in many] == ["7", "42"]
    assert len(client.post("v1/predict", json={"images": [text]}).json()) == 1
    in_lines = base64.encodebytes(SEVEN).decode()
    assert client.post("v1/predict", json={"image": in_lines}).json()["text"] == "7"


def test_every_page_of_a_file_is_answered(client: httpx.Client) -> None:
    three, two = encoded(("7", "3", "5"), "TIFF"), encoded(("4", "2"), "TIFF")
    answers = predict(client, three).json()
    assert [(a["path"], a["page"], a["num_pages"], a["text"]) for a in answers] == [
        (None, 1, 3, "7"),
        (None, 2, 3, "3"),
        (None, 3, 3, "5"),
    ]
    assert all(set(answer) == FIELDS for answer in answers)
    files = [("f", ("a.tif", two)), ("f", ("b.png", SEVEN)), ("f", ("c.tif", chain(2)[:62]))]
    answers = client.post("v1/predict", files=files).json()
    assert [(a["path"], a["page"], a["num_pages"]) for a in answers] == [
        ("a.tif", 1, 2),
        ("a.tif", 2, 2),
        ("b.png", 1, 1),
        ("c.tif", 1, 2),
        ("c.tif", 2, None),
    ]
    assert "page 2 of 2 and those after it were not read" in answers[-1]["reason"]


def test_every_page_of_a_pdf_is_answered(client: httpx.Client) -> None:
    pytest.importorskip("pypdfium2")
    answers = predict(client, encoded(("7", "3"), "PDF")).json()
    assert [(a["page"], a["text"]) for a in answers] == [(1, "7"), (2, "3")]
    refused = predict(client, locked())
    assert "asks for a password" in one_line(refused, 422)


def test_a_table_is_answered_to_whoever_accepts_csv(client: httpx.Client) -> None:
    table = {"accept": "text/csv"}
    one = client.post("v1/predict", content=FORTY_TWO, headers=table)
    assert (one.status_code, one.text) == (200, "42\r\n")
    assert one.headers["content-type"] == "text/csv; charset=utf-8"
    files = [("f", ("a.tif", encoded(("4", "2"), "TIFF"))), ("f", ("b.txt", b"text"))]
    many = client.post("v1/predict", files=files, headers=table)
    assert many.text.split("\r\n") == [
        "path,page,line,number_1",
        "a.tif,1,1,4",
        "a.tif,2,1,2",
        "b.txt,1,,",
        "",
    ]
    refused = client.post("v1/predict", content=b"text", headers=table)
    assert "not a picture" in one_line(refused, 415)


def test_an_animation_says_what_was_not_read(client: httpx.Client) -> None:
    answer = predict(client, encoded(("8", "1"), "GIF")).json()
    assert (answer["text"], answer["notice"]) == ("8", FIRST_FRAME)


def test_single_and_detail(client: httpx.Client) -> None:
    assert len(predict(client, FORTY_TWO, single=True).json()["digits"]) <= 1
    answer = predict(client, FORTY_TWO, detail=True).json()
    assert set(answer) == FIELDS | {"rejected"}
    for value, digit in zip(answer["digits"], Reader().read(FORTY_TWO).digits, strict=True):
        assert value["probs"] == pytest.approx(digit.probs.tolist(), abs=1e-3)
        seen = np.frombuffer(base64.b64decode(value["image"]), np.uint8).reshape(28, 28)
        assert np.array_equal(seen, digit.image)
    sheet, points = Image.new("L", (300, 300), 255), np.random.default_rng(3).uniform(60, 240, 80)
    ImageDraw.Draw(sheet).line(points.tolist(), fill=0, width=12)
    content = io.BytesIO()
    sheet.save(content, "PNG")
    answer = predict(client, content.getvalue(), detail=True).json()
    assert not answer["ok"]
    assert set(answer["rejected"][0]) == {"digit", "confidence", "box", "probs", "image"}


def test_the_schema_has_an_example_of_every_answer(client: httpx.Client) -> None:
    schema = client.get("openapi.json").json()
    post = schema["paths"]["/v1/predict"]["post"]
    assert set(post["requestBody"]["content"]) >= {"multipart/form-data", "application/json"}
    assert set(post["responses"]) == {"200", "400", "401", "408", "413", "415", "422", "503"}
    for response in post["responses"].values():
        content = response["content"]["application/json"]
        assert "example" in content or "examples" in content
    assert [(p["name"], bool(p["description"])) for p in post["parameters"]] == [
        ("single", True),
        ("detail", True),
    ]
    body = post["requestBody"]["content"]["application/json"]["examples"]["one"]["value"]
    assert client.post("v1/predict", json=body).status_code == 200


def test_health_readiness_and_the_page(client: httpx.Client) -> None:
    assert client.get("healthz").json() == {"status": "alive"}
    assert client.get("readyz").json() == {"status": "ready"}
    assert client.get("").headers["content-type"].startswith("text/html")
    assert client.head("").status_code == 200
    for name in ("app.js", "page.js", "style.css", "icon.svg"):
        assert client.get(f"static/{name}").status_code == 200


def test_the_page_names_nothing_from_elsewhere(client: httpx.Client) -> None:
    for name in ("", "static/app.js", "static/page.js", "static/style.css"):
        assert not re.search(r"https?://|//\w+\.\w+/|<style| style=|onclick", client.get(name).text)


@pytest.mark.parametrize("path", ["", "healthz", "v1/predict", "nowhere", "static/app.js"])
def test_every_answer_has_the_security_headers(client: httpx.Client, path: str) -> None:
    headers = client.get(path).headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert "access-control-allow-origin" not in headers
    assert "server" not in headers


# --- what it refuses ---


def one_line(response: httpx.Response, status: int) -> str:
    assert response.status_code == status
    assert list(response.json()) == ["error"]
    assert "\n" not in response.text
    assert "Traceback" not in response.text
    return str(response.json()["error"])


def bomb(side: int) -> bytes:
    """A PNG of a few kilobytes that claims side² pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        crc = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)

    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    data = zlib.compress(bytes(1 << 20))
    chunks = chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def test_a_page_of_too_many_marks_is_an_answer_and_the_server_goes_on(
    client: httpx.Client,
) -> None:
    marks = np.full((2048, 2048), 255, np.uint8)
    for y, x in np.ndindex(5, 5):
        marks[y + 4 :: 14, x + 4 :: 14] = 0
    crowd, kind = io.BytesIO(), {"content-type": "image/png"}
    Image.fromarray(marks).save(crowd, "PNG")
    for _ in range(3):
        response = client.post("v1/predict", content=crowd.getvalue(), headers=kind)
        assert response.status_code == 200
        assert "too many marks" in response.json()["reason"]
    assert client.post("v1/predict", content=png("42"), headers=kind).json()["text"] == "42"


@pytest.mark.parametrize(
    ("content", "kind", "status", "reason"),
    [
        (b"", "image/png", 422, "empty"),
        (b"hello", "image/png", 415, "not a picture"),
        (b"\0\0\0\x18ftypheic", "image/heic", 415, "HEIC and AVIF are not supported"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "image/png", 415, "not a picture"),
        (FORTY_TWO[:300], "image/png", 422, "damaged"),
        (bomb(30_000), "image/png", 422, "million pixels"),
        (bomb(8_000), "image/png", 422, "million pixels"),
        (chain(2, side=6000), "image/tiff", 422, "more than 50 million pixels"),
        (chain(65), "image/tiff", 422, "more than 64 pages"),
        (chain(30_000), "image/tiff", 422, "more than 500 pages"),
        (b"{", "application/json", 400, "not valid JSON"),
        (b"[" * 100_000, "application/json", 400, "not valid JSON"),
        (b"[]", "application/json", 422, "BASE64"),
        (b'{"images": []}', "application/json", 422, "no picture"),
        (b'{"image": 3}', "application/json", 422, "BASE64"),
        (b'{"image": "***"}', "application/json", 422, "the picture is not valid base64"),
        (b'{"images": ["", "x"]}', "application/json", 422, "picture 2 is not valid base64"),
        (b'{"images": ["%s"]}' % b'", "'.join([b"AA=="] * 65), "application/json", 422, "64"),
        (b"x", "multipart/form-data", 400, "boundary"),
        (b"x", "multipart/form-data; boundary=b", 400, "form"),
        (b"--b\r\n\r\n", "multipart/form-data; boundary=b", 400, "form"),
        (b"--b--\r\n", "multipart/form-data; boundary=b", 422, "no picture"),
    ],
)
def test_what_cannot_be_read_is_one_line(
    client: httpx.Client, content: bytes, kind: str, status: int, reason: str
) -> None:
    response = client.post("v1/predict", content=content, headers={"content-type": kind})
    assert reason in one_line(response, status)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "v1/predict", 405),
        ("DELETE", "v1/predict", 405),
        ("GET", "nowhere", 404),
        ("GET", "docs", 404),
        ("GET", "static/..%2fapp.py", 404),
        ("GET", "static/%2e%2e/%2e%2e/cli.py", 404),
        ("GET", "static/%00", 404),
        ("POST", "v1/predict?single=perhaps", 422),
    ],
)
def test_other_paths_and_methods(client: httpx.Client, method: str, path: str, status: int) -> None:
    reasons = {404: "nothing at this path", 405: f"does not answer {method}; use POST", 422: "bool"}
    assert reasons[status] in one_line(client.request(method, path), status)


def connect(url: str) -> socket.socket:
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname, parts.port), timeout=TIMEOUT)


def everything(raw: socket.socket) -> bytes:
    """All that comes until the other side hangs up."""
    received = b""
    while chunk := raw.recv(4096):
        received += chunk
    return received


def test_no_http_and_endless_headers_are_refused(server: Served) -> None:
    with connect(server.url) as raw:
        raw.sendall(b"\x16\x03\x01 this is no HTTP\r\n\r\n")
        assert b'{"error": "this is not an HTTP request"}' in everything(raw)
    with connect(server.url) as raw:
        raw.sendall(b"GET / HTTP/1.1\r\n" + b"x: %s\r\n" % bytes(b"a" * 70_000))
        assert everything(raw).startswith(b"HTTP/1.1 431")


def test_a_body_that_is_no_http_fails_quietly(server: Served) -> None:
    with connect(server.url) as raw:
        raw.sendall(b"POST /v1/predict HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        raw.sendall(b"zz\r\n\r\n")
        assert b'{"error": "this is not an HTTP request"}' in everything(raw)
    assert get(server.url + "healthz").status_code == 200
    assert '"level": "error"' not in server.log.read_text()


# --- servers that run otherwise ---


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One at a time, a token, another site allowed; a body may take as long as a test wants."""
    options = ("--max-in-flight", 1, "--cors-origin", "https://a.example", "--timeout", TIMEOUT)
    with serve(tmp_path_factory.mktemp("strict"), *options, CNN_MNIST_TOKEN="secret") as served:
        yield served


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serve(tmp_path_factory.mktemp("impatient"), "--timeout", 2) as served:
        yield served


AUTHORIZED = {"authorization": "Bearer secret"}


def test_the_api_asks_for_the_token_and_the_rest_does_not(strict: Served) -> None:
    with httpx.Client(base_url=strict.url, timeout=TIMEOUT, verify=False) as client:
        for wrong in ({}, {"authorization": "Bearer wrong"}, {"authorization": "Basic secret"}):
            response = client.post("v1/predict", content=SEVEN, headers=wrong)
            assert "Bearer" in one_line(response, 401)
            assert response.headers["www-authenticate"] == "Bearer"
        assert client.post("v1/predict", content=SEVEN, headers=AUTHORIZED).json()["text"] == "7"
        assert client.get("").status_code == client.get("healthz").status_code == 200
    assert "secret" not in strict.log.read_text()


def test_one_other_site_may_call_and_no_third(strict: Served) -> None:
    for origin, allowed in (("https://a.example", True), ("https://b.example", False)):
        headers = {"origin": origin, "access-control-request-method": "POST"}
        ask = httpx.options(strict.url + "v1/predict", headers=headers, timeout=TIMEOUT)
        assert ("access-control-allow-origin" in ask.headers) == allowed
        for token, status in ((AUTHORIZED, 200), ({}, 401)):
            headers = {"origin": origin, **token}
            answer = post(strict.url + "v1/predict", content=SEVEN, headers=headers)
            assert answer.status_code == status
            assert ("access-control-allow-origin" in answer.headers) == allowed


def test_a_crowd_does_not_keep_pictures_from_being_read(strict: Served) -> None:
    def insist(_: int) -> list[int]:
        statuses: list[int] = []
        with httpx.Client(base_url=strict.url, timeout=TIMEOUT, verify=False) as client:
            while statuses.count(200) < 3:
                answer = client.post("v1/predict", content=SEVEN, headers=AUTHORIZED)
                assert answer.status_code == 503 or answer.json()["text"] == "7"
                statuses.append(answer.status_code)
        return statuses

    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(6) as crowd:
        told = [status for statuses in crowd.map(insist, range(6)) for status in statuses]
    taken = time.monotonic() - began
    assert told.count(503) <= 6 * (1 + taken / PAUSE)


def test_a_head_that_does_not_come_is_not_waited_for(impatient: Served) -> None:
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        clients = []
        for start in (b"", b"POST /v1/pre", b"GET / HTTP/1.1\r\nHost: a\r\n"):
            clients.append(stack.enter_context(connect(impatient.url)))
            clients[-1].sendall(start)
        for client in clients:
            everything(client)
            assert time.monotonic() - began > 1.9


def test_a_kept_connection_is_not_held_by_trickling(impatient: Served) -> None:
    with connect(impatient.url) as slow:
        slow.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        assert slow.recv(4096).startswith(b"HTTP/1.1 200")
        with pytest.raises(ConnectionError):
            wait_until(lambda: slow.sendall(b"\r\n"))


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serve(tmp_path_factory.mktemp("pair"), "--workers", 2) as served:
        served.wait_for(STARTED, 2)
        yield served


STARTED = "Application startup complete."


def total(url: str, name: str) -> float:
    lines = get(url + "metrics").text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(name))


def workers(served: Served) -> list[int]:
    """The processes that said they started and still live."""
    started = re.findall(r"Started server process \[(\d+)\]", served.log.read_text())
    return [int(pid) for pid in started if Path(f"/proc/{pid}/stat").exists()]


def test_a_shared_listener_gives_one_connection_a_turn() -> None:
    listener = SharedListener(fileno=socket.create_server(("127.0.0.1", 0)).detach())
    with listener, contextlib.ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(socket.create_connection(listener.getsockname()))
        first, _ = listener.accept()
        with first, pytest.raises(BlockingIOError):
            listener.accept()
        listener.accept()[0].close()


def test_a_worker_holds_back_the_longer_the_more_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("cnn_mnist.serving.server.time", SimpleNamespace(sleep=slept.append))
    listener = SharedListener(fileno=socket.create_server(("127.0.0.1", 0)).detach())
    with listener, contextlib.ExitStack() as stack:
        for _ in range(10):
            stack.enter_context(socket.create_connection(listener.getsockname()))
            stack.enter_context(listener.accept()[0])
            with pytest.raises(BlockingIOError):
                listener.accept()
    assert slept == [min(number * HOLD_BACK, MAX_HOLD_BACK) for number in range(10)]


def test_all_workers_have_clients(pair: Served) -> None:
    before = len(pair.log.read_text())

    def one_more() -> bool:
        client = stack.enter_context(connect(pair.url))
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.recv(4096).startswith(b"HTTP/1.1 200")
        answered = re.findall(r'"pid": (\d+), "method"', pair.log.read_text()[before:])
        return len(set(answered)) == 2

    with contextlib.ExitStack() as stack:
        wait_until(one_more)


def test_the_metrics_of_the_workers_add_up(pair: Served) -> None:
    def totals() -> list[float]:
        return [total(pair.url, name) for name in COUNTED]

    before = totals()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        posts = [pool.submit(post, pair.url + "v1/predict", content=SEVEN) for _ in range(12)]
        answers = [each.result() for each in posts]
    assert [answer.json()["text"] for answer in answers] == ["7"] * 12
    post(pair.url + "v1/predict", content=b"none")
    expected = [b + more for b, more in zip(before, (12, 12, 1, 13, 0), strict=True)]
    wait_until(lambda: totals() == expected)  # an exchange is counted after its answer


COUNTED = (
    'cnn_mnist_digits_total{digit="7"}',
    'cnn_mnist_pictures_total{outcome="read"}',
    'cnn_mnist_rejections_total{reason="not_a_picture"}',
    'cnn_mnist_request_seconds_count{route="/v1/predict"}',
    "cnn_mnist_in_flight",
)


def test_a_worker_killed_under_load_comes_back_and_the_other_goes_on(pair: Served) -> None:
    said: list[str] = []
    over, num_clients = threading.Event(), 4

    def insist() -> None:
        while not over.is_set():
            try:
                said.append(post(pair.url + "v1/predict", content=SEVEN).json()["text"])
            except httpx.TransportError:
                said.append("broken")  # what the killed one had accepted

    def more() -> None:
        enough = said.count("7") + 2 * num_clients
        wait_until(lambda: said.count("7") >= enough)

    first, other = workers(pair)
    with concurrent.futures.ThreadPoolExecutor(num_clients) as crowd:
        load = [crowd.submit(insist) for _ in range(num_clients)]
        try:
            more()
            os.kill(first, signal.SIGKILL)
            more()
            wait_until(lambda: first not in workers(pair) and len(workers(pair)) == 2)
            more()
        finally:
            over.set()
    assert [each.result() for each in load] == [None] * num_clients
    assert other in workers(pair)
    assert set(said) <= {"7", "broken"}
    assert said.count("broken") <= num_clients
    wait_until(lambda: total(pair.url, "cnn_mnist_in_flight") == 0)


@pytest.mark.slow
def test_workers_that_load_slowly_are_waited_for(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import time; time.sleep(7)")
    paths = f"{tmp_path}{os.pathsep}{SOURCE}"
    with serve(tmp_path, "--workers", 2, PYTHONPATH=paths) as served:
        served.wait_for(STARTED, 2)
        assert " died" not in served.log.read_text()


def test_the_log_is_json_and_holds_no_picture(pair: Served) -> None:
    post(pair.url + "v1/predict", files={"f": ("name.png", SEVEN)})
    pair.wait_for("request")
    lines = [json.loads(line) for line in pair.log.read_text().splitlines()]
    requests = [line for line in lines if line["event"] == "request"]
    assert set(requests[-1]) == {
        "time", "level", "event", "pid", "method", "route", "status", "ms", "bytes", "client",
    }  # fmt: skip
    assert "name.png" not in pair.log.read_text()


@pytest.mark.parametrize("count", [1, 2])
def test_what_was_accepted_is_finished_before_the_end(tmp_path: Path, count: int) -> None:
    files = [("f", ("a.png", FORTY_TWO))] * 6
    with serve(tmp_path, "--workers", count, "--timeout", TIMEOUT) as served:
        served.wait_for(STARTED, count)
        request = httpx.Request("POST", served.url + "v1/predict", files=files)
        headers = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
        body = request.read()
        with connect(served.url) as accepted:
            accepted.sendall(f"POST /v1/predict HTTP/1.1\r\n{headers}\r\n".encode() + body[:99])
            wait_until(lambda: total(served.url, "cnn_mnist_in_flight") == 1)
            served.process.send_signal(signal.SIGTERM)
            served.wait_for("Shutting down", count)
            accepted.sendall(body[99:])
            answers = json.loads(everything(accepted).partition(b"\r\n\r\n")[2])
        assert [answer["text"] for answer in answers] == ["42"] * 6
        assert served.process.wait(TIMEOUT) == 0
        assert list(tmp_path.glob("cnn-mnist-metrics*")) == []
        with pytest.raises(httpx.ConnectError):
            get(served.url)


def test_a_killed_server_frees_its_port_and_the_next_one_removes_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def folders() -> list[Path]:
        return list(tmp_path.glob("cnn-mnist-metrics-*"))

    def answers(url: str) -> bool:
        with contextlib.suppress(httpx.TransportError):
            return get(url).status_code == 200
        return False

    with serve(tmp_path, "--workers", 2) as killed:
        killed.wait_for(STARTED, 2)
        killed.process.kill()
        wait_until(lambda: not answers(killed.url))
    (left,) = folders()
    with serve(tmp_path):
        (current,) = folders()
        assert current != left
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        remove_abandoned()
        assert folders() == [current], "a folder in use stays"


def test_of_two_servers_that_start_together_neither_removes_the_others_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(folder: Path, wait: bool = True) -> contextlib.AbstractContextManager[None]:
        if wait:
            remove_abandoned()  # by the other one
        return folders.locked(folder, wait)

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(server, "locked", late)
    with server.metrics_folder() as folder:
        remove_abandoned()
        assert list(tmp_path.iterdir()) == [Path(folder)]
    assert list(tmp_path.iterdir()) == []


# --- the command ---


@pytest.mark.parametrize("count", [1, 2])
def test_ctrl_c_ends_it_without_a_word(tmp_path: Path, count: int) -> None:
    with serve(tmp_path, "--workers", count) as served:
        served.wait_for(STARTED, count)
        served.process.send_signal(signal.SIGINT)
        assert served.process.wait(TIMEOUT) == 130
        assert "Traceback" not in served.log.read_text()
        assert all(line.startswith("{") for line in served.log.read_text().splitlines())


def test_ctrl_c_counts_though_the_event_loop_loses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(self: uvicorn.Server, sockets: object = None) -> None:
        self.handle_exit(signal.SIGINT, None)

    monkeypatch.setattr(uvicorn.Server, "run", run)
    with pytest.raises(KeyboardInterrupt):
        Server(uvicorn.Config("app:app")).run()


def test_a_taken_port_and_a_wrong_model_are_one_line(server: Served, shell: Shell) -> None:
    taken = shell("serve --port", urlsplit(server.url).port)
    assert "cannot listen on 127.0.0.1 port" in taken.err
    Path("model.onnx").write_text("none")
    wrong = shell("serve --model model.onnx")
    assert "is not a digit classifier exported by cnn-mnist" in wrong.err
    nowhere = shell("serve --host no.such.host.invalid")
    assert "cannot listen on no.such.host.invalid" in nowhere.err
    for outcome in (taken, wrong, nowhere):
        assert outcome.code == 1
        assert outcome.err.count("\n") == 1
