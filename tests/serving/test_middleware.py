"""The middleware by itself: what it lets through, refuses, waits for, counts and logs."""

import asyncio
import json
import logging
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import pytest
from prometheus_client import REGISTRY
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cnn_mnist.serving import metrics, middleware
from cnn_mnist.serving.middleware import PAUSE, SHORT, RequestMiddleware
from cnn_mnist.serving.refusal import HEADERS
from cnn_mnist.serving.settings import METRICS_FOLDER, Limits

LIMITS = Limits(body=1000, in_flight=2, timeout=0.05)
DISCONNECT = {"type": "http.disconnect"}
T = TypeVar("T")


class Exchange:
    """A request whose body comes in these parts, and then nothing; and what is sent back."""

    def __init__(self, *parts: bytes | Message, path: str = "/v1/predict", **headers: str) -> None:
        named = [(name.replace("_", "-").encode(), v.encode()) for name, v in headers.items()]
        self.scope: Scope = {"type": "http", "method": "POST", "path": path, "headers": named}
        self.scope["client"] = ("192.0.2.1", 50_000)
        last = len(parts) - 1
        self.left: list[Message] = [
            {"type": "http.request", "body": part, "more_body": index < last}
            if isinstance(part, bytes)
            else part
            for index, part in enumerate(parts)
        ]
        self.sent: list[Message] = []

    async def receive(self) -> Message:
        if not self.left:
            await asyncio.Event().wait()
        return self.left.pop(0)

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    async def pass_through(self, app: RequestMiddleware) -> "Exchange":
        await app(self.scope, self.receive, self.send)
        return self

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.sent[0]["headers"])

    @property
    def error(self) -> str:
        return str(json.loads(self.sent[1]["body"])["error"])


async def echo(scope: Scope, _: Receive, send: Send) -> None:
    """Answers with the body that it was given."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")]})
    await send({"type": "http.response.body", "body": scope.get("body", b"none")})


def in_a_loop(work: Coroutine[Any, Any, T]) -> T:
    """Run it in a thread of its own: the main thread may have a browser's loop."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


def ask(
    *parts: bytes | Message,
    app: ASGIApp = echo,
    limits: Limits = LIMITS,
    token: str | None = None,
    **request: str,
) -> Exchange:
    exchange = Exchange(*parts, **request)
    return in_a_loop(exchange.pass_through(RequestMiddleware(app, limits, token)))


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """The pauses that refused clients are given, and that end at once."""
    told: list[float] = []

    async def sleep(seconds: float) -> None:
        told.append(seconds)

    with monkeypatch.context() as patch:
        patch.setattr(asyncio, "sleep", sleep)
        yield told


# --- what it lets through ---


def test_the_body_is_handed_on_whole_and_the_end_of_the_answer_is_sent_last() -> None:
    answer = ask(b"one ", b"two ", b"three")
    assert answer.sent == [
        {"type": "http.response.start", "status": 200, "headers": [(b"a", b"b"), *HEADERS]},
        {"type": "http.response.body", "body": b"one two three", "more_body": True},
        {"type": "http.response.body", "body": b""},
    ]


def test_an_answer_in_parts_is_sent_in_parts() -> None:
    async def stream(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        await send({"type": "http.response.body", "body": b"b"})

    bodies = [message for message in ask(b"", app=stream).sent if "body" in message]
    assert [message["body"] for message in bodies] == [b"a", b"b", b""]
    assert [message.get("more_body", False) for message in bodies] == [True, True, False]


def test_a_message_without_a_body_is_an_empty_one() -> None:
    assert ask({"type": "http.request"}).sent[1]["body"] == b""


def test_what_is_no_request_is_passed_on() -> None:
    scopes = []

    async def note(scope: Scope, receive: Receive, send: Send) -> None:
        scopes.append(scope)
        await send(await receive())

    life = Exchange({"type": "lifespan.startup"})
    life.scope = {"type": "lifespan"}
    in_a_loop(life.pass_through(RequestMiddleware(note, LIMITS)))
    assert (scopes, life.sent) == ([{"type": "lifespan"}], [{"type": "lifespan.startup"}])


def test_a_page_needs_no_token_and_its_body_is_not_read_before() -> None:
    async def page(scope: Scope, receive: Receive, send: Send) -> None:
        assert "body" not in scope
        await echo({"body": (await receive())["body"]}, receive, send)

    answer = ask(b"early", b"late", app=page, path="/", token="secret")
    assert answer.sent[1]["body"] == b"early"
    assert answer.left == [], "the rest is read, or the connection would be reset"


# --- what it refuses ---


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer wrong", "Basic secret", "Digest secret", "secret"]
)
def test_without_its_token_nothing_is_answered(header: str) -> None:
    answer = ask(b"", token="secret", authorization=header, content_length="0")
    assert answer.status == 401
    assert answer.error == "this request needs the header Authorization: Bearer TOKEN"
    assert answer.headers[b"www-authenticate"] == b"Bearer"


@pytest.mark.parametrize("kind", ["Bearer", "bearer"])
def test_with_its_token_a_request_is_answered(kind: str) -> None:
    assert ask(b"", token="secret", authorization=f"{kind} secret").status == 200


def test_without_the_header_there_is_no_token() -> None:
    assert ask(b"", token="secret").status == 401


@pytest.mark.parametrize(
    ("parts", "length", "status"),
    [
        ((bytes(1000),), None, 200),
        ((bytes(1001),), None, 413),
        ((bytes(500), bytes(500)), None, 200),
        ((bytes(500), bytes(501)), None, 413),
        ((b"",), "1000", 200),
        ((b"",), "1001", 413),
        ((b"",), "9" * 5000, 413),
        ((b"",), "many", 200),
    ],
)
def test_a_body_has_its_limit(parts: tuple[bytes, ...], length: str | None, status: int) -> None:
    headers: dict[str, Any] = {"content_length": length} if length else {}
    answer = ask(*parts, **headers)
    assert answer.status == status
    if status == 413:
        assert answer.error == "the body is larger than 1,000 bytes"
        assert answer.headers[b"connection"] == b"close"


def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    half = {"type": "http.request", "body": b"half", "more_body": True}
    answer = ask(half, content_length="8")
    assert answer.status == 408
    assert answer.error == "the body did not arrive within 0.05 seconds"
    assert answer.headers[b"connection"] == b"close"


def test_a_client_that_disconnects_is_not_handed_on(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "cnn_mnist.serving"):
        answer = ask({"type": "http.request", "body": b"half", "more_body": True}, DISCONNECT)
    assert answer.error == "the client disconnected"
    assert [vars(record)["status"] for record in caplog.records] == [499]


@pytest.mark.parametrize(
    ("length", "closed"),
    [("0", False), ("65536", False), ("65537", True), (None, True), ("many", True)],
)
def test_a_refused_client_is_cut_off_if_much_may_come(
    length: str | None, closed: bool, pauses: list[float]
) -> None:
    headers: dict[str, Any] = {"content_length": length} if length else {}
    answer = ask(b"", token="secret", **headers)
    assert (answer.headers.get(b"connection") == b"close") == closed
    assert pauses == [], "only who comes at a busy time is kept waiting"


def test_one_too_many_is_refused_and_the_next_are_not(pauses: list[float]) -> None:
    at_once: list[float | None] = []

    async def crowd() -> list[Exchange]:
        over, answers = asyncio.Event(), []

        async def hold(scope: Scope, receive: Receive, send: Send) -> None:
            at_once.append(REGISTRY.get_sample_value("cnn_mnist_in_flight"))
            await over.wait()
            await echo(scope, receive, send)

        app = RequestMiddleware(hold, LIMITS)
        for round_number in (1, 2):
            over.clear()
            held = [asyncio.create_task(Exchange(b"").pass_through(app)) for _ in range(2)]
            while len(at_once) < 2 * round_number:
                await asyncio.wait(held, timeout=0.001)
            answers.append(await Exchange(content_length="0").pass_through(app))
            over.set()
            answers += [await each for each in held]
        return answers

    before = REGISTRY.get_sample_value("cnn_mnist_in_flight") or 0
    answers = in_a_loop(crowd())
    assert [answer.status for answer in answers] == [503, 200, 200] * 2
    assert answers[0].error == "too many requests at once; try again in a second"
    assert at_once == [before + 1, before + 2] * 2
    assert REGISTRY.get_sample_value("cnn_mnist_in_flight") == before
    assert pauses == [float(answers[0].headers[b"retry-after"])] * 2 == [PAUSE] * 2


def test_the_503_itself_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    exchange = Exchange(content_length="0")

    async def sleep(seconds: float) -> None:
        exchange.sent.append({"type": "pause"})

    monkeypatch.setattr(asyncio, "sleep", sleep)
    in_a_loop(exchange.pass_through(RequestMiddleware(echo, Limits(in_flight=0))))
    kinds = [message["type"].rpartition(".")[2] for message in exchange.sent]
    assert kinds == ["start", "body", "pause", "body"]


def test_who_may_still_send_much_is_not_paused_but_cut_off(pauses: list[float]) -> None:
    full = Limits(in_flight=0, timeout=0.05)
    answer = ask(b"a", b"b", limits=full, content_length=str(SHORT + 1))
    assert (answer.status, answer.headers[b"connection"]) == (503, b"close")
    assert (pauses, answer.left) == ([], [])


# --- what fails ---


def test_a_failure_is_logged_and_said_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    async def fail(*_: Any) -> None:
        raise RuntimeError("inner working")

    answer = ask(b"", app=fail, content_length="0")
    assert (answer.status, answer.headers[b"connection"]) == (500, b"close")
    assert answer.error == "the server failed; this has been logged"
    (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert (record.message, record.exc_info and str(record.exc_info[1])) == (
        "failed",
        "inner working",
    )


def test_a_failure_in_the_middle_of_an_answer_ends_it_there() -> None:
    async def fail(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError

    assert [message["type"] for message in ask(b"", app=fail).sent] == ["http.response.start"]


# --- what it reads on ---


def test_the_rest_of_a_refused_body_is_read_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "LINGER_BYTES", 100)
    parts = [bytes(50)] * 6
    assert len(ask(*parts, token="secret").left) == 3  # 100 bytes are not more than 100
    assert ask(*parts[:2], token="secret").left == []
    assert len(ask(bytes(101), *parts, token="secret").left) == 6


def test_a_refused_client_that_falls_silent_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[float] = []
    real = asyncio.timeout

    def timeout(seconds: float) -> asyncio.Timeout:
        limits.append(seconds)
        return real(seconds)

    monkeypatch.setattr(asyncio, "timeout", timeout)
    silent = {"type": "http.request", "body": b"", "more_body": True}
    assert ask(silent, token="secret").status == 401
    assert limits == pytest.approx([0.15, 0.05, 0.05])  # for everything, and for each part


def test_a_refused_client_that_trickles_is_left() -> None:
    class Trickle(Exchange):
        async def receive(self) -> Message:
            await asyncio.sleep(0)
            return {"type": "http.request", "body": b"", "more_body": True}

    middleware = RequestMiddleware(echo, LIMITS, "secret")
    assert in_a_loop(Trickle().pass_through(middleware)).status == 401


# --- what it counts and logs ---


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/v1/predict", "/v1/predict"),
        ("/", "/"),
        ("/explore/", "/explore/"),
        ("/explore/page.js", "static"),
        ("/static/app.js", "static"),
        ("/wp-admin", "other"),
        ("/v1/nothing", "other"),
    ],
)
def test_a_request_is_counted_and_logged_by_its_route(
    path: str, route: str, caplog: pytest.LogCaptureFixture
) -> None:
    def counted() -> list[float]:
        labels = {"route": route}
        found = [
            REGISTRY.get_sample_value("cnn_mnist_requests_total", labels | {"status": "200"}),
            REGISTRY.get_sample_value("cnn_mnist_request_seconds_count", labels),
        ]
        return [value or 0 for value in found]

    before = counted()
    with caplog.at_level(logging.INFO, "cnn_mnist.serving"):
        ask(b"four", path=path)
    assert counted() == [value + 1 for value in before]
    (record,) = caplog.records
    logged = vars(record)
    assert record.message == "request"
    assert (logged["method"], logged["route"], logged["status"]) == ("POST", route, 200)
    assert logged["bytes"] == (4 if path.startswith("/v1/") else 0)
    assert logged["client"] == "192.0.2.1"


def test_a_dead_workers_number_may_be_that_of_another_users_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: int) -> None:
        raise PermissionError

    (tmp_path / "gauge_livesum_1.db").touch()
    monkeypatch.setenv(METRICS_FOLDER, str(tmp_path))
    monkeypatch.setattr("cnn_mnist.serving.metrics.os.kill", refuse)
    assert metrics.render() == b""
    assert list(tmp_path.iterdir()) == []


def test_the_time_is_logged_in_milliseconds(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    times = iter([5.0, 5.51234])
    monkeypatch.setattr("cnn_mnist.serving.middleware.time.perf_counter", lambda: next(times))
    scope = Exchange(b"")
    scope.scope["client"] = None
    with caplog.at_level(logging.INFO, "cnn_mnist.serving"):
        in_a_loop(scope.pass_through(RequestMiddleware(echo, LIMITS)))
    (record,) = caplog.records
    assert (vars(record)["ms"], vars(record)["client"]) == (512.3, "")
