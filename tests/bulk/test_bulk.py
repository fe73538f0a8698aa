"""Bulk reading: its results file, whatever interrupts the job."""

import contextlib
import csv
import functools
import http.server
import json
import os
import pty
import signal
import subprocess
import sys
import termios
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
from PIL import Image

from clustered import Clustered, dask, working
from cnn_mnist import shelf
from cnn_mnist.bulk import Addresses, Results, Settings, job, run
from cnn_mnist.bulk.addresses import DriverError
from cnn_mnist.bulk.results import ResultsError
from cnn_mnist.inference import table
from cnn_mnist.inference.pictures.image import FIRST_FRAME
from cnn_mnist.inference.pictures.page import ImageError
from cnn_mnist.inference.reader import Reader
from cnn_mnist.workers import Workers, workers
from drawn import page
from gridded import grid
from paged import chain, encoded
from shell import Shell
from waiting import TIMEOUT, wait_until

Start = Callable[..., "subprocess.Popen[str]"]
SHOWN = {
    "path", "page", "num_pages", "text", "digits", "ok", "reason", "lines", "turned", "notice",
}  # fmt: skip


class Threads(ThreadPoolExecutor, Workers):
    """Workers in this process."""

    @property
    def num_workers(self) -> int:
        return self._max_workers


NO_PICTURE = "p/more/none.png: not a picture in a supported format"  # of the pictures below


def pictures(folder: Path, number: int) -> list[Path]:
    """That many pictures, two in three in a subfolder, and one file that is not a picture."""
    (folder / "more").mkdir(parents=True)
    paths = [folder / f"{'more/' if n % 3 else ''}{n:04}.png" for n in range(number)]
    for n, path in enumerate(paths):
        Image.fromarray(page(str(n % 100), 40, 4)).save(path)
    (folder / "more" / "none.png").write_bytes(b"no picture")
    return paths


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def read(out: Path, addresses: Any, **settings: Any) -> Results:
    here = Settings.here(False, None, 60)
    with Threads(1) as engine, Results(out, here.kept() | settings) as results:
        run(engine, addresses, here, results)
    return results


# --- what is read, and in which order ---


def test_folders_patterns_and_lists_are_one_stream_in_order(tmp_path: Path) -> None:
    paths = pictures(tmp_path / "a", 7)
    (tmp_path / "a" / "notes.txt").touch()
    (tmp_path / "list").write_text("one.png\n\nhttp://host/two.png\r\nthree\n")
    pattern = str(tmp_path / "a" / "**" / "*1.png")
    arguments = ["first", str(tmp_path / "a"), pattern, "s3://bucket/a.JPG"]
    addresses = Addresses(arguments, [tmp_path / "list"])
    below = sorted((tmp_path / "a").rglob("*.png"))
    assert len(below) == len(paths) + 1
    expected = ["first", *map(str, below), str(paths[1]), "s3://bucket/a.JPG"]
    expected += ["one.png", "http://host/two.png", "three"]
    assert list(addresses) == list(addresses) == expected
    assert addresses.notices() == []


def test_a_pattern_over_everything_takes_the_pictures_only(tmp_path: Path) -> None:
    paths = pictures(tmp_path / "a", 4)
    (tmp_path / "a" / "album.png").mkdir()
    for name in ("notes.txt", "more/facts.json"):
        (tmp_path / "a" / name).touch()
    addresses = Addresses([str(tmp_path / "a" / "**")], [])
    expected = sorted(map(str, [*paths, tmp_path / "a" / "more" / "none.png"]))
    assert list(addresses) == list(addresses) == expected
    (notice,) = addresses.notices()
    assert notice.startswith("files that match a pattern but do not end in .png, ")
    assert notice.endswith(": 2 skipped")


def test_hidden_files_of_a_folder_are_left_out(tmp_path: Path) -> None:
    paths = pictures(tmp_path / "a", 1)
    for name in ("._0000.png", ".thumbnails/0000.png"):
        (tmp_path / "a" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "a" / name).touch()
    visible = [str(paths[0]), str(tmp_path / "a" / "more" / "none.png")]
    assert list(Addresses([str(tmp_path / "a")], [])) == visible


def test_an_empty_folder_or_pattern_is_told(tmp_path: Path) -> None:
    for argument in (str(tmp_path), str(tmp_path / "*.png")):
        with pytest.raises(ImageError, match=r"no pictures found; supported formats: \.png, "):
            list(Addresses([argument], []))


def test_an_empty_folder_beside_others_does_not_end_the_job(shell: Shell, tmp_path: Path) -> None:
    (picture,) = pictures(tmp_path / "p", 1)
    (tmp_path / "empty").mkdir()
    outcome = shell("predict empty none*.png p/0000.png --out r.jsonl --workers 1")
    assert outcome.code == 1
    assert [line.partition(";")[0] for line in outcome.err.splitlines()] == [
        "empty: no pictures found",
        "none*.png: no pictures found",
    ]
    assert outcome.out.startswith("r.jsonl: 1 picture, none unreadable; ")
    assert [row["path"] for row in lines(tmp_path / "r.jsonl")] == [f"p/{picture.name}"]


def test_a_file_system_of_fsspec_is_read_like_a_folder(tmp_path: Path) -> None:
    memory = pytest.importorskip("fsspec").filesystem("memory")
    for path in pictures(tmp_path / "pictures", 4):
        memory.pipe(f"/bucket/{path.parent.name}/{path.name}", path.read_bytes())
    for name in ("readme.txt", "._0000.png", ".thumbnails/0000.png"):
        memory.pipe(f"/bucket/{name}", b"")
    read(tmp_path / "r.jsonl", Addresses(["memory://bucket", "memory://bucket/gone.png"], []))
    names = ["more/0001.png", "more/0002.png", "pictures/0000.png", "pictures/0003.png", "gone.png"]
    got = lines(tmp_path / "r.jsonl")
    assert [row["path"] for row in got] == [f"memory://bucket/{name}" for name in names] or [
        row["path"] for row in got
    ] == [*(f"memory:///bucket/{name}" for name in names[:-1]), f"memory://bucket/{names[-1]}"]
    assert [row["text"] for row in got] == ["1", "2", "0", "3", ""]
    assert got[-1]["reason"] == "no such file; check the address"
    with pytest.raises(ImageError, match="cannot be listed"):
        list(Addresses(["memory://nowhere"], []))


def test_a_file_system_that_is_not_installed_ends_the_job(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    registry = pytest.importorskip("fsspec.registry")
    absent = {"class": "no_such_module.FileSystem", "err": "Install absent to access it"}
    monkeypatch.setitem(registry.known_implementations, "absent", absent)
    for address in ("absent://a/b", "absent://a/b.png"):  # a folder is listed, a picture is read
        with pytest.raises(DriverError, match=rf"^{address} cannot be opened: Install absent to"):
            read(tmp_path / "r.jsonl", Addresses([address], []))
    assert list(tmp_path.iterdir()) == []  # nothing was read


# --- the file ---


def test_the_file_holds_what_the_reader_says(tmp_path: Path) -> None:
    paths = [*pictures(tmp_path / "p", 5), tmp_path / "p" / "more" / "none.png", tmp_path / "gone"]
    results = read(tmp_path / "deep" / "r.jsonl", map(str, paths))
    got, reader = lines(tmp_path / "deep" / "r.jsonl"), Reader()
    assert [row.pop("path") for row in got] == list(map(str, paths))
    read_here = [reading for path in paths[:5] for reading in reader.read_pages(path)]
    assert got[:5] == [reading.to_dict() for reading in read_here]
    assert [set(row) | {"path"} for row in got] == [SHOWN] * 7
    assert "not a picture" in got[5]["reason"]
    assert "no such file" in got[6]["reason"]
    assert (results.num_done, results.num_unreadable) == (7, 2)
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["r.jsonl"]


def test_every_page_has_its_line(tmp_path: Path) -> None:
    (tmp_path / "three.tif").write_bytes(encoded(("7", "3", "5"), "TIFF"))
    (tmp_path / "moving.gif").write_bytes(encoded(("8", "1"), "GIF"))
    (tmp_path / "half.tif").write_bytes(chain(2)[:62])
    names = ["three.tif", "moving.gif", "half.tif"]
    results = read(tmp_path / "r.jsonl", [str(tmp_path / name) for name in names])
    got = lines(tmp_path / "r.jsonl")
    assert [(Path(row["path"]).name, row["page"], row["num_pages"]) for row in got] == [
        ("three.tif", 1, 3),
        ("three.tif", 2, 3),
        ("three.tif", 3, 3),
        ("moving.gif", 1, 1),
        ("half.tif", 1, 2),
        ("half.tif", 2, None),
    ]
    assert [row["text"] for row in got] == ["7", "3", "5", "8", "", ""]
    assert [row["notice"] for row in got[2:4]] == [None, FIRST_FRAME]
    assert got[5]["reason"].startswith("page 2 of 2 and those after it were not read")
    assert (results.num_done, results.num_unreadable) == (3, 1)


def test_parquet_holds_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr("cnn_mnist.bulk.results.ROW_GROUP", 4)
    pictures(tmp_path / "p", 9)
    (tmp_path / "p" / "two.tif").write_bytes(encoded(("4", "2"), "TIFF"))
    (tmp_path / "p" / os.fsdecode(b"\xff.png")).write_bytes(b"")  # a name that is no text
    for name in ("r.jsonl", "r.parquet"):
        read(tmp_path / name, Addresses([str(tmp_path / "p")], []))
    file, expected = parquet.ParquetFile(tmp_path / "r.parquet"), lines(tmp_path / "r.jsonl")
    assert file.num_row_groups == 4
    got = file.read().to_pylist()
    for row, other in zip(got[:-1], expected[:-1], strict=True):
        for digit, as_text in zip(row["digits"], other["digits"], strict=True):
            assert digit["confidence"] == pytest.approx(as_text["confidence"])
            digit["confidence"] = as_text["confidence"]
        assert row == other
    assert got[-1]["path"].endswith("?.png")


def test_csv_has_a_row_a_line(tmp_path: Path) -> None:
    pictures(tmp_path / "p", 12)
    (tmp_path / "p" / "two.tif").write_bytes(encoded(("4", "2"), "TIFF"))
    read(tmp_path / "r.jsonl", Addresses([str(tmp_path / "p")], []))
    read(tmp_path / "r.csv", Addresses([str(tmp_path / "p")], []))
    expected = table.text(lines(tmp_path / "r.jsonl"), placed=True)
    assert (tmp_path / "r.csv").read_bytes() == expected.encode()
    got = list(csv.reader(expected.splitlines()))
    names = [(Path(row[0]).name, *row[1:]) for row in got]
    assert names[0] == ("path", "page", "line", "number_1")
    assert ("0010.png", "1", "1", "10") in names
    assert names[-2:] == [("two.tif", "1", "1", "4"), ("two.tif", "2", "1", "2")]
    assert ("none.png", "1", "", "") in names
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p", "r.csv", "r.jsonl"]


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_empty_cells_are_written(suffix: str, tmp_path: Path) -> None:
    row = {"path": "sheet.png", **grid(["12", "", "7"], ["", "", ""]).to_dict()}
    out = tmp_path / f"r{suffix}"
    with Results(out, {}) as results:
        results.append(json.dumps(row).encode() + b"\n", 1)
        results.finish()
    if suffix == ".csv":
        rows = list(csv.reader(out.read_text().splitlines()))
        assert [cells[3:] for cells in rows[1:]] == [["12", "", "7"], ["", "", ""]]
        return
    parquet = pytest.importorskip("pyarrow.parquet")
    (got,) = parquet.read_table(out).to_pylist()
    assert got["lines"] == row["lines"]


def test_pictures_are_taken_a_few_batches_ahead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "BATCH", 2)
    here = Settings.here(False, None, 60)
    ahead: list[int] = []
    with Threads(2) as engine, Results(tmp_path / "r.jsonl", {}) as results:

        def addresses() -> Iterator[str]:
            for taken in range(1, 201):
                ahead.append(taken - results.num_done)
                yield f"gone-{taken}"

        run(engine, addresses(), here, results)
    assert max(ahead) == job.BATCH * job.AHEAD * engine.num_workers
    assert results.num_done == 200


# --- going on ---


class StopError(Exception):
    pass


def stop_after(addresses: list[str], number: int) -> Iterator[str]:
    yield from addresses[:number]
    raise StopError


@pytest.fixture
def begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, list[str]]:
    """A job that ended after three batches of two, in the middle of a line."""
    monkeypatch.setattr(job, "BATCH", 2)
    monkeypatch.setattr(job, "AHEAD", 1)
    addresses = [*map(str, pictures(tmp_path / "p", 9)), str(tmp_path / "gone")]
    with pytest.raises(StopError):
        read(tmp_path / "r.jsonl", stop_after(addresses, 7))
    part = tmp_path / "r.jsonl.part" / "lines.jsonl"
    assert len(lines(part)) == 6
    with part.open("ab") as file:
        file.write(b'{"path": "half a li')
    return tmp_path / "r.jsonl", addresses


def test_a_stopped_job_goes_on_after_its_last_whole_line(begun: tuple[Path, list[str]]) -> None:
    out, addresses = begun
    here = Settings.here(False, None, 60)
    told: list[int] = []
    with Threads(1) as engine, Results(out, here.kept()) as results:
        before = run(engine, addresses, here, results, told.append)
    assert (before, told) == (6, [6, 8, 10])
    assert (results.num_done, results.num_unreadable) == (10, 1)
    read(out.with_name("whole.jsonl"), addresses)
    assert out.read_bytes() == out.with_name("whole.jsonl").read_bytes()
    assert not out.with_name("r.jsonl.part").exists()


def test_what_does_not_fit_is_refused_and_left_alone(begun: tuple[Path, list[str]]) -> None:
    out, addresses = begun
    with pytest.raises(
        ResultsError, match=r"started with a different --single; choose another --out"
    ):
        read(out, addresses, **{"--single": True})
    with pytest.raises(
        ResultsError, match=r"picture 2 was .*0001.png .* but is now other; give the"
    ):
        read(out, [addresses[0], "other"])
    with pytest.raises(ResultsError, match=r"picture 3 was .* is now missing; give"):
        read(out, addresses[:2])
    read(out, addresses)
    with pytest.raises(ResultsError, match=r"r.jsonl exists already; choose another --out"):
        read(out, addresses)
    with pytest.raises(
        ResultsError, match=r"r.txt: the name must end in one of .jsonl, .parquet, .csv"
    ):
        read(out.with_name("r.txt"), addresses)


def test_a_job_without_results_leaves_nothing(tmp_path: Path) -> None:
    """The corrected command would be refused, since it has other settings."""
    with pytest.raises(ImageError, match="no pictures found"):
        read(tmp_path / "r.jsonl", Addresses([str(tmp_path)], []))
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_opened_is_told_with_its_option(tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.touch()
    with pytest.raises(ImageError, match=r"none\.txt cannot be read: No such .*; check --files-"):
        list(Addresses([], [tmp_path / "none.txt"]))
    with pytest.raises(ResultsError, match=r"the results cannot be written to .*; choose another"):
        read(taken / "r.jsonl", Addresses([], []))


def test_a_missing_library_ends_the_job_which_can_be_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "BATCH", 1)
    (picture,) = pictures(tmp_path / "p", 1)
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "fsspec", None)
        with pytest.raises(ModuleNotFoundError, match="fsspec"):
            read(tmp_path / "r.jsonl", [str(picture), "memory://bucket/a.png"])
    assert len(lines(tmp_path / "r.jsonl.part" / "lines.jsonl")) == 1


def test_damaged_settings_are_told(begun: tuple[Path, list[str]]) -> None:
    out, addresses = begun
    out.with_name("r.jsonl.part").joinpath("settings.json").write_text("")
    with pytest.raises(ResultsError, match=r"settings.json is damaged; remove .*r.jsonl.part to"):
        read(out, addresses)


def test_two_jobs_do_not_write_one_file(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    with Results(path, {}), pytest.raises(ResultsError, match="another job is writing"):
        Results(path, {})


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], list[str]]:
    """Three files of several pages, and the lines of their results."""
    folder = tmp_path_factory.mktemp("pages")
    (folder / "a.tif").write_bytes(encoded(("4", "2"), "TIFF"))
    (folder / "b.tif").write_bytes(encoded(("7", "3", "5"), "TIFF"))
    addresses = [str(folder / name) for name in ("a.tif", "b.tif", "b.tif")]
    read(folder / "whole.jsonl", addresses)
    return addresses, (folder / "whole.jsonl").read_text().splitlines(keepends=True)


@pytest.mark.parametrize("torn", ["", '{"path": "half a li'])
@pytest.mark.parametrize("cut", range(8))
def test_a_file_whose_last_pages_are_missing_is_read_again(
    cut: int, torn: str, pages: tuple[list[str], list[str]], tmp_path: Path
) -> None:
    """Power loss may leave the first lines of a batch."""
    addresses, whole = pages
    out, here = tmp_path / "r.jsonl", Settings.here(False, None, 60)
    with Results(out, here.kept()):
        (tmp_path / "r.jsonl.part" / "lines.jsonl").write_text("".join(whole[:cut]) + torn)
    with Threads(1) as engine, Results(out, here.kept()) as results:
        assert run(engine, addresses, here, results) == sum(cut >= end for end in (2, 5))
    assert results.num_done == 3
    assert out.read_text() == "".join(whole)


# --- the command ---


def test_the_command_reads_what_predict_prints(
    cnn_mnist: Start, shell: Shell, tmp_path: Path
) -> None:
    pictures(tmp_path / "p", 120)
    bulk = cnn_mnist("predict", "p", "--out", "r.jsonl", "--workers", 2, "--json")
    out, err = bulk.communicate(timeout=TIMEOUT)
    figures = json.loads(out)
    assert (bulk.returncode, err.partition(";")[0]) == (1, NO_PICTURE)
    assert figures.pop("seconds") > 0
    counts = {"num_images": 121, "num_read": 121, "num_unreadable": 1}
    assert figures == {"out": "r.jsonl", **counts}
    assert (tmp_path / "r.jsonl").read_text() == shell("predict p --json").out


@pytest.mark.parametrize(
    ("out", "complete"), [("r.csv", "a .jsonl or .parquet file"), ("r.jsonl", "r.jsonl")]
)
def test_the_first_unreadable_pictures_are_named(
    out: str, complete: str, shell: Shell, tmp_path: Path
) -> None:
    names = ['a "num_pages": null.png', *(f"{n:02}.png" for n in range(12))]
    Image.fromarray(page("7", 40, 4)).save(tmp_path / names[0])  # one that can be read
    outcome = shell("predict", *names, "--out", out, "--workers", "1")
    assert outcome.err.splitlines() == [
        *(f"{name}: no such file; check the path" for name in names[1:11]),
        f"and 2 more unreadable; {complete} has all reasons",
    ]
    assert outcome.out.startswith(f"{out}: 13 pictures, 12 unreadable; ")


def test_a_terminal_sees_rate_and_time_left(environment: dict[str, str], tmp_path: Path) -> None:
    pictures(tmp_path / "p", 110)
    command = [sys.executable, "-m", "cnn_mnist", "predict", "p", "--out", "r.jsonl"]
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 100))
    with subprocess.Popen(
        [*command, "--workers", "1"], cwd=tmp_path, env=environment | {"TQDM_MININTERVAL": "0"},
        stderr=theirs, stdout=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # Linux's way to say that the other end is closed
            while piece := os.read(ours, 65536):
                shown += piece
        os.close(ours)
    assert process.returncode == 1
    bars = shown.decode().split("\r")
    assert any("/111 [" in bar and "<" in bar and " pictures/s" in bar for bar in bars), bars


class Site(http.server.ThreadingHTTPServer):
    """Pictures over HTTP. It counts what it is asked for, does not answer to what it holds back,
    and kills whoever asks for a `crash`, as a picture does that its decoder dies of."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), functools.partial(_Pages, directory=str(folder)))
        self.asked: Counter[str] = Counter()
        self.held_back = {"stall.png"}
        self.closing = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Pages(http.server.SimpleHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        name = self.path.strip("/")
        self.server.asked[name] += 1
        if name in self.server.held_back:
            self.server.closing.wait()
        elif name == "crash.png":
            for connection in psutil.net_connections("tcp"):
                if connection.laddr == self.client_address and connection.pid:
                    os.kill(connection.pid, signal.SIGKILL)
        else:
            super().do_GET()

    def do_HEAD(self) -> None:
        self.send_error(405)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    pytest.importorskip("aiohttp")
    (tmp_path / "site").mkdir()
    with Site(tmp_path / "site") as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        yield served
        served.closing.set()
        served.shutdown()


@pytest.mark.slow
def test_pictures_that_crash_or_stall_a_worker_are_told_and_the_rest_is_read(
    site: Site, cnn_mnist: Start, tmp_path: Path
) -> None:
    for n in range(6):
        Image.fromarray(page(str(n), 40, 4)).save(tmp_path / "site" / f"{n}.png")
    for name in ("crash.png", "stall.png"):
        (tmp_path / "site" / name).touch()
    options = ("--out", "r.jsonl", "--workers", 2, "--timeout", 10)
    bulk = cnn_mnist("predict", f"{site.url}/", *options)
    out, err = bulk.communicate(timeout=TIMEOUT)
    assert "8 pictures, 2 unreadable" in out
    got = lines(tmp_path / "r.jsonl")
    assert bulk.returncode == 1
    assert err.splitlines() == [f"{row['path']}: {row['reason']}" for row in got[-2:]]
    assert [row["text"] for row in got] == ["0", "1", "2", "3", "4", "5", "", ""]
    for row, name in zip(got[-2:], ("crash", "stall"), strict=True):
        reason = "3 workers died reading it, or it takes over 10 seconds"
        assert row["path"] == f"{site.url}/{name}.png"
        assert (row["digits"], row["ok"]) == ([], False)
        assert row["reason"] == reason
    assert site.asked["stall.png"] == 3
    assert site.asked["crash.png"] == 3 + 2  # twice with its batch


@pytest.mark.slow
def test_a_job_killed_like_power_loss_goes_on_without_reading_twice(
    site: Site, cnn_mnist: Start, tmp_path: Path
) -> None:
    paths = pictures(tmp_path / "site" / "p", 600)
    (tmp_path / "list").write_text("".join(f"{site.url}/p/{path.name}\n" for path in paths))
    for path in (tmp_path / "site" / "p" / "more").glob("[01]*.png"):
        path.rename(tmp_path / "site" / "p" / path.name)
    arguments = ("predict", "--files-from", "list", "--out", "r.jsonl", "--workers", 1)
    site.held_back.add(f"p/{paths[350].name}")
    first = cnn_mnist(*arguments)
    part, done = tmp_path / "r.jsonl.part" / "lines.jsonl", 300
    wait_until(lambda: part.exists() and part.read_bytes().count(b"\n") == done)
    children = psutil.Process(first.pid).children()
    first.kill()
    first.communicate()
    assert psutil.wait_procs(children, timeout=TIMEOUT)[1] == []
    asked = site.asked.copy()
    site.held_back.clear()
    again = cnn_mnist(*arguments)
    out, err = again.communicate(timeout=TIMEOUT)
    assert (again.returncode, err) == (0, "")
    assert f"600 pictures, none unreadable; {600 - done} read now" in out
    got = lines(tmp_path / "r.jsonl")
    assert [row["path"].rpartition("/")[2] for row in got] == [path.name for path in paths]
    twice = {name for name in asked if site.asked[name] > asked[name]}
    assert not twice & {f"p/{path.name}" for path in paths[:done]}
    assert len(twice) <= job.BATCH * job.AHEAD  # what was on the way


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["pool", "cluster"])
def test_a_worker_killed_ten_times_leaves_no_trace_in_the_file(
    engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "BATCH", 25)
    pictures(tmp_path / "p", 3000)
    addresses, here = Addresses([str(tmp_path / "p")], []), Settings.here(False, None, 60)
    read(tmp_path / "quiet.jsonl", addresses)
    killed: list[int] = []

    with contextlib.ExitStack() as stack:
        cluster = stack.enter_context(dask(tmp_path)) if engine == "cluster" else None
        pool = stack.enter_context(workers(2, cluster.address if cluster else None))
        results = stack.enter_context(Results(tmp_path / "r.jsonl", here.kept()))

        def kill(done: int) -> None:
            if done >= 3000 * (len(killed) + 1) / 11 and len(killed) < 10:
                for worker in working(cluster)[:1]:
                    worker.kill()
                    killed.append(worker.pid)

        run(pool, addresses, here, results, kill)
    assert len(killed) == 10
    assert (tmp_path / "r.jsonl").read_bytes() == (tmp_path / "quiet.jsonl").read_bytes()


@pytest.mark.slow
def test_a_scheduler_that_goes_ends_the_job_with_one_line(cnn_mnist: Start, tmp_path: Path) -> None:
    late = pictures(tmp_path / "p", 900)[-1]
    picture = late.read_bytes()
    late.unlink()
    os.mkfifo(late)  # whoever reads it waits
    with dask(tmp_path) as cluster:
        bulk = cnn_mnist("predict", "p", "--out", "r.jsonl", "--scheduler", cluster.address)
        part = tmp_path / "r.jsonl.part" / "lines.jsonl"
        wait_until(lambda: part.exists() and part.stat().st_size > 0)
        cluster.scheduler.kill()
        out, err = bulk.communicate(timeout=TIMEOUT)
    assert (bulk.returncode, out) == (1, "")
    told = [line for line in err.splitlines() if line.startswith("cnn-mnist: ")]
    assert len(told) == 1
    assert told[0].startswith(f"cnn-mnist: the scheduler at {cluster.address} is gone; once it is")
    assert "Traceback" not in err
    late.unlink()
    late.write_bytes(picture)
    bulk = cnn_mnist("predict", "p", "--out", "r.jsonl", "--workers", 1)
    assert bulk.communicate(timeout=TIMEOUT)[0].startswith("r.jsonl: 901 pictures")


def test_the_command_reads_by_a_cluster(
    cluster: Clustered, cnn_mnist: Start, tmp_path: Path
) -> None:
    pictures(tmp_path / "p", 20)
    bulk = cnn_mnist("predict", "p", "--out", "r.parquet", "--scheduler", cluster.address)
    out, err = bulk.communicate(timeout=TIMEOUT)
    assert (bulk.returncode, err.partition(";")[0]) == (1, NO_PICTURE)
    assert out.startswith("r.parquet: 21 pictures, 1 unreadable; ")


def test_a_model_of_the_shelf_travels_by_its_name(tmp_path: Path) -> None:
    assert Settings.here(False, None, 60) == Settings.here(False, "reader", 60)
    assert Settings.here(False, "reader", 60).model == "reader"
    copy = tmp_path / "own.onnx"
    copy.write_bytes(shelf.file("reader", shelf.ONNX).read_bytes())
    own = Settings.here(False, str(copy), 60)
    assert own.model == str(copy)
    assert own.kept() == Settings.here(False, "reader", 60).kept()
