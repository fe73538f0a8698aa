"""A browser's page that is watched: what it says on the console, and what it asks for."""

from typing import Any

from waiting import TIMEOUT


class Watched:
    """One page in a context of its own."""

    def __init__(self, browser: Any, url: str, **settings: Any) -> None:
        self.context = browser.new_context(**settings)
        self.context.set_default_timeout(1000 * TIMEOUT)
        self.page = self.context.new_page()
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(url)

    def draw_beside_a_palm(self, selector: str) -> None:
        """Draw a level stroke of three points with a finger, while a palm rests and is lifted."""
        box = self.page.locator(selector).bounding_box()
        protocol = self.context.new_cdp_session(self.page)

        def touch(kind: str, *points: tuple[int, float, float]) -> None:
            at = [
                {"id": i, "x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"]}
                for i, x, y in points
            ]
            protocol.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": at})

        touch("touchStart", (0, 0.2, 0.3))
        touch("touchStart", (0, 0.2, 0.3), (1, 0.8, 0.9))
        touch("touchMove", (0, 0.3, 0.3), (1, 0.8, 0.88))
        touch("touchMove", (0, 0.3, 0.3))  # without the palm
        touch("touchMove", (0, 0.4, 0.3))
        touch("touchEnd")
