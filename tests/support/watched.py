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
