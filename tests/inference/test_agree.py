"""The line network's signs and the classifier's glyphs: which one decides when."""

import numpy as np
import pytest

from cnn_mnist.inference.recognition.agree import Found, agree_on_one, partners
from cnn_mnist.inference.recognition.agree import agree as agree_on_partners
from cnn_mnist.inference.recognition.classifier import NEVER, Thresholds
from cnn_mnist.inference.recognition.line import Box, Sign


def digits(**probs: float) -> np.ndarray:
    """Ten probabilities, of the named digits (d3=0.9)."""
    found = np.zeros(10, np.float32)
    for name, prob in probs.items():
        found[int(name[1:])] = prob
    return found


def sign(character: str, confidence: float, box: Box, **probs: float) -> Sign:
    return Sign(character, confidence, box, digits(**probs))


def agree(
    signs: list[Sign], boxes: list[Box], probs: np.ndarray, decides: Thresholds = NEVER
) -> list[Found]:
    return agree_on_partners(signs, partners(signs, boxes, decides), boxes, probs, decides)


LEFT, RIGHT, BOTH = (0, 0, 20, 40), (25, 0, 20, 40), (0, 0, 45, 40)


def test_one_sign_and_one_glyph_have_the_mean() -> None:
    (found,) = agree([sign("3", 0.6, LEFT, d3=0.6, d5=0.3)], [LEFT], digits(d5=1.0)[None])
    assert found.character == "5"
    assert found.confidence == pytest.approx(0.65)
    assert found.glyph == 0


def test_a_glyph_of_two_signs_is_two_digits() -> None:
    signs = [sign("1", 0.9, LEFT, d1=0.9), sign("0", 0.8, RIGHT, d0=0.8)]
    found = agree(signs, [BOTH], digits(d6=1.0)[None])
    assert [f.character for f in found] == ["1", "0"]
    assert [f.glyph for f in found] == [None, None]


def test_a_glyph_with_a_ring_around_its_digit_is_not_classified() -> None:
    (found,) = agree(
        [sign("3", 0.8, (12, 14, 20, 40), d3=0.8)], [(0, 0, 46, 70)], digits(d0=1)[None]
    )
    assert (found.character, found.glyph) == ("3", None)


def test_a_glyph_inside_its_digit_is_not_classified() -> None:
    """A tick of a comb, or the stem of a 7 whose roof is not in the ink, is a 1 by itself."""
    signs = [sign("8", 0.9, LEFT, d8=0.9), sign("7", 0.9, RIGHT, d7=0.9)]
    found = agree(signs, [LEFT, (38, 10, 6, 30)], np.stack([digits(d8=1.0), digits(d1=1.0)]))
    assert [f.character for f in found] == ["8", "7"]
    assert [f.glyph for f in found] == [0, None]


def test_a_glyph_of_a_digit_and_its_minus_is_not_classified() -> None:
    signs = [sign("-", 0.9, (0, 18, 12, 5)), sign("7", 0.9, (18, 0, 20, 40), d7=0.9)]
    found = agree(signs, [(0, 0, 38, 40)], digits(d4=1.0)[None])
    assert [f.character for f in found] == ["-", "7"]


def test_what_the_line_network_takes_for_no_writing_is_left_out() -> None:
    assert agree([], [LEFT], digits(d1=1.0)[None]) == []


@pytest.mark.parametrize("character", ["?", ",", "/"])
def test_a_sign_stays_a_sign_though_the_classifier_sees_a_digit(character: str) -> None:
    (found,) = agree([sign(character, 0.95, LEFT, d1=0.02)], [LEFT], digits(d1=0.9)[None])
    assert found.character == character
    assert not found.is_digit


def test_a_digit_is_one_though_the_two_differ_which() -> None:
    (found,) = agree([sign("1", 0.9, LEFT, d1=0.9, d7=0.06)], [LEFT], digits(d7=0.92)[None])
    assert found.character == "7"


def test_a_letter_is_a_digit_where_the_classifier_is_sure_enough() -> None:
    signs = [sign("?", 0.8, LEFT, d5=0.15), sign("?", 0.8, RIGHT, d5=0.15)]
    probs = np.stack([digits(d5=0.9), digits(d5=0.6)])
    assert [f.character for f in agree(signs, [LEFT, RIGHT], probs)] == ["5", "?"]


@pytest.mark.parametrize("character", ["?", "/", ","])
def test_the_line_network_knows_what_is_no_digit_among_several_signs(character: str) -> None:
    five, other = sign("5", 0.9, LEFT, d5=0.9), sign(character, 0.9, RIGHT, d1=0.05)
    probs = np.stack([digits(d5=0.9), digits(d1=1.0)])
    assert [f.character for f in agree([five, other], [LEFT, RIGHT], probs)] == ["5", character]
    assert [f.character for f in agree([other], [RIGHT], probs[1:])] == ["1"]


def test_what_neither_is_sure_of_is_no_digit() -> None:
    (found,) = agree([sign("5", 0.5, LEFT, d5=0.5, d6=0.1)], [LEFT], digits(d5=0.3)[None])
    assert found.character == "?"


def test_the_one_digit_of_a_picture_is_the_mean_of_all_readings() -> None:
    near, tight = [sign("8", 0.5, LEFT, d8=0.5)], [sign("3", 0.7, LEFT, d3=0.7)]
    (found,) = agree_on_one([near, tight], [LEFT], digits(d8=0.9)[None])
    assert found.character == "8"
    assert found.confidence == pytest.approx((0.25 + 0.9) / 2)


def test_a_frame_taken_for_the_glyph_gives_way_to_the_sign_elsewhere() -> None:
    frame = (80, 0, 5, 100)
    (found,) = agree_on_one([[sign("4", 0.9, LEFT, d4=0.9)], []], [frame], digits(d1=1.0)[None])
    assert found.character == "4"
    assert found.glyph is None


def test_the_one_digit_of_a_picture_may_have_a_ring_around_it() -> None:
    inside, ring = (12, 14, 20, 40), (0, 0, 46, 70)
    (found,) = agree_on_one([[sign("3", 0.8, inside, d3=0.8)]], [ring], digits(d0=1.0)[None])
    assert found.character == "3"


def test_the_soft_edges_of_a_small_glyph_are_no_ring() -> None:
    six = sign("6", 0.8, (2, 2, 11, 15), d6=0.8)
    (found,) = agree_on_one([[six]], [(0, 0, 15, 21)], digits(d9=0.99)[None])
    assert (found.character, found.glyph) == ("9", 0)


def test_a_glyph_that_is_a_piece_of_the_digit_is_not_classified() -> None:
    seven, bar = sign("7", 0.93, (12, 10, 95, 88), d7=0.93), sign("-", 0.9, (18, 20, 28, 16))
    (found,) = agree_on_one([[bar], [seven]], [(0, 3, 34, 55)], digits(d8=0.3)[None])
    assert (found.character, found.glyph) == ("7", None)


def test_without_a_sign_there_is_nothing() -> None:
    assert agree_on_one([[], []], [LEFT], digits(d1=1.0)[None]) == []


def test_a_classifier_that_knows_the_hand_decides_where_it_is_sure() -> None:
    signs = [sign("1", 0.99, LEFT, d1=0.99), sign("?", 1.0, RIGHT)]
    probs = np.stack([digits(d7=0.92), digits(d4=0.92)])
    assert [f.character for f in agree(signs, [LEFT, RIGHT], probs)] == ["1", "?"]
    assert [f.character for f in agree(signs, [LEFT, RIGHT], probs, (0.9,) * 10)] == ["7", "4"]
    assert [f.character for f in agree(signs, [LEFT, RIGHT], probs, (0.93,) * 10)] == ["1", "?"]


def test_a_classifier_decides_about_the_digits_that_it_knows_better() -> None:
    signs = [sign("1", 0.99, LEFT, d1=0.99), sign("?", 1.0, RIGHT)]
    probs = np.stack([digits(d7=0.92), digits(d4=0.92)])
    only_sevens = tuple(0.9 if digit == 7 else never for digit, never in enumerate(NEVER))
    assert [f.character for f in agree(signs, [LEFT, RIGHT], probs, only_sevens)] == ["7", "?"]


def test_a_comma_is_none_though_the_classifier_knows_the_hand() -> None:
    comma, probs = sign(",", 0.95, LEFT, d1=0.01), digits(d1=0.95)[None]
    both = [comma, sign("1", 0.95, RIGHT, d1=0.95)]
    read = agree(both, [LEFT, RIGHT], probs.repeat(2, axis=0), (0.9,) * 10)
    assert [f.character for f in read] == [",", "1"]
    assert [f.character for f in agree_on_one([[comma]], [LEFT], probs, (0.9,) * 10)] == ["1"]


def test_only_what_may_be_a_digit_is_classified() -> None:
    signs = [
        sign("7", 0.9, LEFT, d7=0.9),
        sign("?", 0.95, RIGHT, d1=0.02),
        sign("/", 0.9, (50, 0, 20, 40)),
    ]
    boxes = [sign.box for sign in signs]
    assert partners(signs, boxes, NEVER) == [0, None, None]
    assert partners(signs, boxes, (0.9,) * 10) == [0, 1, None]
    assert [partners([sign], [sign.box], NEVER) for sign in signs] == [[0]] * 3
