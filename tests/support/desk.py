"""The drawing page as its tests use it: a pen, pictures given to it, and what it answers."""

import io
import os
from pathlib import Path

import numpy as np
import playwright.sync_api as playwright
from PIL import Image

from drawn import STROKES, arc
from watched import Watched

PICTURES = os.environ.get("CNN_MNIST_SCREENSHOTS")  # a folder to keep screenshots in
STEP = 4  # points of an arc; the browser takes a frame for each move of the mouse
PASTE = """([bytes, kind]) => {
  const data = new DataTransfer();
  data.items.add(new File([new Uint8Array(bytes)], "digits.png", { type: kind }));
  document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data }));
}"""
DROP = """([bytes, kind]) => {
  const data = new DataTransfer();
  data.items.add(new File([new Uint8Array(bytes)], "digits.png", { type: kind }));
  document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true }));
}"""


class Desk(Watched):
    """The drawing page."""

    def __init__(self, browser: "playwright.Browser", url: str, **settings: object) -> None:
        super().__init__(browser, url, viewport={"width": 1200, "height": 850}, **settings)

    def draw(self, digit: str, x: float = 220, y: float = 60, height: float = 240) -> None:
        """Draw a digit in CSS pixels of the canvas."""
        unit = height / 20
        for stroke in STROKES[digit]:
            points = np.array(stroke) if isinstance(stroke, list) else arc(*stroke)[::STEP]
            self.line([(x + unit * a, y + unit * b) for a, b in points])

    def line(self, points: list[tuple[float, float]]) -> None:
        box = self.page.locator("#canvas").bounding_box()
        mouse = self.page.mouse
        mouse.move(box["x"] + points[0][0], box["y"] + points[0][1])
        mouse.down()
        for x, y in points[1:]:
            mouse.move(box["x"] + x, box["y"] + y)
        mouse.up()

    def show(self, picture: Path) -> None:
        """Open a picture's file, and wait for what is read on it."""
        self.page.locator("#file").set_input_files(picture)
        playwright.expect(self.page.locator("body.photo:not(.waiting)")).to_have_count(1)

    def sent(self) -> Image.Image:
        """The picture that is sent."""
        return Image.open(io.BytesIO(self.sent_bytes()))

    def sent_bytes(self) -> bytes:
        """The encoded picture that is sent."""
        read = "async () => Array.from(new Uint8Array(await (await snapshot()).arrayBuffer()))"
        return bytes(self.page.evaluate(read))

    def canvas_size(self) -> tuple[int, int]:
        width, height = self.page.evaluate("[canvas.width, canvas.height]")
        return width, height

    def expect(self, text: str) -> None:
        playwright.expect(self.page.locator("body.waiting")).to_have_count(0)
        playwright.expect(self.page.locator("#answer")).to_have_text(text)

    def expect_reason(self, text: str) -> None:
        playwright.expect(self.page.locator("#reason")).to_contain_text(text)

    def keep(self, name: str) -> None:
        playwright.expect(self.page.locator("body.waiting")).to_have_count(0)
        if PICTURES:
            self.page.wait_for_timeout(700)
            self.page.screenshot(path=Path(PICTURES) / f"{name}.png")
