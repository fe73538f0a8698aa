"""Numbers of several sizes on one page."""

import numpy as np
import pytest

from cnn_mnist.inference.layout.sizes import with_others
from cnn_mnist.inference.recognition.agree import Found


def written(text: str, x: int, y: int, height: int, confidence: float = 0.99) -> list[Found]:
    """Signs half as wide as high, with gaps of a quarter of their height."""
    step, width = 3 * height // 4, height // 2
    return [
        Found(
            sign,
            confidence,
            (x + step * place, y, width, height),
            np.zeros(10),
            confidence if sign.isdigit() else 0.0,
            place,
        )
        for place, sign in enumerate(text)
    ]


def texts(rows: list[list[Found]]) -> list[str]:
    return ["".join(sign.character for sign in row) for row in rows]


PAGE = [written("583", 0, 100, 80), written("274", 0, 300, 80)]


@pytest.mark.parametrize(("y", "place"), [(0, 0), (220, 1), (500, 2)])
def test_a_number_of_another_size_is_a_line_at_its_height(y: int, place: int) -> None:
    found = with_others(PAGE, [written("61", 0, y, 30)])
    assert texts(found) == [*texts(PAGE[:place]), "61", *texts(PAGE[place:])]
    assert all(sign.glyph is None for sign in found[place])  # its glyphs are another view's


@pytest.mark.parametrize(
    "row",
    [
        written("6", 0, 220, 30),
        written("?6", 0, 220, 30),
        written("61", 0, 220, 30, confidence=0.85),
        written("6?9??", 0, 220, 30),
    ],
)
def test_single_digits_doubtful_ones_and_words_of_another_size_are_left_out(
    row: list[Found],
) -> None:
    assert with_others(PAGE, [row]) == PAGE


def test_part_of_a_number_that_is_read_already_is_no_other_number() -> None:
    assert with_others(PAGE, [written("58", 0, 104, 74)]) == PAGE


def test_a_number_replaces_some_of_its_digits() -> None:
    number = written("61", 0, 104, 80)
    assert texts(with_others([[number[1]], *PAGE[1:]], [number])) == ["61", "274"]


def test_an_empty_page_takes_any_number() -> None:
    assert texts(with_others([], [written("61", 0, 0, 30)])) == ["61"]
