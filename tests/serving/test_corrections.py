"""Confirmations and corrections are stored as pairs of files, and nothing else is."""

import base64
import errno
import hashlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import httpx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from cnn_mnist import shelf
from cnn_mnist.inference.pictures.labels import NONE
from cnn_mnist.inference.reader import Reader
from cnn_mnist.serving import collection
from cnn_mnist.serving.collection import Collection, FullError, Pair
from cnn_mnist.serving.corrections import pairs, parse
from cnn_mnist.serving.refusal import Refusal
from cnn_mnist.serving.settings import Limits
from drawn import page
from served import SOURCE, Served, get, post, serve
from shell import Shell
from waiting import TIMEOUT, wait_until

ABOUT = {
    "label", "box", "answered", "confidence", "picture_sha256", "turned", "model", "time",
}  # fmt: skip


def png(pixels: np.ndarray) -> bytes:
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    return content.getvalue()


FORTY_TWO = png(page("42"))
BOX = (60, 40, 200, 130)


def body(content: bytes, *corrections: Mapping[str, object]) -> dict[str, object]:
    return {"image": base64.b64encode(content).decode(), "corrections": list(corrections)}


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def labels(folder: Path) -> list[str]:
    return sorted(path.name.partition("_")[0] for path in folder.glob("*.png"))


# --- which pairs ---


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader(threads=1)


def made(reader: Reader, content: bytes, *corrections: Mapping[str, object]) -> list[Pair]:
    return pairs(reader, "model", parse(json.dumps(body(content, *corrections)).encode(), Limits()))


def test_each_digit_of_a_number_has_a_pair_where_the_digits_correspond(reader: Reader) -> None:
    found = made(reader, FORTY_TWO, {"label": "47"})
    read = reader.read(FORTY_TWO).digits
    assert [(p.label, p.about["answered"], tuple(p.about["box"])) for p in found] == [
        ("4", "4", read[0].box),
        ("7", "2", read[1].box),
    ]
    assert [p.about["confidence"] for p in found] == [round(d.confidence, 4) for d in read]
    assert [reader.read(p.png, single=True).text for p in found] == ["4", "2"]


def test_else_the_whole_box_has_one(reader: Reader) -> None:
    (found,) = made(reader, FORTY_TWO, {"label": "412"})
    assert (found.label, found.kind, found.about["answered"]) == ("412", "number", "42")
    assert found.about["box"] == [0, 0, *Image.open(io.BytesIO(FORTY_TWO)).size]
    assert reader.read(found.png).text == "42"


@pytest.mark.parametrize(
    ("label", "kind", "answered"), [("7", "7", "2"), (NONE, NONE, "2"), ("2", "2", "2")]
)
def test_a_box_names_one_digit(reader: Reader, label: str, kind: str, answered: str) -> None:
    box = list(reader.read(FORTY_TWO).digits[1].box)
    (found,) = made(reader, FORTY_TWO, {"label": label, "box": box})
    assert (found.label, found.kind, found.about["answered"]) == (label, kind, answered)
    assert found.about["box"] == box


def test_a_sign_that_was_refused_is_given_its_label(reader: Reader) -> None:
    points = np.random.default_rng(3).uniform(60, 240, 80)
    sheet = Image.new("RGB", (300, 300), "white")
    ImageDraw.Draw(sheet).line(points.tolist(), fill=0, width=12)
    scribble = png(np.asarray(sheet))
    assert not reader.read(scribble).ok
    (found,) = made(reader, scribble, {"label": "8"})
    assert (found.kind, found.about["answered"]) == ("8", NONE)


def test_where_nothing_was_read_all_of_the_picture_is_it(reader: Reader) -> None:
    blank = png(np.full((80, 60), 255, np.uint8))
    (found,) = made(reader, blank, {"label": NONE})
    assert (found.about["answered"], found.about["confidence"]) == ("", None)
    assert found.about["box"] == [0, 0, 60, 80]


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_digit_of_a_turned_page_is_stored_upright(reader: Reader, quarters: int) -> None:
    numbers = np.concatenate([page(text, height=60, pen=6) for text in ("5273", "7425", "2457")])
    turned = np.ascontiguousarray(np.rot90(numbers, quarters))
    reading = reader.read(turned)
    assert reading.turned == 90 * quarters
    box = list(reading.digits[1].box)
    (found,) = made(reader, png(turned), {"label": "2", "box": box})
    assert found.about["turned"] == 90 * quarters
    assert reader.read(found.png, single=True).text == "2"


# --- the folder ---


def pair(label: str = "7", size: int = 100) -> Pair:
    return Pair(label, os.urandom(size), {"answered": "1"})


@given(st.lists(st.lists(st.sampled_from(["7", "0", NONE, "42", "1,250"]), max_size=4), max_size=6))
def test_every_pair_is_there_whole_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, requests: list[list[str]]
) -> None:
    folder = tmp_path_factory.mktemp("collection")
    kept: dict[str, Pair] = {}
    for wanted in requests:
        added = [pair(label) for label in wanted]
        kept |= dict(zip(Collection(folder, 2**20).add(added), added, strict=True))
    assert len(kept) == sum(map(len, requests))
    expected = sorted([*kept, *(name.replace(".png", ".json") for name in kept)])
    assert files(folder) == expected
    for name, one in kept.items():
        assert name.startswith(f"{one.kind}_")
        assert (folder / name).read_bytes() == one.png
        told = json.loads((folder / name.replace(".png", ".json")).read_text())
        assert told == {"label": one.label, "answered": "1"}


def test_a_name_that_is_taken_is_not_taken_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_out = iter(["same", "same", "other", "same", "third"])
    monkeypatch.setattr(collection, "secrets", SimpleNamespace(token_hex=lambda _: next(given_out)))
    monkeypatch.setattr(collection, "time", SimpleNamespace(gmtime=int, strftime=lambda *_: "now"))
    store = Collection(tmp_path, 2**20)
    (first,) = store.add([pair()])
    before = (tmp_path / first).read_bytes()
    (second,) = store.add([pair()])
    (tmp_path / first).unlink()  # its JSON still holds the name
    (third,) = store.add([pair()])
    assert (first, second, third) == ("7_now-same.png", "7_now-other.png", "7_now-third.png")
    assert (tmp_path / second).read_bytes() != before


def test_the_limit_holds_for_a_request_as_a_whole(tmp_path: Path) -> None:
    store = Collection(tmp_path, 2**20)
    (tmp_path / "of somebody else").write_bytes(bytes(2**19))
    store.add([pair(size=2**18)])
    before = files(tmp_path)
    with pytest.raises(FullError, match="is full \\(1 MiB\\); move some files away"):
        store.add([pair(size=10), pair(size=2**18)])
    assert files(tmp_path) == before
    store.add([pair(size=10)])


@pytest.mark.parametrize("after", [0, 1, 2, 3])
def test_a_full_disk_leaves_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    calls: list[int] = []

    def fsync(handle: int) -> None:
        if len(calls) == after:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        calls.append(handle)

    store = Collection(tmp_path, 2**20)
    store.add([pair()])
    before = files(tmp_path)
    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match="No space left"):
        store.add([pair(), pair("3")])
    assert files(tmp_path) == before


MANY = """
import os, sys
from pathlib import Path
from cnn_mnist.serving.collection import Collection, FullError, Pair
store = Collection(Path(sys.argv[1]), 2**20)
try:
    for _ in range(200):
        store.add([Pair("7", os.urandom(9000), {}), Pair("3", os.urandom(9000), {})])
except FullError:
    print("full")
"""


def test_two_processes_fill_one_folder_to_its_limit(tmp_path: Path) -> None:
    two = [
        subprocess.Popen(
            [sys.executable, "-c", MANY, str(tmp_path)],
            env=os.environ | {"PYTHONPATH": str(SOURCE)},
            text=True,
            stdout=subprocess.PIPE,
        )
        for _ in range(2)
    ]
    assert [process.communicate(timeout=TIMEOUT)[0] for process in two] == ["full\n"] * 2
    size = sum(path.stat().st_size for path in tmp_path.iterdir())
    assert 2**20 - 2 * 9100 < size <= 2**20
    assert [p.stat().st_size for p in tmp_path.glob("*.png")] == [9000] * (size // 9000)
    assert len(list(tmp_path.glob("*.json"))) == len(list(tmp_path.glob("*.png")))


# --- what is refused ---

IMAGE = base64.b64encode(FORTY_TWO).decode()
ONE = {"label": "7"}


@pytest.mark.parametrize(
    ("value", "status", "reason"),
    [
        (b"{", 400, "not valid JSON"),
        (b"[" * 100_000, 400, "not valid JSON"),
        (b"7" * 5000, 400, "not valid JSON"),
        ([], 422, "give"),
        ({"image": IMAGE}, 422, "give"),
        ({"image": IMAGE, "corrections": []}, 422, "give"),
        ({"image": 3, "corrections": [ONE]}, 422, "give"),
        ({"image": IMAGE, "corrections": [3]}, 422, "give"),
        ({"image": IMAGE, "corrections": [{"label": 7}]}, 422, "give"),
        ({"image": IMAGE, "corrections": [ONE | {"box": [1, 2, 3]}]}, 422, "give"),
        ({"image": IMAGE, "corrections": [ONE | {"box": [1, 2, 3, 4.5]}]}, 422, "give"),
        ({"image": IMAGE, "corrections": [ONE | {"box": None}]}, 422, "give"),
        ({"image": IMAGE, "corrections": [ONE] * 65}, 422, "64"),
        ({"image": "***", "corrections": [ONE]}, 422, "base64"),
        *(
            ({"image": IMAGE, "corrections": [{"label": label}]}, 422, "a label is")
            for label in (
                "",
                "x",
                "..\\7",
                "7\n",
                "7 7",
                "-",
                "\u0667",
                "None",
                "7" * 41,
                "7\x00",
            )
        ),
    ],
)
def test_what_is_malformed_is_refused(value: object, status: int, reason: str) -> None:
    content = value if isinstance(value, bytes) else json.dumps(value).encode()
    with pytest.raises(Refusal, match=reason) as refused:
        parse(content, Limits())
    assert refused.value.status == status


def test_a_label_never_names_a_path(tmp_path: Path) -> None:
    (name,) = Collection(tmp_path, 2**20).add([pair("12/03/2024")])
    assert name.startswith("number_")
    assert "/" not in name


@pytest.mark.parametrize(
    "box", [[0, 0, 0, 5], [-1, 0, 5, 5], [0, 0, 9999, 5], [9**400, 0, 1, 1], [0, 0, True, False]]
)
def test_a_box_that_is_not_in_the_picture_is_refused(reader: Reader, box: list[int]) -> None:
    with pytest.raises(Refusal, match="outside the picture"):
        made(reader, FORTY_TWO, {"label": "7", "box": box})


# --- the server ---


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("collected") / "new"


@pytest.fixture(scope="module")
def collecting(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Iterator[Served]:
    options = ("--collect", folder, "--max-collect", 1)
    with serve(tmp_path_factory.mktemp("server"), *options, CNN_MNIST_TOKEN="secret") as served:
        yield served


def correct(served: Served, value: object, **headers: str) -> httpx.Response:
    wanted = {"authorization": "Bearer secret"} | headers
    return post(f"{served.url}v1/corrections", json=value, headers=wanted)


def test_a_correction_is_stored_with_all_that_is_known(collecting: Served, folder: Path) -> None:
    before = set(files(folder))
    answer = correct(collecting, body(FORTY_TWO, {"label": "47"}))
    assert answer.status_code == 201
    four, seven = answer.json()["stored"]
    assert set(files(folder)) - before == {
        name for png in (four, seven) for name in (png, png.replace(".png", ".json"))
    }
    about = json.loads((folder / seven.replace(".png", ".json")).read_text())
    assert set(about) == ABOUT
    assert (about["label"], about["answered"]) == ("7", "2")
    assert about["picture_sha256"] == hashlib.sha256(FORTY_TWO).hexdigest()
    assert (
        about["model"] == hashlib.sha256(shelf.file("reader", shelf.ONNX).read_bytes()).hexdigest()
    )
    assert Reader().read(folder / seven, single=True).text == "2"
    told = f'corrections_total{{label="{7}"}}'
    wait_until(lambda: told in get(f"{collecting.url}metrics").text)
    line = next(x for x in get(f"{collecting.url}metrics").text.splitlines() if told in x)
    assert float(line.split()[-1]) == labels(folder).count("7")


def test_nothing_is_stored_that_nobody_confirmed(collecting: Served, folder: Path) -> None:
    before = files(folder)
    token = {"authorization": "Bearer secret"}
    for _ in range(3):
        answer = post(f"{collecting.url}v1/predict", content=FORTY_TWO, headers=token)
        assert answer.json()["text"] == "42"
    assert correct(collecting, body(FORTY_TWO)).status_code == 422
    assert correct(collecting, body(FORTY_TWO, ONE, {"label": "x"})).status_code == 422
    wrong = {"label": "7", "box": [0, 0, 9999, 1]}
    assert correct(collecting, body(FORTY_TWO, ONE, wrong)).status_code == 422
    assert correct(collecting, body(b"text", ONE)).status_code == 415
    assert correct(collecting, body(FORTY_TWO[:300], ONE)).status_code == 422
    assert correct(collecting, body(FORTY_TWO, ONE), authorization="Bearer no").status_code == 401
    assert files(folder) == before


def test_a_full_folder_is_told(collecting: Served, folder: Path) -> None:
    filler = folder / "filler"
    filler.write_bytes(bytes(2**20))
    before = files(folder)
    answer = correct(collecting, body(FORTY_TWO, {"label": "42"}))
    filler.unlink()
    assert answer.status_code == 507
    assert "is full (1 MiB)" in answer.json()["error"]
    assert files(folder) == sorted({*before} - {"filler"})
    assert correct(collecting, body(FORTY_TWO, {"label": "42"})).status_code == 201


def test_the_log_and_the_page_say_so(collecting: Served, server: Served, folder: Path) -> None:
    assert f'"event": "corrections are stored in {folder}"' in collecting.log.read_text()
    assert 'class="collecting"' in get(collecting.url).text
    assert "corrections" not in server.log.read_text()
    assert 'class="collecting"' not in get(server.url).text


def test_without_a_folder_corrections_are_refused(server: Served) -> None:
    refused = post(f"{server.url}v1/corrections", json=body(FORTY_TWO, ONE))
    assert refused.status_code == 404
    assert refused.json()["error"].startswith("corrections are not collected; start the server")
    assert "/v1/corrections" not in get(f"{server.url}openapi.json").json()["paths"]


def test_the_schema_has_an_example_of_every_answer(collecting: Served) -> None:
    schema = get(f"{collecting.url}openapi.json").json()
    operation = schema["paths"]["/v1/corrections"]["post"]
    statuses = {"201", "400", "401", "408", "413", "415", "422", "503", "507"}
    assert set(operation["responses"]) == statuses
    assert all(
        "example" in response["content"]["application/json"]
        for response in operation["responses"].values()
    )


def test_servers_share_a_folder(collecting: Served, folder: Path, tmp_path: Path) -> None:
    wanted, before = body(FORTY_TWO, {"label": "47"}), set(files(folder))
    with (
        serve(tmp_path, "--collect", folder, "--workers", 2) as other,
        ThreadPoolExecutor(8) as pool,
    ):
        servers = (collecting, other)
        answers = list(pool.map(lambda n: correct(servers[n % 2], wanted), range(24)))
    names = [name for answer in answers for name in answer.json()["stored"]]
    assert sorted(name.partition("_")[0] for name in names) == ["4"] * 24 + ["7"] * 24
    assert set(files(folder)) - before == {
        name for png in names for name in (png, png.replace(".png", ".json"))
    }
    assert len(set(names)) == 48


def test_a_folder_that_cannot_be_is_one_line(shell: Shell) -> None:
    Path("file").touch()
    outcome = shell("serve --port 0 --collect file")
    assert outcome.code == 1
    assert outcome.err.count("\n") == 1
    assert "cannot store corrections in file" in outcome.err
