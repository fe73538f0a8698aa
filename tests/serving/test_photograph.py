"""The page of the server reads photographs of pages: boxes over them, a table, CSV."""

import base64
import io
import itertools
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import playwright.sync_api as playwright
import pytest
from numpy.typing import NDArray
from PIL import Image

from cnn_mnist.inference.pictures.page import Page
from desk import Desk
from drawn import coverage, page
from gridded import grid
from served import Served, post
from waiting import wait_until

Grey = NDArray[np.uint8]
Rows = Sequence[Sequence[str]]
AMOUNTS = [["25", "374"], ["432", "75"], ["7", "5234"], ["48", "61"]]
CELLS = [["12", "", "7"], ["", "305", "48"], ["9", "61", ""], ["2", "", "30"]]
ACROSS, DOWN, MARGIN, HEIGHT = 230, 110, 60, 50


def sheet(rows: Rows, lined: bool = False) -> Grey:
    """A page of numbers in columns, in the cells of a table where it is lined."""
    size = DOWN * len(rows) + 2 * MARGIN, ACROSS * len(rows[0]) + 2 * MARGIN
    page = np.full(size, 245, np.uint8)
    for (row, column), text in np.ndenumerate(np.array(rows)):
        x, y = MARGIN + ACROSS * column, MARGIN + DOWN * row
        if lined:
            cv2.rectangle(page, (x, y), (x + ACROSS, y + DOWN), 60, 3)
        if text:
            ink = coverage(text, HEIGHT, 5)[3:-3]
            part = page[y + 6 : y + 6 + ink.shape[0], x + 6 : x + 6 + ink.shape[1]]
            np.minimum(part, (245 * (1 - ink)).astype(np.uint8), out=part)
    return page


def saved(page: Grey, path: Path) -> Path:
    Image.fromarray(page).save(path)
    return path


@pytest.fixture
def amounts(tmp_path: Path) -> Path:
    return saved(sheet(AMOUNTS), tmp_path / "amounts.png")


def table(desk: Desk) -> list[list[str]]:
    rows = desk.page.locator("#rows tr").all()
    return [row.locator("td").all_text_contents() for row in rows]


def expect_table(desk: Desk, rows: Rows) -> None:
    playwright.expect(desk.page.locator("#rows tr")).to_have_count(len(rows))
    assert table(desk) == [list(row) for row in rows]


def test_a_page_of_columns_is_a_table(desk: Desk, amounts: Path) -> None:
    desk.show(amounts)
    expect_table(desk, AMOUNTS)
    desk.expect_reason("8 numbers in 4 lines")
    assert desk.page.locator("#status").text_content() == "8 numbers in 4 lines"
    desk.expect("")
    assert desk.page.locator("#seen").is_hidden()
    assert desk.page.locator("#signs button").count() == 0
    assert desk.page.locator("#boxes .line").count() == 4
    assert desk.page.locator("#boxes text").all_text_contents() == [*itertools.chain(*AMOUNTS)]
    desk.keep("page-photograph")


def test_the_empty_cells_of_a_grid_stay(desk: Desk, tmp_path: Path) -> None:
    desk.show(saved(sheet(CELLS, lined=True), tmp_path / "form.png"))
    expect_table(desk, CELLS)
    desk.expect_reason("8 numbers and 4 empty cells in 4 lines")
    assert desk.page.locator("#boxes rect.empty").count() == 4
    assert desk.page.locator("#boxes .line").count() == 0
    desk.keep("page-grid")


def test_boxes_lie_over_what_they_are_of_however_large_the_picture(
    desk: Desk, tmp_path: Path
) -> None:
    page = sheet(AMOUNTS)
    large = cv2.resize(page, None, fx=5, fy=5, interpolation=cv2.INTER_LINEAR)
    desk.show(saved(np.asarray(large, np.uint8), tmp_path / "large.jpg"))
    sent = desk.canvas_size()
    assert max(sent) == 2048
    shown = desk.page.locator("#canvas").bounding_box()
    scale = shown["width"] / page.shape[1]
    boxes = desk.page.locator("#boxes rect:not(.line)").all()
    assert len(boxes) == 8
    for index, box in enumerate(boxes):
        found = box.bounding_box()
        x = (found["x"] - shown["x"]) / scale
        y = (found["y"] - shown["y"]) / scale
        assert 0 < x - MARGIN - ACROSS * (index % 2) < HEIGHT
        assert 0 < y - MARGIN - DOWN * (index // 2) < HEIGHT
        assert 0.9 * HEIGHT < found["height"] / scale < 1.4 * HEIGHT


@pytest.mark.parametrize(("suffix", "kind"), [("jpg", "image/jpeg"), ("png", "image/png")])
def test_a_photograph_is_sent_in_its_own_format(
    desk: Desk, tmp_path: Path, suffix: str, kind: str
) -> None:
    with desk.page.expect_request("**/v1/predict*") as asked:
        desk.show(saved(sheet(AMOUNTS), tmp_path / f"amounts.{suffix}"))
    assert asked.value.headers["content-type"] == kind
    picture = desk.sent()
    assert Image.MIME[str(picture.format)] == kind
    assert picture.size == desk.canvas_size() == sheet(AMOUNTS).shape[::-1]


@pytest.mark.parametrize("quarters", [2, 3])
def test_a_page_on_its_side_is_shown_as_it_was_read(
    desk: Desk, tmp_path: Path, quarters: int
) -> None:
    upright = sheet(AMOUNTS)
    turned = np.ascontiguousarray(np.rot90(upright, quarters))
    desk.show(saved(turned, tmp_path / "turned.png"))
    expect_table(desk, AMOUNTS)
    assert desk.page.locator("#turned").text_content() == (
        f"The page was turned by {90 * quarters}° clockwise."
    )
    assert desk.canvas_size() == upright.shape[::-1]
    png = base64.b64decode(desk.page.evaluate("canvas.toDataURL()").partition(",")[2])
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(png)).convert("L")), upright)
    for box in desk.page.locator("#boxes rect.sure").all():
        x, y, width, height = (int(box.get_attribute(n)) for n in ("x", "y", "width", "height"))
        assert (upright[y : y + height, x : x + width] < 128).any()
        assert 0.9 * HEIGHT < height < 1.4 * HEIGHT
    desk.page.keyboard.press("Escape")
    assert desk.page.locator("#turned").text_content() == ""


@pytest.mark.parametrize("degrees", [20, -20])
def test_a_tilted_page_is_not_shown_on_its_side(desk: Desk, tmp_path: Path, degrees: int) -> None:
    upright = np.stack([sheet(AMOUNTS)] * 3, axis=2)
    tilted = Page(upright, upright.shape[1::-1]).turn(degrees).pixels
    desk.show(saved(tilted, tmp_path / "tilted.png"))
    expect_table(desk, AMOUNTS)
    assert desk.page.locator("#turned").text_content() != ""
    assert desk.canvas_size() == tilted.shape[1::-1]


GONE = "Object.defineProperty(navigator, 'clipboard', { value: undefined });"


@pytest.mark.parametrize("script", ["", GONE], ids=["clipboard", "no clipboard"])
def test_the_table_is_copied(desk: Desk, amounts: Path, script: str) -> None:
    desk.page.add_init_script(script)
    desk.page.reload()
    desk.show(amounts)
    desk.page.locator("#copy").focus()
    desk.page.keyboard.press("Enter")
    playwright.expect(desk.page.locator("#copied")).to_have_text("Copied")
    assert desk.page.evaluate("document.activeElement.id") == "copy"
    desk.page.evaluate(
        "document.body.append(Object.assign(document.createElement('textarea'), {id: 'into'}))"
    )
    desk.page.locator("#into").focus()
    desk.page.keyboard.press("Control+V")
    assert desk.page.locator("#into").input_value() == "\n".join("\t".join(r) for r in AMOUNTS)


def test_the_csv_is_the_one_of_the_api(desk: Desk, server: Served, tmp_path: Path) -> None:
    path = saved(sheet(CELLS, lined=True), tmp_path / "score sheet.png")
    desk.show(path)
    with desk.page.expect_download() as download:
        desk.page.locator("#csv").click()
    assert download.value.suggested_filename == "score sheet.csv"
    answer = post(
        f"{server.url}v1/predict", content=path.read_bytes(), headers={"accept": "text/csv"}
    )
    assert download.value.path().read_bytes() == answer.content


def test_commas_and_short_lines_in_csv(desk: Desk, amounts: Path) -> None:
    answer = grid(["1,250", "", "-3"], ["7.5"]).to_dict() | {"digits": [], "rejected": []}
    desk.page.route("**/v1/predict*", lambda route: route.fulfill(json=answer))
    desk.show(amounts)
    expect_table(desk, [["1,250", "", "-3"], ["7.5", "", ""]])
    assert desk.page.evaluate("csv()") == '"1,250",,-3\r\n7.5,,\r\n'


def test_the_unsure_are_marked(desk: Desk, amounts: Path) -> None:
    answer = grid(["12", "7"], ["5", "6"]).to_dict() | {"digits": [], "rejected": []}
    answer["lines"][1]["numbers"][0]["confidence"] = 0.42
    desk.page.route("**/v1/predict*", lambda route: route.fulfill(json=answer))
    desk.show(amounts)
    unsure = desk.page.locator("#rows .unsure")
    assert unsure.all_text_contents() == ["5"]
    assert unsure.get_attribute("aria-label") == "5, confidence 42.0%"
    assert desk.page.locator("#boxes rect.unsure").count() == 1
    assert desk.page.locator("#unsure").is_visible()


def test_one_long_number_needs_no_table(desk: Desk, tmp_path: Path) -> None:
    desk.show(saved(page("25374253742537", height=60, pen=6)[..., 0], tmp_path / "long.png"))
    desk.expect("25374253742537")
    assert desk.page.locator("#signs button").count() == 0
    assert desk.page.locator("#page").is_hidden()


def test_a_photograph_without_digits_says_so(desk: Desk, tmp_path: Path) -> None:
    desk.show(saved(np.full((600, 800), 245, np.uint8), tmp_path / "blank.png"))
    desk.expect_reason("No ink found")
    assert desk.page.locator("#page").is_hidden()


def test_the_answer_to_a_picture_that_is_gone_is_dropped(desk: Desk, amounts: Path) -> None:
    held: list[playwright.Route] = []
    desk.page.route("**/v1/predict*", lambda route: held.append(route), times=1)
    desk.page.locator("#file").set_input_files(amounts)
    wait_until(lambda: desk.page.evaluate("asking") and bool(held))
    desk.page.keyboard.press("Escape")
    desk.draw("7")
    wait_until(lambda: desk.page.evaluate("again"))
    held[0].continue_()
    desk.expect("7")
    assert desk.page.locator("#page").is_hidden()
    assert desk.page.locator("#boxes rect").count() == 0


def test_no_pen_marks_a_photograph_and_undo_brings_the_drawing_back(
    desk: Desk, amounts: Path
) -> None:
    desk.draw("4")
    desk.expect("4")
    desk.show(amounts)
    expect_table(desk, AMOUNTS)
    desk.draw("1")
    assert desk.page.evaluate("marks.length") == 2  # the strokes of the 4
    assert desk.page.locator("#width").is_hidden()
    desk.page.locator("#undo").click()
    desk.expect("4")
    assert desk.page.locator("#page").is_hidden()


def test_the_table_is_reached_by_keyboard(desk: Desk, amounts: Path) -> None:
    desk.show(amounts)
    order = []
    for _ in range(10):
        desk.page.keyboard.press("Tab")
        order.append(
            desk.page.evaluate("document.activeElement.id || document.activeElement.className")
        )
    assert [name for name in order if name in ("scroll", "copy", "csv")] == [
        "scroll",
        "copy",
        "csv",
    ]
    assert "canvas" not in order
    region = desk.page.get_by_role("region", name="What was read")
    assert region.get_by_role("rowheader").count() == len(AMOUNTS)
    assert region.get_by_role("columnheader").count() == len(AMOUNTS[0])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_photographs_a_page(
    browser: "playwright.Browser", server: Served, tmp_path: Path, scheme: str
) -> None:
    wide = [[str(100 + row + column) for column in range(9)] for row in range(3)]
    phone = Desk(browser, server.url, color_scheme=scheme, has_touch=True, is_mobile=True)
    phone.page.set_viewport_size({"width": 390, "height": 844})
    camera = phone.page.locator("#camera")
    assert camera.get_attribute("capture") == "environment"
    playwright.expect(phone.page.locator(".camera")).to_be_visible()
    camera.set_input_files(saved(sheet(wide), tmp_path / "wide.jpg"))
    playwright.expect(phone.page.locator("#rows tr")).to_have_count(len(wide))
    too_wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    assert not phone.page.evaluate(too_wide)
    phone.keep(f"page-phone-photograph-{scheme}")
    assert phone.said == []
    phone.context.close()
