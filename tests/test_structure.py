"""Lines of numbers, numbers of digits and signs."""

import numpy as np
import pytest

from cnn_mnist.inference.agree import Found
from cnn_mnist.inference.structure import Line, Number, lines_of


def written(text: str, y: int = 0, confidence: float = 0.9) -> list[Found]:
    """Signs 20 px wide and 40 high, 10 px apart; a space moves the next one by 40 px."""
    found, x = [], 0
    for character in text:
        if character == " ":
            x += 40
            continue
        found.append(Found(character, confidence, (x, y, 20, 40), np.zeros(10), None))
        x += 30
    return found


@pytest.mark.parametrize("text", ["12/03/2024", "1,250", "-42", "3.14", "7+5=12", "$20.00"])
def test_a_number_keeps_its_signs(text: str) -> None:
    (line,) = lines_of(written(text))
    (number,) = line.numbers
    assert number.text == text
    assert number.digits == "".join(c for c in text if c.isdigit())
    assert number.box == (0, 0, 30 * len(text) - 10, 40)
    assert number.confidence == pytest.approx(0.9 ** len(text))


def test_a_wide_gap_makes_two_numbers() -> None:
    (line,) = lines_of(written("12 345"))
    assert [number.text for number in line.numbers] == ["12", "345"]
    assert line.text == "12 345"


def test_a_wide_gap_beside_a_comma_does_not() -> None:
    (line,) = lines_of(written("1 ,250"))
    assert line.text == "1,250"


def test_a_letter_ends_a_number() -> None:
    (line,) = lines_of(written("12?34"))
    assert line.text == "12 34"


def test_signs_alone_are_no_number() -> None:
    assert lines_of(written("-/-")) == ()
    assert lines_of([]) == ()


def test_each_line_of_the_page_is_a_line() -> None:
    lines = lines_of(written("407") + written("25", y=100))
    assert [line.text for line in lines] == ["407", "25"]
    assert lines[1].numbers[0].box == (0, 100, 50, 40)


def test_an_empty_cell_is_a_number_without_text() -> None:
    box = 0, 0, 40, 40
    line = Line((Number("12", box, 0.9), Number("", box, 0.8), Number("-3", box, 0.7)))
    assert line.text == "12 _ -3"
    said = line.to_dict()
    assert said["text"] == "12 _ -3"
    assert said["numbers"][1] == {
        "text": "", "digits": "", "box": [0, 0, 40, 40], "confidence": 0.8,
    }  # fmt: skip
