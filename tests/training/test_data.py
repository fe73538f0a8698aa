"""Finding, downloading and reading the images, with a local test server."""

import gzip
import hashlib
import struct
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pooch
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import center_of_mass

from cnn_mnist.training import data
from cnn_mnist.training.data import DataError, Split, Splits, load
from cnn_mnist.training.data.download import fetch
from cnn_mnist.training.data.idx import read_idx
from waiting import TIMEOUT

NAMES = list(data.SHA256)
TRAIN_IMAGES = NAMES[0]


def idx(array: np.ndarray) -> bytes:
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return gzip.compress(header + array.astype(np.uint8).tobytes(), mtime=0)


numbers = np.random.default_rng(0)
FILES = {
    NAMES[0]: idx(numbers.integers(0, 256, (12, 28, 28))),
    NAMES[1]: idx(numbers.integers(0, 10, 12)),
    NAMES[2]: idx(numbers.integers(0, 256, (5, 28, 28))),
    NAMES[3]: idx(numbers.integers(0, 10, 5)),
}


class Mirror(BaseHTTPRequestHandler):
    """Serves /BEHAVIOUR/NAME with that behaviour."""

    asked: list[str]
    server: "Server"

    def do_GET(self) -> None:
        self.asked.append(self.path)
        behaviour, name = self.path.strip("/").split("/")
        content = FILES[name]
        if behaviour.isdigit():
            self.send_error(int(behaviour))
        elif behaviour == "redirects":
            self._head(302, Location=f"/serves/{name}")
        elif behaviour == "circles":
            self._head(302, Location=self.path)
        elif behaviour == "stalls":
            self._head(200, **{"Content-Length": str(len(content))})
            self.wfile.write(content[:20])
            self.server.closing.wait()
        elif behaviour == "trickles":
            self._head(200, **{"Content-Length": str(len(content))})
            for byte in content:
                if self.server.closing.wait(0.05):
                    break
                self.wfile.write(bytes([byte]))
        else:
            length = len(content)
            content = {
                "truncates": content[: length // 2],
                "corrupts": content[:-9] + b"x" + content[-8:],
                "empties": b"",
                "explains": b"<html>Please log in to this network</html>",
            }.get(behaviour, content)
            told = length if behaviour == "truncates" else len(content)
            self._head(200, **{"Content-Length": str(told)})
            self.wfile.write(content)

    def _head(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


class Server(ThreadingHTTPServer):
    daemon_threads = True
    closing: threading.Event

    def handle_error(self, *_: object) -> None:
        """Some tests are about clients that disconnect during a slow response."""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Mirror) as server:
        server.closing = threading.Event()
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server
        server.closing.set()
        server.shutdown()


@pytest.fixture
def mirror(server: Server) -> str:
    """Address of the server; append the behaviour to it."""
    Mirror.asked = []
    return f"http://127.0.0.1:{server.server_port}"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, no CNN_MNIST_DATA, the small files' checksums, no pause before a retry."""
    for name, content in FILES.items():
        monkeypatch.setitem(data.SHA256, name, hashlib.sha256(content).hexdigest())
    monkeypatch.delenv("CNN_MNIST_DATA", raising=False)
    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / "cache" / name)
    monkeypatch.setattr("pooch.core.time", SimpleNamespace(sleep=lambda _: None))
    return tmp_path / "cache" / "cnn-mnist"


def fill(folder: Path, names: list[str] = NAMES) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(FILES[name])
    return folder


def held(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}


# --- fetching ---


@pytest.mark.parametrize("behaviour", ["serves", "redirects"])
def test_the_files_are_fetched_once_and_then_found(
    behaviour: str, mirror: str, cache: Path
) -> None:
    splits = load("mnist", mirrors=[f"{mirror}/{behaviour}/"])
    assert held(cache) == FILES
    assert (splits.name, splits.notice) == ("mnist", "")
    assert splits.train.images.shape == (12, 28, 28)
    assert splits.test.labels.dtype == torch.int64
    assert torch.equal(load("mnist", mirrors=()).train.images, splits.train.images)


BAD = {
    "404": "HTTP 404",
    "403": "HTTP 403",
    "503": "HTTP 503",
    "truncates": "was interrupted",
    "corrupts": "not the requested file",
    "empties": "not the requested file",
    "explains": "not the requested file",
    "circles": "redirects",
    "stalls": "too slow",
    "trickles": "too slow",
}


@pytest.mark.parametrize(("behaviour", "reason"), BAD.items())
def test_a_bad_mirror_is_named_with_its_reason_and_leaves_nothing(
    behaviour: str, reason: str, mirror: str, cache: Path
) -> None:
    timeout = 0.3 if behaviour == "stalls" else TIMEOUT
    deadline = 0.3 if behaviour == "trickles" else TIMEOUT
    with pytest.raises(DataError) as failure:
        fetch(
            TRAIN_IMAGES,
            data.SHA256[TRAIN_IMAGES],
            cache,
            [f"{mirror}/{behaviour}/"],
            [],
            timeout,
            deadline,
        )
    message = str(failure.value)
    host = mirror.removeprefix("http://")
    assert message.startswith(
        f"{TRAIN_IMAGES} was not found, and no mirror could provide it ({host}: "
    )
    assert reason in message
    assert "\n" not in message
    assert "--data-dir" in message
    assert held(cache) == {}


def test_a_refused_connection_is_no_connection(cache: Path) -> None:
    with Server(("127.0.0.1", 0), Mirror) as closed:
        port = closed.server_port
    reason = rf"^{TRAIN_IMAGES} was not found, .*{port}: no connection"
    with pytest.raises(DataError, match=reason):
        fetch(TRAIN_IMAGES, data.SHA256[TRAIN_IMAGES], cache, [f"http://127.0.0.1:{port}/"], [])


def test_a_server_that_fails_is_asked_twice(mirror: str, cache: Path) -> None:
    with pytest.raises(DataError):
        fetch(TRAIN_IMAGES, data.SHA256[TRAIN_IMAGES], cache, [f"{mirror}/503/"], [])
    assert Mirror.asked == [f"/503/{TRAIN_IMAGES}"] * 2


def test_the_mirrors_are_tried_in_order_until_one_serves(mirror: str, cache: Path) -> None:
    problems: list[str] = []
    mirrors = [f"{mirror}/{how}/" for how in ("corrupts", "serves", "404")]
    path = fetch(TRAIN_IMAGES, data.SHA256[TRAIN_IMAGES], cache, mirrors, problems)
    assert path.read_bytes() == FILES[TRAIN_IMAGES]
    assert list(dict.fromkeys(Mirror.asked)) == [
        f"/corrupts/{TRAIN_IMAGES}",
        f"/serves/{TRAIN_IMAGES}",
    ]
    assert len(problems) == 1
    assert held(cache) == {TRAIN_IMAGES: FILES[TRAIN_IMAGES]}


def test_a_cache_that_cannot_be_written_is_said_in_one_line(
    mirror: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / "file" / name)
    with pytest.raises(DataError) as failure:
        load("mnist", mirrors=[f"{mirror}/serves/"])
    assert "\n" not in str(failure.value)


# --- finding ---


def test_the_given_folder_comes_before_the_environment_and_the_cache(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, named = tmp_path / "given", tmp_path / "named"
    monkeypatch.setenv("CNN_MNIST_DATA", str(named))
    given.mkdir()
    for folder in (cache, named, given):
        fill(folder)
        assert data.mnist._find(TRAIN_IMAGES, [given, named, cache], []) == folder / TRAIN_IMAGES
        seen = opened(monkeypatch)
        load("mnist", given, mirrors=())
        assert {path.parent for path in seen} == {folder}


def opened(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The paths read from now on."""
    paths: list[Path] = []

    def note(path: Path) -> np.ndarray:
        paths.append(path)
        return read_idx(path)

    monkeypatch.setattr(data.mnist, "read_idx", note)
    return paths


def test_a_damaged_file_in_a_given_folder_is_named_and_left_alone(
    mirror: str, cache: Path, tmp_path: Path
) -> None:
    given = fill(tmp_path / "given")
    (given / TRAIN_IMAGES).write_bytes(b"damaged")
    splits = load("mnist", given, mirrors=[f"{mirror}/serves/"])
    assert f"{given / TRAIN_IMAGES} is damaged" in splits.notice
    assert splits.notice.endswith(f"; MNIST was read from {cache}, {given}")
    assert splits.source == f"{cache}, {given}"
    assert (given / TRAIN_IMAGES).read_bytes() == b"damaged"
    assert held(cache) == {TRAIN_IMAGES: FILES[TRAIN_IMAGES]}
    assert torch.equal(
        splits.train.images, load("mnist", mirrors=[f"{mirror}/serves/"]).train.images
    )


@pytest.mark.parametrize("damage", [b"", FILES[TRAIN_IMAGES][:-1], b"\0" * 999])
def test_a_damaged_file_in_the_cache_is_fetched_again(
    damage: bytes, mirror: str, cache: Path
) -> None:
    fill(cache)
    (cache / TRAIN_IMAGES).write_bytes(damage)
    load("mnist", mirrors=[f"{mirror}/serves/"])
    assert Mirror.asked == [f"/serves/{TRAIN_IMAGES}"]
    assert held(cache) == FILES


def test_a_given_folder_that_lacks_a_file_is_told(cache: Path, tmp_path: Path) -> None:
    fill(cache)
    given = fill(tmp_path / "given", NAMES[1:])
    splits = load("mnist", given, mirrors=())
    assert splits.source == f"{cache}, {given}"
    assert splits.notice == f"MNIST was read from {splits.source}"
    whole = load("mnist", fill(given), mirrors=())
    assert (whole.source, whole.notice) == (str(given), "")


def test_a_folder_in_the_place_of_a_file_is_passed_over(mirror: str, tmp_path: Path) -> None:
    (tmp_path / "given" / TRAIN_IMAGES).mkdir(parents=True)
    splits = load("mnist", tmp_path / "given", mirrors=[f"{mirror}/serves/"])
    assert TRAIN_IMAGES in splits.notice


def test_mnist_that_cannot_be_had_fails_and_says_what_was_tried(mirror: str) -> None:
    with pytest.raises(
        DataError, match=rf"{TRAIN_IMAGES} was not found.*HTTP 404.*--dataset digits"
    ):
        load("mnist", mirrors=[f"{mirror}/404/"])


def test_auto_goes_on_with_the_digits_and_says_so(mirror: str) -> None:
    splits = load("auto", mirrors=[f"{mirror}/404/"])
    assert splits.name == "digits"
    assert "say nothing about MNIST" in splits.notice
    assert TRAIN_IMAGES in splits.notice


def test_auto_takes_mnist_where_it_is(cache: Path) -> None:
    fill(cache)
    splits = load("auto", mirrors=())
    assert (splits.name, splits.source, splits.notice) == ("mnist", str(cache), "")


def test_an_unknown_data_set_is_an_error() -> None:
    with pytest.raises(DataError, match=r"mnits.*auto, mnist, digits"):
        load("mnits")


# --- reading ---


def test_an_idx_file_is_read_into_an_array_of_its_own(tmp_path: Path) -> None:
    array = read_idx(fill(tmp_path) / NAMES[3])
    assert array.shape == (5,)
    assert array.flags.writeable


@given(st.binary(max_size=64) | st.binary(max_size=64).map(gzip.compress))
def test_garbage_is_read_or_a_data_error(
    tmp_path_factory: pytest.TempPathFactory, garbage: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "garbage.gz"
    path.write_bytes(garbage)
    with suppress(DataError):
        read_idx(path)


@given(st.data())
def test_a_damaged_file_is_a_data_error(
    tmp_path_factory: pytest.TempPathFactory, draw: st.DataObject
) -> None:
    whole = bytearray(FILES[TRAIN_IMAGES][:600])
    place = draw.draw(st.integers(0, len(whole) - 1))
    whole[place] = draw.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged.gz"
    path.write_bytes(bytes(whole))
    with pytest.raises(DataError, match=rf"^{path} [^\n]*$"):
        read_idx(path)


# --- splits ---


def test_holding_out_moves_the_last_training_images_into_the_test(blank: Split) -> None:
    held_out = Splits("mnist", train=blank, test=blank[:3]).hold_out(50)
    assert torch.equal(held_out.train.images, blank.images[:200])
    assert torch.equal(held_out.test.images, blank.images[200:])
    assert torch.equal(held_out.test.labels, blank.labels[200:])


@pytest.mark.parametrize("count", [0, -1, 250, 10_000])
def test_holding_out_nothing_or_everything_is_an_error(blank: Split, count: int) -> None:
    with pytest.raises(DataError, match=f"{count} of 250"):
        Splits("mnist", train=blank, test=blank).hold_out(count)


def test_the_digits_look_like_mnist(digits: Splits) -> None:
    images = torch.cat([digits.train.images, digits.test.images])
    assert images.shape == (1797, 28, 28)
    assert images.dtype == torch.uint8
    assert (len(digits.train), len(digits.test)) == (1437, 360)
    for image in images.numpy():
        rows, cols = image.any(axis=1), image.any(axis=0)
        assert max(np.ptp(np.flatnonzero(rows)), np.ptp(np.flatnonzero(cols))) < 20
        for centre, marked in zip(center_of_mass(image), (rows, cols), strict=True):
            touches_frame = marked[0] or marked[-1]
            assert abs(centre - 14) <= 0.51 or touches_frame


@pytest.mark.parametrize("name", ["train", "test"])
def test_every_digit_is_in_both_splits_of_the_digits(digits: Splits, name: str) -> None:
    counts = getattr(digits, name).labels.bincount()
    assert len(counts) == 10
    assert counts.min() >= 30


def test_real_mnist_is_whole(mnist: Splits) -> None:
    assert mnist.train.images.shape == (60_000, 28, 28)
    assert mnist.test.images.shape == (10_000, 28, 28)
    assert mnist.test.labels.bincount().tolist() == [
        980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009,
    ]  # fmt: skip
    mean = mnist.train.images.double().mean() / 255
    assert float(mean) == pytest.approx(0.1307, abs=5e-5)


def test_a_data_dir_that_is_not_there_is_named_and_not_passed_over(tmp_path: Path) -> None:
    for dataset in ("mnist", "auto"):
        with pytest.raises(DataError, match=r"--data-dir .*nowhere: no such folder"):
            load(dataset, tmp_path / "nowhere")
