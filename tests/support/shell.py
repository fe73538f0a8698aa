"""The command line in this process."""

import sys
from typing import NamedTuple

import pytest

from cnn_mnist import cli


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


class Shell:
    """Runs a line of words, and further arguments as they are."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys

    def __call__(self, line: str, *more: object) -> Outcome:
        self._monkeypatch.setattr(sys, "argv", ["cnn-mnist", *line.split(), *map(str, more)])
        self._capsys.readouterr()
        code: object = 0
        try:
            cli.main()
        except SystemExit as end:
            code = end.code or 0
        out, err = self._capsys.readouterr()
        assert isinstance(code, int)
        return Outcome(code, out, err)
