"""A slash, or a 1 that leans."""

import numpy as np
import pytest

from cnn_mnist.inference.recognition.line import Sign
from cnn_mnist.inference.recognition.slashes import consistent, leaning

ONE = np.eye(10, dtype=np.float32)[1]
HEIGHT = 40  # of a digit


def line(text: str, slash_height: float = 1.3, p_one: float = 0.03, gap: int = 8) -> list[Sign]:
    """The signs of a text; a space is a gap between two numbers."""
    signs, x = [], 0.0
    for character in text:
        if character == " ":
            x += 2 * HEIGHT
            continue
        high = HEIGHT * (slash_height if character == "/" else 1)
        probs = ONE * (p_one if character == "/" else character == "1")
        signs.append(Sign(character, 0.9, (x, 0, 22, high), probs))
        x += 22 + gap
    return signs


def text(signs: list[Sign]) -> str:
    return "".join(sign.character for sign in signs)


@pytest.mark.parametrize(
    "written",
    [
        *("12/03/2024", "1/4/58", "2024/12/03", "12/2024", "2023/24"),
        *("3/4", "120/80", "17/20=85%", "12450/100", "$2500/-", "1/2024 4500", "12345 1/2", "/"),
    ],
)
def test_dates_and_fractions_keep_their_slashes(written: str) -> None:
    assert text(leaning(line(written))) == written.replace(" ", "")


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("449/296111", "4491296111"),
        ("49/537/45", "491537145"),
        ("34/029", "341029"),
        ("3022/01", "3022101"),
        ("877/4506", "87714506"),
        ("/9941", "19941"),
    ],
)
def test_a_slash_in_any_other_number_is_a_one(written: str, expected: str) -> None:
    signs = leaning(line(written))
    assert text(signs) == expected
    for character, sign in zip(written.replace(" ", ""), signs, strict=True):
        if character == "/":
            assert sign.confidence == sign.digit_probs[1] == pytest.approx(0.93)


def test_digits_in_boxes_are_one_number() -> None:
    """They are as far apart as numbers are, but so is the slash from them."""
    assert text(leaning(line("7477/39", gap=40))) == "7477139"
    assert text(leaning(line("7/3", gap=40))) == "7/3"


def test_a_slash_no_taller_than_the_digits_is_a_leaning_one() -> None:
    low = line("4/7", slash_height=1.05, p_one=0.2)
    assert text(leaning(low)) == "417"
    assert text(leaning(line("4/7", slash_height=1.05, p_one=0.05))) == "4/7"
    assert text(leaning(line("4/7/98", slash_height=1.05, p_one=0.2))) == "4/7/98"  # a date


@pytest.mark.parametrize(
    ("width", "p_one", "read"),
    [(8, 0.95, "7/16"), (20, 0.95, "7116"), (8, 0.85, "7116")],
)
def test_a_low_slash_beside_certain_upright_ones_is_no_leaning_one(
    width: int, p_one: float, read: str
) -> None:
    seven, slash, one, six = line("7/16", slash_height=1.05, p_one=0.2)
    one = one._replace(box=(*one.box[:2], width, HEIGHT), confidence=p_one)
    assert text(leaning([seven, slash, one, six])) == read


def test_a_certain_slash_stays() -> None:
    assert text(leaning(line("449/296111", p_one=0.005))) == "449/296111"


def test_signs_without_digits_stay() -> None:
    assert leaning([]) == []
    assert text(leaning(line("//"))) == "//"


def doubtful(text: str, place: int, width: int = 22, p_slash: float = 0.2) -> list[Sign]:
    """A line whose 1s are upright but for one, which is as tall as a slash."""
    signs = [
        sign._replace(box=(*sign.box[:2], 8, HEIGHT)) if sign.character == "1" else sign
        for sign in line(text)
    ]
    x, y, _, _ = signs[place].box
    signs[place] = signs[place]._replace(
        box=(x, y, width, 1.2 * HEIGHT), confidence=0.8, p_slash=p_slash
    )
    return signs


def test_a_doubtful_one_is_a_slash_if_it_looks_like_those_of_the_page() -> None:
    fraction = consistent([doubtful("7116", 1), line("3/15")])[0]
    assert text(fraction) == "7/16"
    assert fraction[1].digit_probs[1] == 0
    assert text(consistent([line("3/15"), doubtful("11", 1)])[1]) == "11"  # no fraction
    assert text(consistent([line("3/15"), doubtful("7116", 1, width=10)])[1]) == "7116"
    assert text(consistent([line("3/15"), doubtful("7116", 1, p_slash=0.05)])[1]) == "7116"


def test_of_two_doubtful_ones_the_likelier_is_the_slash() -> None:
    both = doubtful("2112", 1, p_slash=0.12)
    both[2] = doubtful("2112", 2, p_slash=0.47)[2]
    both[2].digit_probs[1] = 0.5
    fraction = consistent([line("3/25"), both])[1]
    assert text(fraction) == "21/2"
    assert fraction[2].confidence == pytest.approx(0.97)


def test_without_another_slash_a_doubtful_one_stays() -> None:
    assert text(consistent([doubtful("7116", 1), line("315")])[0]) == "7116"
    assert consistent([]) == []
