"""Signs that the crops of two lines show."""

import numpy as np
import pytest
from numpy.typing import NDArray

from cnn_mnist.inference.layout.doubles import without_doubles
from cnn_mnist.inference.recognition.line import Box, Sign


def signs(text: str, *boxes: Box, confidence: float = 0.9) -> list[Sign]:
    none = np.zeros(10, np.float32)
    return [Sign(one, confidence, box, none) for one, box in zip(text, boxes, strict=True)]


def ink(*boxes: Box) -> NDArray[np.float64]:
    return np.array(boxes, float)


def kept(pieces: list[list[Sign]], lines: list[NDArray[np.float64]]) -> list[str]:
    return ["".join(sign.character for sign in piece) for piece in without_doubles(pieces, lines)]


UPPER: Box = (100, 60, 30, 40)
LOWER: Box = (20, 90, 30, 40)
CUT: Box = (100, 80, 30, 20)  # what the crop of the lower line shows of the upper one


def test_the_part_of_another_lines_digit_is_none_of_this_line() -> None:
    pieces = [signs("4", UPPER), signs("71", LOWER, CUT)]
    assert kept(pieces, [ink(UPPER), ink(LOWER)]) == ["4", "7"]


def test_a_digit_joined_to_a_mark_of_another_line_stays() -> None:
    crease: Box = (95, 0, 40, 120)
    pieces = [signs("?", crease), signs("74", LOWER, UPPER)]
    assert kept(pieces, [ink(crease), ink(LOWER)]) == ["?", "74"]


def test_what_its_own_line_does_not_show_stays() -> None:
    pieces = [signs(""), signs("71", LOWER, CUT)]
    assert kept(pieces, [ink(UPPER), ink(LOWER)]) == ["", "71"]


def test_a_sign_whose_ink_was_not_found_stays() -> None:
    pieces = [signs("4", UPPER), signs("71", LOWER, (60, 90, 30, 40))]
    assert kept(pieces, [ink(UPPER), ink(LOWER)]) == ["4", "71"]


@pytest.mark.parametrize("count", [1, 100])
def test_a_comma_inside_the_box_of_the_digit_below_is_of_its_own_line(count: int) -> None:
    comma: Box = (50, 80, 6, 16)
    above, below = [LOWER] * count, (45, 85, 30, 40)
    pieces = [signs("7" * count + ",", *above, comma), signs("4", below)]
    assert kept(pieces, [ink(LOWER, comma), ink(below)]) == ["7" * count + ",", "4"]


@pytest.mark.parametrize("far", [0, 100])
@pytest.mark.parametrize(("other", "expected"), [("8", ""), ("?", ""), ("-", "-")])
def test_two_pieces_of_a_sign_are_the_more_certain_digit(
    far: int, other: str, expected: str
) -> None:
    upper, lower = (12, 7, 22, 20), (17, 21, 15, 19)
    below = [signs("4", (12, 200 + 60 * n, 22, 40)) for n in range(far)]
    whole, part = signs("8", (12, 9, 21, 23)), signs(other, (13, 14, 18, 25), confidence=0.8)
    lines = [ink(upper), ink(lower), *(ink(piece[0].box) for piece in below)]
    assert kept([whole, part, *below], lines) == ["8", expected] + ["4"] * far


def test_a_ring_around_two_digits_is_none() -> None:
    ring, inside = (0, 0, 100, 60), [(20, 15, 20, 30), (55, 15, 20, 30)]
    pieces = [signs("0", ring, confidence=0.8), signs("25", *inside)]
    assert kept(pieces, [ink(ring), ink(*inside)]) == ["", "25"]


def test_one_line_and_no_lines_stay() -> None:
    assert kept([], []) == []
    assert kept([signs("7", LOWER)], [ink(LOWER)]) == ["7"]
    assert kept([[], []], [ink(UPPER), ink(LOWER)]) == ["", ""]


def test_a_digit_that_is_a_piece_itself_replaces_no_other() -> None:
    upper, both, lower = (0, 0, 20, 30), (0, 0, 20, 80), (0, 50, 20, 30)
    lines = [
        signs("3", upper),
        signs("8", both, confidence=0.95),
        signs("5", lower, confidence=0.99),
    ]
    assert kept(lines, [ink(upper), ink(both), ink(lower)]) == ["3", "", "5"]
