"""The drawing page in a real browser: drawn, pasted or typed digits are answered correctly."""

import io
from pathlib import Path

import numpy as np
import playwright.sync_api as playwright
import pytest
from PIL import Image

from desk import DROP, PASTE, Desk
from drawn import page as paper
from served import Served
from waiting import wait_until


def test_the_ten_digits_drawn_by_strokes(desk: Desk) -> None:
    for text in ("01234", "56789"):
        for place, digit in enumerate(text):
            desk.draw(digit, x=25 + 105 * place, height=150)
        desk.expect(text)
        desk.page.locator("#clear").click()
        desk.expect("")


def test_two_digits_are_a_number_and_each_has_its_bars(desk: Desk) -> None:
    desk.draw("4", x=130)
    desk.draw("2", x=370)
    desk.expect("42")
    signs = desk.page.locator("#signs button")
    assert signs.all_text_contents() == ["4", "2"]
    signs.nth(1).click()
    assert desk.page.locator("#bars tr.best th").text_content() == "2"
    assert desk.page.locator("#status").text_content() == "It reads 4 2"
    seen = "document.getElementById('network').getContext('2d').getImageData(0, 0, 28, 28).data"
    assert desk.page.evaluate(f"Math.max(...{seen}.filter((_, i) => i % 4 === 0))") > 200
    desk.keep("page-desktop")


def test_a_drawing_is_sent_without_an_alpha_channel(desk: Desk) -> None:
    desk.draw("7", height=60)
    picture = desk.sent()
    assert (picture.mode, picture.size) == ("RGB", desk.canvas_size())
    desk.expect("7")


def test_a_large_drawing_is_sent_smaller(desk: Desk) -> None:
    desk.draw("4")
    width, height = desk.canvas_size()
    sent = desk.sent()
    assert sent.width < width / 2
    assert sent.height == pytest.approx(sent.width * height / width, abs=1)
    desk.expect("4")


def test_undo_takes_the_last_stroke_and_clear_all(desk: Desk) -> None:
    desk.draw("1", x=130)
    desk.expect("1")
    desk.draw("7", x=370)
    desk.expect("17")
    desk.page.keyboard.press("Control+z")
    desk.expect("1")
    desk.page.locator("#undo").click()
    desk.expect("")
    assert desk.page.locator("#undo").is_disabled()
    desk.draw("3")
    desk.expect("3")
    desk.page.keyboard.press("Escape")
    desk.expect("")
    assert desk.page.locator("#seen").is_hidden()


def test_a_scribble_is_not_a_digit(desk: Desk) -> None:
    steps = np.random.default_rng(3).uniform([180, 60], [420, 300], (40, 2))
    desk.line([(float(x), float(y)) for x, y in steps])
    desk.expect_reason("Not a digit")
    desk.expect("")
    desk.keep("page-scribble")


def clipboard(text: str) -> list[int]:
    content = io.BytesIO()
    Image.fromarray(paper(text, height=150, pen=12)).save(content, "PNG")
    return list(content.getvalue())


@pytest.mark.parametrize("way", [PASTE, DROP], ids=["paste", "drop"])
def test_a_picture_is_read(way: str, desk: Desk) -> None:
    desk.page.evaluate(way, [clipboard("506"), "image/png"])
    desk.expect("506")


def test_a_file_is_opened_and_no_picture_is_told(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "digits.png").write_bytes(bytes(clipboard("83")))
    desk.page.locator("#file").set_input_files(tmp_path / "digits.png")
    desk.expect("83")
    (tmp_path / "none.png").write_text("no picture")
    desk.page.locator("#file").set_input_files(tmp_path / "none.png")
    desk.expect_reason("cannot be read as a picture")


def test_the_keyboard_draws(desk: Desk) -> None:
    desk.page.locator("#canvas").focus()
    press = desk.page.keyboard.press
    press("Space")
    for _ in range(5):
        press("Shift+ArrowRight")
    for _ in range(8):
        press("Shift+ArrowDown")
        press("ArrowLeft")
    press("Space")
    desk.expect("7")


def test_what_is_drawn_while_an_answer_is_awaited_is_asked_for_next(desk: Desk) -> None:
    held: list[playwright.Route] = []
    desk.page.route("**/v1/predict*", lambda route: held.append(route), times=1)
    desk.draw("6", x=130)
    wait_until(lambda: desk.page.evaluate("asking") and held)
    desk.draw("1", x=400)
    wait_until(lambda: desk.page.evaluate("again"))  # the pause after the last stroke is over
    assert len([url for url in desk.asked if "/v1/predict" in url]) == 1
    held[0].continue_()
    desk.expect("61")


def test_every_control_has_a_name_and_a_place_in_the_order(desk: Desk) -> None:
    desk.draw("4", x=130)
    desk.draw("2", x=370)
    desk.expect("42")
    order = []
    for _ in range(14):
        desk.page.keyboard.press("Tab")
        order.append(
            desk.page.evaluate("document.activeElement.id || document.activeElement.tagName")
        )
    assert {"canvas", "undo", "clear", "width", "file", "SUMMARY"} <= set(order)
    nameless = """[...document.querySelectorAll('button, input, canvas, progress, a')].filter(
      (e) => !(e.textContent.trim() || e.ariaLabel || e.labels?.length)).map((e) => e.outerHTML)"""
    assert desk.page.evaluate(nameless) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_has_room_for_it(
    browser: "playwright.Browser", server: Served, scheme: str
) -> None:
    phone = Desk(browser, server.url, color_scheme=scheme, has_touch=True, device_scale_factor=2)
    phone.page.set_viewport_size({"width": 390, "height": 844})
    phone.draw("2", x=55, y=50, height=140)
    phone.draw("9", x=210, y=50, height=140)
    phone.expect("29")
    wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    assert not phone.page.evaluate(wide)
    small = """[...document.querySelectorAll('button, .button')].filter((e) => e.offsetHeight)
      .filter((e) => e.getBoundingClientRect().height < 40).length"""
    assert phone.page.evaluate(small) == 0
    phone.keep(f"page-phone-{scheme}")
    assert phone.said == []
    phone.context.close()


def test_a_palm_does_not_draw(browser: "playwright.Browser", server: Served) -> None:
    tablet = Desk(browser, server.url, has_touch=True)
    tablet.draw_beside_a_palm("#canvas")
    ((first, *others),) = tablet.page.evaluate("marks.map(({ points }) => points)")
    assert len(others) >= 2
    assert {round(point["y"]) for point in others} == {round(first["y"])}
    tablet.context.close()


def test_a_pen_moved_by_keys_does_not_stop_the_mouse(desk: Desk) -> None:
    desk.page.locator("#canvas").focus()
    desk.page.keyboard.down("Space")
    desk.page.keyboard.down("Space")  # the same key, held: the pen stays on the paper
    desk.page.keyboard.press("ArrowDown")
    assert desk.page.evaluate("marks.map(({ points }) => points.length)") == [2]
    desk.line([(100, 60), (100, 90)])
    assert desk.page.evaluate("marks.length") == 2


def test_dark_is_dark(browser: "playwright.Browser", server: Served) -> None:
    night = Desk(browser, server.url, color_scheme="dark")
    night.draw("5", x=220)
    night.expect("5")
    shade = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).map(Number)"
    assert max(night.page.evaluate(shade)) < 60
    night.keep("page-dark")
    night.context.close()
