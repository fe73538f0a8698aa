"""Numbers of several sizes on one page."""

import numpy as np
import pytest

from cnn_mnist.inference.layout.sizes import with_others, without_words_and_drawings
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
            0.9 if sign.isdigit() else 0.0,
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


@pytest.mark.parametrize("height", [50, 130])
def test_a_doubtful_single_digit_of_no_numbers_height_is_a_drawing(height: int) -> None:
    drawing = written("9", 400, 300, height, confidence=0.5)
    assert without_words_and_drawings([*PAGE, drawing]) == PAGE
    assert without_words_and_drawings([PAGE[0], [*PAGE[1], *drawing]]) == PAGE


def test_the_sign_of_a_drawing_goes_with_it() -> None:
    drawing = written("-9", -160, 150, 30, confidence=0.5)
    assert without_words_and_drawings([[*drawing, *PAGE[0]], PAGE[1]]) == PAGE


@pytest.mark.parametrize(("height", "confidence"), [(70, 0.5), (100, 0.5), (50, 0.95), (130, 0.95)])
def test_a_single_digit_stays_if_it_is_certain_or_of_a_numbers_height(
    height: int, confidence: float
) -> None:
    digit = written("9", 400, 500, height, confidence)
    assert without_words_and_drawings([*PAGE, digit]) == [*PAGE, digit]


def test_single_digits_without_a_certain_number_stay() -> None:
    rows = [written("9", 0, 0, 60, 0.5), written("3", 0, 200, 160), written("61", 0, 400, 90, 0.7)]
    assert without_words_and_drawings(rows) == rows


def test_drawings_do_not_count_as_letters() -> None:
    drawings = [written("0", 200 * n, 600, 300, 0.75) for n in range(12)]
    number = written("42", 0, 0, 100, 0.93)
    marks = [sign.box for row in (number, *drawings) for sign in row]
    assert without_words_and_drawings([number, *drawings], marks) == [number]
