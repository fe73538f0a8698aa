"""Readings as a table: one row per line of the page, one column per number; CSV by RFC 4180."""

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Any, TextIO

Answer = dict[str, Any]  # of a page: `Reading.to_dict()`, with its path

PLACE = ("path", "page", "line")


def width(answers: Iterable[Answer]) -> int:
    """The number of columns: that of the longest line."""
    return max((len(line["numbers"]) for answer in answers for line in answer["lines"]), default=0)


def write(answers: Iterable[Answer], columns: int, placed: bool, file: TextIO) -> None:
    """Write CSV whose rows all have the same number of fields.

    Args:
        columns: number of columns for numbers, at least the width.
        placed: start each row with path, page and line, and add a header. Pages without numbers
            then get a row, too, with an empty line.
        file: opened with newline="".
    """
    writer = csv.writer(file)
    if placed:
        writer.writerow([*PLACE, *(f"number_{n + 1}" for n in range(columns))])
    for answer in answers:
        for line, numbers in _lines(answer, placed):
            place = [_path(answer), answer["page"], line] if placed else []
            writer.writerow(place + numbers + [""] * (columns - len(numbers)))


def text(answers: list[Answer], placed: bool) -> str:
    """The table as text."""
    file = io.StringIO(newline="")
    write(answers, width(answers), placed, file)
    return file.getvalue()


def _lines(answer: Answer, placed: bool) -> Iterator[tuple[int | str, list[str]]]:
    for line, values in enumerate(answer["lines"], start=1):
        yield line, [number["text"] for number in values["numbers"]]
    if placed and not answer["lines"]:
        yield "", []


def _path(answer: Answer) -> str:
    """The path; empty for a picture without a name. It may not be valid text."""
    return (answer["path"] or "").encode("utf-8", "replace").decode()
