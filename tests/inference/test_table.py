"""CSV for any spreadsheet: one row per line, one column per number."""

import csv
import io
import os
from typing import Any

import pytest

from cnn_mnist.inference import table
from cnn_mnist.inference.reading import Reading
from gridded import grid


def answer(reading: Reading, path: str | None = "a.png") -> dict[str, Any]:
    return {"path": path, **reading.to_dict()}


def rows(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline=""), strict=True))


def test_a_page_is_its_numbers_and_empty_cells_are_empty() -> None:
    text = table.text([answer(grid(["12", "", "-3"], ["", "", ""]))], placed=False)
    assert text == "12,,-3\r\n,,\r\n"


def test_numbers_with_a_comma_stay_one_number() -> None:
    text = table.text([answer(grid(["1,250", "3.14"]))], placed=False)
    assert text == '"1,250",3.14\r\n'
    assert rows(text) == [["1,250", "3.14"]]


def test_shorter_lines_are_filled_up() -> None:
    pages = [answer(grid(["1"])), answer(grid(["2", "3"], ["4"]), "b.png")]
    assert rows(table.text(pages, placed=True)) == [
        ["path", "page", "line", "number_1", "number_2"],
        ["a.png", "1", "1", "1", ""],
        ["b.png", "1", "1", "2", "3"],
        ["b.png", "1", "2", "4", ""],
    ]


def test_a_page_without_a_number_has_a_row_among_others() -> None:
    pages = [answer(Reading(reason="damaged", page=2)), answer(grid(["7"]), None)]
    got = rows(table.text(pages, placed=True))
    assert got[1:] == [["a.png", "2", "", ""], ["", "1", "1", "7"]]
    assert table.text(pages[:1], placed=False) == ""


@pytest.mark.parametrize("path", ['a, "b".png', "two\nlines.png", os.fsdecode(b"\xff.png")])
def test_odd_paths_are_written(path: str) -> None:
    text = table.text([answer(grid(["7"]), path)], placed=True)
    assert rows(text)[1][0] == path.encode("utf-8", "replace").decode()
