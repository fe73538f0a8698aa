"""The commands' output: results on stdout, progress bars and notices on stderr.

With --json, stdout is one JSON object and the rows go to stderr too.
"""

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import typer


class Terminal:
    """The output of one command; a quiet one prints nothing."""

    def __init__(self, as_json: bool, quiet: bool = False) -> None:
        self._as_json = as_json
        self._quiet = quiet
        self._bar: Any = None

    def notice(self, *lines: str) -> None:
        """Print notices on stderr; empty lines are left out."""
        for line in filter(None, lines):
            self._line(line, sys.stderr)

    @contextmanager
    def progress(self, how_to_resume: str, unit: str = "step") -> Iterator[None]:
        """A progress bar that is always closed; after Ctrl-C a notice says how to resume."""
        from tqdm import tqdm

        # disable=None: no bar where stderr is not a terminal
        self._bar = tqdm(leave=False, disable=self._quiet or None, file=sys.stderr, unit=unit)
        try:
            yield
        except KeyboardInterrupt:
            self.notice(f"Stopped. {how_to_resume}")
            raise typer.Exit(130) from None
        finally:
            self._bar.close()

    def step(self, done: int, total: int) -> None:
        """Advance the bar of the current epoch."""
        if done == 1:
            self._bar.reset(total)
        self._bar.update(1)

    @property
    def has_bar(self) -> bool:
        """Whether the bar is visible."""
        return self._bar is not None and not self._bar.disable

    def counted(self, done: int, total: int) -> None:
        """Advance the bar of many tasks; those of the first call were done by an earlier run."""
        if self._bar.total != total:
            self._bar.reset(total)
            self._bar.initial = self._bar.n = done
        self._bar.update(done - self._bar.n)

    def row(self, text: str) -> None:
        """Print a row before the result: on stdout, or with --json on stderr."""
        self._line(text, sys.stderr if self._as_json else sys.stdout)

    def result(self, values: dict[str, Any], rows: Iterable[str]) -> None:
        """Print a result: with --json its values, otherwise its rows."""
        for line in [json.dumps(values)] if self._as_json else rows:
            self._line(line, sys.stdout)

    def table(self, text: str) -> None:
        """Print CSV with the same line ends and encoding on every system."""
        sys.stdout.buffer.write(text.encode())
        sys.stdout.flush()

    def _line(self, text: str, stream: Any) -> None:
        if self._quiet:
            return
        if self._bar is not None:
            self._bar.clear()
        shown = text.encode("utf-8", "replace").decode()  # a file name may not be valid text
        print(shown, file=stream, flush=True)


def count(number: int, noun: str) -> str:
    """A number of things: 1 picture, 2 pictures."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def share(value: float | None, digits: int = 1) -> str:
    """A share in percent; - if it is unknown."""
    return "-" if value is None else f"{value:.{digits}%}"
