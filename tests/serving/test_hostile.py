"""Hostile clients: whatever they send is refused at worst, and the server is right afterwards."""

import base64
import contextlib
import io
import json
import os
import random
import re
import socket
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from PIL import Image

from drawn import page
from served import Served, serve
from served import post as ask
from waiting import TIMEOUT


def test_the_server_keeps_its_own_schema(tmp_path: Path) -> None:
    import schemathesis  # loads slowly, and no other test needs it
    from schemathesis.checks import not_a_server_error
    from schemathesis.core.result import Ok
    from schemathesis.specs.openapi import checks

    wanted = [
        not_a_server_error,
        checks.status_code_conformance,
        checks.content_type_conformance,
        checks.response_schema_conformance,
    ]
    with serve(tmp_path, "--collect", tmp_path / "pairs") as server:
        schema = schemathesis.openapi.from_url(f"{server.url}openapi.json", timeout=TIMEOUT)
        found = [result.ok() for result in schema.get_all_operations() if isinstance(result, Ok)]
        assert len(found) == 5
        for operation in found:

            @settings(
                max_examples=10,
                database=None,
                suppress_health_check=list(HealthCheck),
            )
            @given(case=operation.as_strategy())
            def exchange(case: schemathesis.Case[Any]) -> None:
                case.call_and_validate(checks=wanted, timeout=TIMEOUT)

            exchange()


# --- 20,000 requests ---


def encoded(kind: str) -> bytes:
    content = io.BytesIO()
    Image.fromarray(page("42", height=60, pen=6)).save(content, kind)
    return content.getvalue()


PICTURES = [encoded(kind) for kind in ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM")]
REFUSED = {400, 404, 405, 408, 413, 415, 422, 431, 503}


def post(
    body: bytes, kind: str = "image/png", length: object = None, route: str = "predict"
) -> bytes:
    length = len(body) if length is None else length
    head = f"POST /v1/{route} HTTP/1.1\r\nHost: a\r\nContent-Type: {kind}\r\n"
    return f"{head}Content-Length: {length}\r\nConnection: close\r\n\r\n".encode() + body


def mutated(chance: random.Random) -> bytes:
    picture = bytearray(chance.choice(PICTURES))
    for _ in range(chance.choice((1, 3, 30))):
        where = chance.randrange(min(len(picture), chance.choice((40, len(picture)))))
        picture[where] = chance.randrange(256)
    if chance.random() < 0.3:
        del picture[chance.randrange(len(picture)) :]
    return bytes(picture)


def picture(chance: random.Random) -> bytes:
    return post(mutated(chance), chance.choice(("image/png", "text/plain", "", "image/*")))


def form(chance: random.Random) -> bytes:
    part = b'Content-Disposition: form-data; name="f"; filename="%s"\r\n\r\n%s\r\n'
    names = (b"a.png", b"../../etc/passwd", b"\x00", b"x" * 5000, '"é😀'.encode())
    parts = [part % (chance.choice(names), mutated(chance)) for _ in range(chance.randrange(4))]
    body = b"".join(b"--b\r\n" + part for part in parts) + b"--b--\r\n"
    if chance.random() < 0.4:
        body = body[: chance.randrange(len(body))]
    return post(body, chance.choice(("multipart/form-data; boundary=b", "multipart/form-data")))


def json_body(chance: random.Random) -> bytes:
    text = base64.b64encode(mutated(chance)).decode()
    bodies = (
        json.dumps({"image": text}),
        json.dumps({"images": [text, "%%%", text]}),
        json.dumps({"images": [text] * chance.randrange(100)}),
        json.dumps({"image": {"image": text}}),
        "[" * chance.randrange(200_000),
        '{"image":' * 10_000,
        '{"image": "' + "A" * chance.randrange(1, 2_000_000) + '"}',
        "1" * 20_000,
        "null",
        text,
    )
    return post(chance.choice(bodies).encode(), "application/json; charset=utf-7")


def correction(chance: random.Random) -> bytes:
    labels = ("7", "none", "42", "../7", "7\0", "", "7" * 99, "12/03/2024", 7, None, ["7"])
    boxes: tuple[Any, ...] = (
        [0, 0, 30, 30],
        [0, 0, 10**300, 1],
        [-5, 0, 9, 9],
        [1.5, 0, 9, 9],
        [0] * 4,
        "box",
        {},
    )
    wanted = [
        {"label": chance.choice(labels)} | chance.choice(({}, {"box": chance.choice(boxes)}))
        for _ in range(chance.choice((0, 1, 1, 1, 2, 70)))
    ]
    picture = chance.choice((PICTURES[0], mutated(chance)))
    body = {"image": base64.b64encode(picture).decode(), "corrections": wanted}
    return post(json.dumps(body).encode(), "application/json", route="corrections")


def lie(chance: random.Random) -> bytes:
    lengths = (0, 1, -1, "x", "1e3", 2**64, "9" * 5000, len(PICTURES[0]) - 7, "5, 6", "")
    return post(PICTURES[0], length=chance.choice(lengths))


def chunks(chance: random.Random) -> bytes:
    head = b"POST /v1/predict HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
    sizes = (b"FFFFFFFFFFFFFFFFF\r\n", b"-1\r\n", b"zz\r\n", b"3\r\nabcd\r\n", b"0\r\n\r\n")
    extra = chance.choice((b"", b"Content-Length: 3\r\n", b"Expect: 100-continue\r\n"))
    return head + extra + b"Connection: close\r\n\r\n" + chance.choice(sizes) + b"0\r\n\r\n"


def path(chance: random.Random) -> bytes:
    paths = (
        "/static/../../cli.py", "/static/%2e%2e/cli.py", "/static/..\\cli.py", "//etc/passwd",
        "/%00", "/v1/predict/../../metrics", "/v1/" + "a" * 60_000, "/v1/predict?single=%ff",
        "http://elsewhere/v1/predict", "*", "/static/%252e%252e%252fapp.py", "/v1/predict;x",
        "/v1/predict?" + "&".join(f"detail={i}" for i in range(3000)), "/\xff",
    )  # fmt: skip
    method = chance.choice(("GET", "POST", "PUT", "TRACE", "CONNECT", "HEAD", "OPTIONS", "BREW"))
    head = f"{method} {chance.choice(paths)} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
    return (head + "Content-Length: 0\r\n\r\n").encode("latin-1")


def headers(chance: random.Random) -> bytes:
    odd = (
        b"Host: a\r\nHost: b", b"X: " + b"y" * chance.randrange(100_000), b"X\x00: 1", b": 1",
        b"Authorization: Bearer " + b"\xff" * 50, b"Upgrade: websocket\r\nConnection: upgrade",
        b"Content-Type: " + b"multipart/" * 900, b"X: 1\r\n" * 3000,
    )  # fmt: skip
    body = PICTURES[0]
    head = b"POST /v1/predict HTTP/1.1\r\nConnection: close\r\n" + chance.choice(odd)
    return head + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def garbage(chance: random.Random) -> bytes:
    return chance.randbytes(chance.randrange(1, 3000)) + b"\r\n\r\n"


KINDS = (
    picture, picture, picture, form, json_body, correction, chunks, path, headers, garbage,
)  # fmt: skip


def exchange(url: str, request: bytes) -> tuple[int, bytes]:
    """The status, 0 where there was none, and what came with it."""
    parts, received = urlsplit(url), b""
    with socket.create_connection((parts.hostname, parts.port), timeout=TIMEOUT) as raw:
        with contextlib.suppress(OSError):
            raw.sendall(request)
        with contextlib.suppress(ConnectionError):
            while chunk := raw.recv(65536):
                received += chunk
    statuses = re.findall(rb"HTTP/1.1 ([2-5]\d\d)", received)
    return (int(statuses[-1]) if statuses else 0), received


def slowloris(url: str, over: threading.Event) -> None:
    """Hold connections open with a byte now and then."""
    parts = urlsplit(url)
    starts = (b"G", b"POST /v1/predict HTTP/1.1\r\nHost: a\r\nContent-Length: 9999\r\n\r\n")
    while not over.is_set():
        held = [socket.create_connection((parts.hostname, parts.port)) for _ in range(20)]
        for _ in range(8):
            for number, raw in enumerate(held):
                with contextlib.suppress(OSError):
                    raw.sendall(starts[number % 2] if _ == 0 else b"x")
            time.sleep(0.2)
        for raw in held:
            raw.close()


def memory(served: Served) -> int:
    """Of the server and its workers; the processes that render PDFs end by themselves."""
    processes = [psutil.Process(served.process.pid)]
    processes += processes[0].children()
    return sum(process.memory_info().rss for process in processes)


def attack(served: Served, count: int) -> Counter[int]:
    """Send `count` requests from eight sides and check every answer."""

    def one(number: int) -> int:
        chance = random.Random(number)
        kind = lie if number % 100 == 0 else chance.choice(KINDS)
        status, received = exchange(served.url, kind(chance))
        assert status in REFUSED | {0, 200, 201}, (number, kind.__name__, received[:300])
        assert b"Traceback" not in received
        assert b"root:" not in received
        return status

    with ThreadPoolExecutor(8) as pool:
        return Counter(pool.map(one, range(count)))


def assert_right(served: Served) -> None:
    for _ in range(10):
        answer = ask(served.url + "v1/predict", content=PICTURES[0])
        if answer.status_code == 503:
            time.sleep(float(answer.headers["retry-after"]))
            continue
        assert answer.json()["text"] == "42"
        return
    pytest.fail("the server stays busy")


def test_a_few_hundred_hostile_requests(tmp_path: Path) -> None:
    folder = tmp_path / "pairs"
    with serve(tmp_path, "--timeout", 1, "--collect", folder) as served:
        counts = attack(served, 300)
        assert {200, 201, 400, 404, 405, 415, 422} <= set(counts)
        assert_right(served)
    names = {path.name for path in folder.iterdir()}
    told = [json.loads((folder / name).read_text()) for name in names if name.endswith(".json")]
    assert 2 * len(told) == len(names)
    assert {about["label"] for about in told} <= {"7", "none", "42", "4", "2", "12/03/2024"}
    for path in folder.glob("*.png"):
        assert path.with_suffix(".json").name in names
        Image.open(path).load()


@pytest.mark.slow
def test_twenty_thousand_hostile_requests(tmp_path: Path) -> None:
    with serve(tmp_path, "--workers", 2, "--timeout", 1, "--max-in-flight", 64) as served:
        count = int(os.environ.get("HOSTILE", "20000"))
        attack(served, count)  # workers keep as much memory as the largest of these need
        before, over = memory(served), threading.Event()
        slow = threading.Thread(target=slowloris, args=(served.url, over))
        slow.start()
        counts = attack(served, count)
        over.set()
        slow.join()
        assert_right(served)
        assert memory(served) - before < 100 * 2**20
        started = re.findall(r"Started server process", served.log.read_text())
        assert len(started) == 2, "no worker died"
        assert '"event": "failed"' not in served.log.read_text()
        print(counts, (memory(served) - before) >> 20, "MiB more")
