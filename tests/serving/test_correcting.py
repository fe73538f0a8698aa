"""The page takes corrections: draw, confirm or correct, and find the pair in the folder."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import playwright.sync_api as playwright
import pytest
from test_photograph import AMOUNTS, expect_table, saved, sheet

from cnn_mnist.inference.reader import Reader
from desk import Desk
from gridded import grid
from served import Served, serve


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("collected")


@pytest.fixture(scope="module")
def collecting(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Iterator[Served]:
    with serve(tmp_path_factory.mktemp("server"), "--collect", folder) as served:
        yield served


@pytest.fixture
def learner(browser: Any, collecting: Served, folder: Path) -> Iterator[Desk]:
    for path in folder.iterdir():
        path.unlink()
    desk = Desk(browser, collecting.url)
    yield desk
    desk.context.close()
    assert desk.said == []


def stored(folder: Path) -> list[dict[str, Any]]:
    """What the JSON files hold, with the pictures that they belong to."""
    return sorted(
        (
            {**json.loads(path.read_text()), "png": path.with_suffix(".png")}
            for path in folder.glob("*.json")
        ),
        key=lambda about: about["box"],
    )


def expect_stored(desk: Desk, text: str) -> None:
    playwright.expect(desk.page.locator("#stored")).to_have_text(text)


def test_a_drawn_digit_is_corrected(learner: Desk, folder: Path) -> None:
    learner.draw("7")
    learner.expect("7")
    assert learner.page.locator("#confirm").text_content() == "Confirm"
    assert stored(folder) == []
    learner.page.locator("#right").fill("1")
    assert learner.page.locator("#confirm").text_content() == "Correct"
    learner.keep("page-correct")
    learner.page.keyboard.press("Enter")
    expect_stored(learner, "Stored as 1.")
    (about,) = stored(folder)
    assert (about["label"], about["answered"]) == ("1", "7")
    assert about["png"].name.startswith("1_")
    assert Reader().read(about["png"], single=True).text == "7"
    assert about["picture_sha256"] == hashlib.sha256(learner.sent_bytes()).hexdigest()
    assert learner.page.locator("#confirm").is_disabled()  # nothing is stored twice


def test_a_number_is_confirmed_at_once_and_one_of_its_signs_corrected(
    learner: Desk, folder: Path
) -> None:
    learner.draw("4", x=130)
    learner.draw("2", x=370)
    learner.expect("42")
    learner.page.locator("#confirm").click()
    expect_stored(learner, "Stored as 42.")
    assert [(a["label"], a["answered"]) for a in stored(folder)] == [("4", "4"), ("2", "2")]
    learner.page.locator("#signs button").nth(1).click()
    assert learner.page.locator("#ask").text_content() == "Not right? Sign 2 is"
    learner.page.locator("#none").click()
    expect_stored(learner, "Stored as not a digit.")
    assert sorted(a["label"] for a in stored(folder)) == ["2", "4", "none"]


def test_typing_a_label_neither_draws_nor_clears(learner: Desk) -> None:
    learner.draw("7")
    learner.expect("7")
    learner.page.locator("#right").focus()
    for key in ("Escape", "Control+z", "Space", "ArrowLeft"):
        learner.page.keyboard.press(key)
    assert learner.page.evaluate("marks.length") == 1


def test_what_was_refused_is_corrected(learner: Desk, folder: Path) -> None:
    steps = np.random.default_rng(3).uniform([180, 60], [420, 300], (40, 2))
    learner.line([(float(x), float(y)) for x, y in steps])
    learner.expect_reason("Not a digit")
    learner.page.locator("#right").fill("8")
    learner.page.locator("#confirm").click()
    expect_stored(learner, "Stored as 8.")
    (about,) = stored(folder)
    assert (about["label"], about["answered"]) == ("8", "none")


@pytest.mark.parametrize("quarters", [0, 1])
def test_a_number_of_a_page_is_chosen_in_the_table(
    learner: Desk, folder: Path, tmp_path: Path, quarters: int
) -> None:
    page = np.ascontiguousarray(np.rot90(sheet(AMOUNTS), quarters))
    learner.show(saved(page, tmp_path / "amounts.png"))
    expect_table(learner, AMOUNTS)
    assert learner.page.locator("#confirm").is_disabled()
    learner.page.get_by_role("button", name="374").click()
    assert learner.page.evaluate("document.activeElement.id") == "right"
    assert learner.page.locator("#boxes rect.chosen").count() == 1
    learner.page.keyboard.type("314")  # it takes the place of what was read
    learner.keep(f"page-correct-table-{quarters}")
    learner.page.keyboard.press("Enter")
    expect_stored(learner, "Stored as 314.")
    found = stored(folder)
    assert sorted(a["label"] for a in found) == ["1", "3", "4"]
    assert sorted(a["answered"] for a in found) == ["3", "4", "7"]
    for about in found:
        text = Reader().read(about["png"], single=True).text
        assert text == about["answered"]


def test_a_refusal_is_told_and_may_be_tried_again(learner: Desk) -> None:
    learner.draw("7")
    learner.expect("7")
    learner.page.locator("#right").fill("seven")
    learner.page.keyboard.press("Enter")
    playwright.expect(learner.page.locator("#stored")).to_contain_text("A label is a number")
    assert learner.page.locator("#confirm").is_enabled()
    assert [text for text in learner.said if "422" not in text] == []
    learner.said.clear()


def test_the_page_says_whether_anything_is_stored(
    learner: Desk, browser: Any, server: Served
) -> None:
    playwright.expect(learner.page.locator("header .collected")).to_be_visible()
    playwright.expect(learner.page.locator(".uncollected")).to_have_css("display", "none")
    plain = Desk(browser, server.url)
    playwright.expect(plain.page.locator("header .collected")).to_be_hidden()
    plain.draw("7")
    plain.expect("7")
    playwright.expect(plain.page.locator("#correct")).to_be_hidden()
    plain.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_has_room_for_corrections(browser: Any, collecting: Served, scheme: str) -> None:
    phone = Desk(browser, collecting.url, color_scheme=scheme, has_touch=True, is_mobile=True)
    phone.page.set_viewport_size({"width": 390, "height": 844})
    phone.draw("2", x=55, y=50, height=140)
    phone.draw("9", x=210, y=50, height=140)
    phone.expect("29")
    wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    assert not phone.page.evaluate(wide)
    low = """[...document.querySelectorAll('#correct button, #correct input')]
      .filter((e) => e.getBoundingClientRect().height < 40).length"""
    assert phone.page.evaluate(low) == 0
    phone.page.locator("#correct").scroll_into_view_if_needed()
    phone.keep(f"page-correct-phone-{scheme}")
    phone.context.close()


def test_an_empty_cell_is_corrected(learner: Desk, tmp_path: Path) -> None:
    answer = grid(["12", ""], ["5", "6"]).to_dict() | {"digits": [], "rejected": []}
    learner.page.route("**/v1/predict*", lambda route: route.fulfill(json=answer))
    learner.show(saved(sheet(AMOUNTS), tmp_path / "amounts.png"))
    learner.page.get_by_role("button", name="empty").click()
    assert learner.page.locator("#right").input_value() == ""
    assert learner.page.locator("#confirm").text_content() == "Correct"
