"""cnn-mnist label: the page, its keys, and the list that it writes."""

import contextlib
import csv
import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import playwright.sync_api as playwright
import pytest
from PIL import Image

from cnn_mnist.serving.labels import Labels, Place
from drawn import page
from served import SOURCE, get, post
from shell import Shell
from waiting import TIMEOUT, wait_until
from watched import Watched

SEVEN, BOXED = Place("7.png", None), Place("sheet.png", (10, 20, 30, 40))


class Labelling(NamedTuple):
    url: str
    token: str
    process: "subprocess.Popen[str]"
    folder: Path

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token}"}

    def signs(self) -> list[dict[str, Any]]:
        return list(get(f"{self.url}v1/signs", headers=self.headers).json()["signs"])

    def put(self, sign: object, label: object) -> Any:
        body = {"sign": sign, "label": label}
        return post(f"{self.url}v1/labels", json=body, headers=self.headers)

    def end(self) -> str:
        """Interrupt the program. Returns what it said."""
        self.process.send_signal(signal.SIGINT)
        return self.process.communicate(timeout=TIMEOUT)[1]

    def rows(self) -> list[dict[str, str]]:
        path = self.folder / "labels.csv"
        return list(csv.DictReader(path.read_text().splitlines())) if path.exists() else []


@contextlib.contextmanager
def labelling(folder: Path, *options: object, **environment: str) -> Iterator[Labelling]:
    options = options or ("--no-browser",)
    process = subprocess.Popen(
        [sys.executable, "-m", "cnn_mnist", "label", *map(str, (folder, *options))],
        env=os.environ | {"PYTHONPATH": str(SOURCE)} | environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        line = process.stdout.readline()
        assert " to label on http://127.0.0.1:" in line, process.stderr.read()
        url, _, token = line.split(" on ")[1].split()[0].partition("#")
        yield Labelling(url, token, process, folder)
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=TIMEOUT)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return pictures_in(tmp_path)


def pictures_in(folder: Path) -> Path:
    """Five signs: a sheet of three, a digit below, and a picture without any; one is damaged."""
    pictures = folder / "pictures"
    (pictures / "below").mkdir(parents=True)
    Image.fromarray(page("425")).save(pictures / "sheet.png")
    Image.fromarray(page("7")).save(pictures / "below" / "7.png")
    Image.new("RGB", (90, 90), "white").save(pictures / "blank.png")
    (pictures / "broken.png").write_text("no picture")
    return pictures


# --- the list ---


def test_labels_are_set_changed_and_taken_away(tmp_path: Path) -> None:
    labels = Labels(tmp_path)
    assert not (tmp_path / "labels.csv").exists()
    assert labels.set(SEVEN, "7") == 1
    assert labels.set(BOXED, "none") == 2
    assert labels.set(SEVEN, "1") == 2
    assert (tmp_path / "labels.csv").read_bytes() == (
        b"path,label,x,y,width,height\r\nsheet.png,none,10,20,30,40\r\n7.png,1,,,,\r\n"
    )
    assert labels.set(BOXED, None) == 1
    assert labels.missing([SEVEN, BOXED]) == [1]
    assert [path.name for path in tmp_path.iterdir()] == ["labels.csv"]


def test_a_label_covers_what_is_in_its_box(tmp_path: Path) -> None:
    labels = Labels(tmp_path)
    labels.set(BOXED, "4")
    box, beside = (12, 22, 30, 40), (60, 20, 30, 40)
    places = [Place("sheet.png", box), Place("sheet.png", beside), Place("other.png", box)]
    assert labels.missing(places) == [1, 2]
    labels.set(Place("other.png", None), "none")
    assert labels.missing(places) == [1]


def test_the_list_of_somebody_else_keeps_its_rows_and_columns(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text('writer,path,label\nme,"a,b.png",3\n')
    Labels(tmp_path).set(BOXED, "7")
    assert (tmp_path / "labels.csv").read_text().splitlines() == [
        "writer,path,label,x,y,width,height",
        'me,"a,b.png",3,,,,',
        ",sheet.png,7,10,20,30,40",
    ]


def test_a_path_that_is_no_text_is_kept(tmp_path: Path) -> None:
    odd = Place(os.fsdecode(b"\xff.png"), None)
    Labels(tmp_path).set(odd, "7")
    assert Labels(tmp_path).missing([odd]) == []
    assert b"\xff.png,7" in (tmp_path / "labels.csv").read_bytes()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a,b\n1,2\n",
        "path,label,x,y,width,height\na.png,7,1,2,3,\n",
        "path,label,x,y,width,height\na.png,7,1,2,inf,4\n",
        "path,label,x,y,width,height\na.png,7,-500,2,100,4\n",
        "path,label,x\na,7,b\n",
        "path,label\na,b.png,7\n",
    ],
)
def test_what_is_no_list_is_told_and_kept(tmp_path: Path, text: str) -> None:
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(ValueError, match=r"labels.csv .*move it away"):
        Labels(tmp_path)
    assert (tmp_path / "labels.csv").read_text() == text


def test_a_full_disk_leaves_the_list_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    labels = Labels(tmp_path)
    labels.set(SEVEN, "7")
    before = (tmp_path / "labels.csv").read_bytes()
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        labels.set(BOXED, "4")
    assert (tmp_path / "labels.csv").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_many_write_one_list(tmp_path: Path) -> None:
    places = [Place(f"{number}.png", None) for number in range(60)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda one: Labels(tmp_path).set(one, "7"), places))
    assert len(Labels(tmp_path)) == 60


# --- the command ---


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Labelling]:
    with labelling(pictures_in(tmp_path_factory.mktemp("label"))) as started:
        yield started


@pytest.fixture
def desk(started: Labelling) -> Iterator[Labelling]:
    """One program for all tests that do not end it; each begins without labels."""
    yield started
    for number in range(5):
        started.put(number, None)


def test_the_least_sure_come_first_and_each_label_is_on_the_disk(
    folder: Path, shell: Shell
) -> None:
    with labelling(folder) as desk:
        signs = desk.signs()
        assert [sign["path"] for sign in signs[:1]] == ["blank.png"]
        assert sorted(sign["answered"] for sign in signs) == ["", "2", "4", "5", "7"]
        assert [s["confidence"] for s in signs] == sorted(s["confidence"] for s in signs)
        four = next(sign["number"] for sign in signs if sign["answered"] == "4")
        assert desk.put(four, "9").json() == {"labelled": 1}
        (row,) = desk.rows()
        assert (row["path"], row["label"]) == ("sheet.png", "9")
        assert int(row["width"]) > 20
        assert desk.put(0, "none").json() == {"labelled": 2}
        assert desk.rows()[1]["width"] == ""
        assert four not in {sign["number"] for sign in desk.signs()}
        assert desk.put(four, None).json() == {"labelled": 1}
        picture = get(f"{desk.url}v1/signs/{four}", headers=desk.headers)
        assert picture.headers["content-type"] == "image/png"
        said = desk.end()
    assert "broken.png: not a picture" in said
    assert said.endswith(f"1 labels are in {folder / 'labels.csv'}.\n")
    assert "Traceback" not in said
    with labelling(folder) as again:
        assert len(again.signs()) == 4
        for number in range(5):
            again.put(number, "7")
    done = shell("label --no-browser", folder)
    assert (done.code, done.out) == (0, "")
    assert f"All 5 signs have labels in {folder / 'labels.csv'}." in done.err


def test_a_killed_one_loses_nothing_and_leaves_nothing(folder: Path, tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    with labelling(folder, TMPDIR=str(temporary)) as desk:
        assert desk.put(2, "4").status_code == 200
        desk.process.kill()
        desk.process.wait(TIMEOUT)
        assert [row["label"] for row in desk.rows()] == ["4"]
        assert list(temporary.iterdir()) == []


def test_only_who_knows_the_token_sees_or_says_anything(desk: Labelling) -> None:
    stranger = desk._replace(token="guess")
    for path in ("v1/signs", "v1/signs/0"):
        assert get(desk.url + path, headers=stranger.headers).status_code == 401
    assert stranger.put(0, "7").status_code == 401
    assert desk.token not in get(desk.url).text
    for sign, label in ((0, "x"), (0, 7), ("0", "7"), (None, "7"), (0, ["7"])):
        assert desk.put(sign, label).status_code == 422
    assert desk.put(99, "7").status_code == desk.put(-1, "7").status_code == 404
    assert desk.rows() == []


@pytest.mark.parametrize(
    ("prepare", "reason"),
    [
        (lambda folder: folder / "nowhere", "is not a folder"),
        (lambda folder: folder / "below" / "7.png", "is not a folder"),
        (lambda folder: (folder / "empty").mkdir() or folder / "empty", "empty: no pictures"),
    ],
)
def test_what_cannot_be_labelled_is_one_line(
    folder: Path, prepare: Callable[[Path], Path], reason: str, shell: Shell
) -> None:
    outcome = shell("label --no-browser", prepare(folder))
    assert outcome.code == 1
    assert reason in outcome.err
    assert outcome.err.count("\n") == 1


def test_the_browser_is_opened(folder: Path, tmp_path: Path) -> None:
    with labelling(folder, "--single", BROWSER=f"sh -c 'echo %s > {tmp_path}/opened' &") as desk:
        opened = tmp_path / "opened"
        wait_until(lambda: opened.exists() and opened.read_text().endswith("\n"))
        assert opened.read_text().strip() == f"{desk.url}#{desk.token}"
        assert len(desk.signs()) == 3  # one a picture


def test_a_page_on_its_side_is_left_out(folder: Path) -> None:
    numbers = np.concatenate([page(text, height=60, pen=6) for text in ("5273", "7425", "2457")])
    Image.fromarray(np.ascontiguousarray(np.rot90(numbers))).save(folder / "side.png")
    with labelling(folder) as desk:
        assert "side.png" not in {sign["path"] for sign in desk.signs()}
        assert "side.png was skipped: it is not upright" in desk.end()


# --- the page ---


def opened(browser: Any, desk: Labelling, **settings: Any) -> Watched:
    size = settings.pop("viewport", {"width": 1200, "height": 850})
    return Watched(browser, f"{desk.url}#{desk.token}", viewport=size, **settings)


def expect_count(page: Watched, labelled: int, left: int) -> None:
    text = f"{labelled} labelled, {left} to go"
    playwright.expect(page.page.locator("#count")).to_have_text(text)


def keep(page: Watched, name: str) -> None:
    playwright.expect(page.page.locator("#picture")).to_be_visible()
    if folder := os.environ.get("CNN_MNIST_SCREENSHOTS"):
        page.page.wait_for_timeout(700)
        page.page.screenshot(path=Path(folder) / f"{name}.png")


def test_keys_label_skip_and_undo(browser: Any, desk: Labelling) -> None:
    page = opened(browser, desk)
    press = page.page.keyboard.press
    expect_count(page, 0, 5)
    press("n")
    expect_count(page, 1, 4)
    keep(page, "label-desktop")
    for _ in range(3):
        page.page.keyboard.down("9")  # held: it counts once
    page.page.keyboard.up("9")
    press("Space")
    press("3")
    expect_count(page, 3, 1)
    assert [row["label"] for row in desk.rows()] == ["none", "9", "3"]
    press("Backspace")
    press("u")
    expect_count(page, 2, 3)
    assert [row["label"] for row in desk.rows()] == ["none", "9"]
    press("u")
    expect_count(page, 1, 4)
    for key in "1234":
        press(key)
    playwright.expect(page.page.locator("#status")).to_contain_text("Done.")
    assert [row["label"] for row in desk.rows()] == ["none", "1", "2", "3", "4"]
    press("5")
    press("u")
    expect_count(page, 4, 1)
    page.page.reload()
    expect_count(page, 4, 1)
    assert page.said == []
    page.context.close()


def test_what_is_shown_is_what_is_labelled(browser: Any, desk: Labelling) -> None:
    page = opened(browser, desk)
    for number, sign in enumerate(desk.signs()):
        expect_count(page, number, 5 - number)
        playwright.expect(page.page.locator("#about")).to_contain_text(sign["path"])
        playwright.expect(page.page.locator("#picture")).to_have_js_property("complete", True)
        page.page.keyboard.press(sign["answered"] or "n")
    playwright.expect(page.page.locator("#status")).to_contain_text("Done.")
    labels = {(row["path"], row["label"]) for row in desk.rows()}
    assert labels == {
        ("sheet.png", "4"),
        ("sheet.png", "2"),
        ("sheet.png", "5"),
        ("below/7.png", "7"),
        ("blank.png", "none"),
    }
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_labels_by_touch(browser: Any, desk: Labelling, scheme: str) -> None:
    look = {"color_scheme": scheme, "has_touch": True, "is_mobile": True}
    phone = opened(browser, desk, viewport={"width": 390, "height": 844}, **look)
    phone.page.get_by_role("button", name="Not a digit").tap()
    expect_count(phone, 1, 4)
    phone.page.get_by_role("button", name="7", exact=True).tap()
    expect_count(phone, 2, 3)
    keep(phone, f"label-phone-{scheme}")
    phone.page.get_by_role("button", name="Undo").tap()
    expect_count(phone, 1, 4)
    out = """[...document.querySelectorAll('button')].map((e) => e.getBoundingClientRect())
      .filter((r) => r.height < 40 || r.bottom > innerHeight || r.right > innerWidth).length"""
    assert phone.page.evaluate(out) == 0
    assert phone.said == []
    phone.context.close()


def test_space_on_a_button_presses_only_that(browser: Any, desk: Labelling) -> None:
    page = opened(browser, desk)
    expect_count(page, 0, 5)
    page.page.get_by_role("button", name="4", exact=True).focus()
    page.page.keyboard.press("Space")
    expect_count(page, 1, 4)
    page.context.close()


def test_a_picture_that_is_gone_may_be_skipped(browser: Any, desk: Labelling) -> None:
    blank = desk.folder / "blank.png"
    blank.rename(blank.with_suffix(".gone"))
    page = opened(browser, desk)
    playwright.expect(page.page.locator("#status")).to_contain_text("no such file")
    page.page.keyboard.press("s")
    expect_count(page, 0, 4)
    page.context.close()
    blank.with_suffix(".gone").rename(blank)


def test_without_the_token_the_page_says_so(browser: Any, desk: Labelling) -> None:
    page = Watched(browser, desk.url)
    playwright.expect(page.page.locator("#status")).to_contain_text("Authorization")
    page.context.close()
