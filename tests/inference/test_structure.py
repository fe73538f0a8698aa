"""Lines of numbers, numbers of digits and signs."""

import numpy as np
import pytest

from cnn_mnist.inference.layout.structure import Line, Number, lines_of
from cnn_mnist.inference.layout.words import without_words
from cnn_mnist.inference.recognition.agree import Found


def sign(character: str, confidence: float, box: tuple[int, int, int, int]) -> Found:
    p_digit = 0.9 if character.isdigit() else 0.0
    return Found(character, confidence, box, np.zeros(10), p_digit, None)


def written(text: str, y: int = 0, confidence: float = 0.9) -> list[Found]:
    """Signs 20 px wide and 40 high, 10 px apart; a space moves the next one by 40 px."""
    found, x = [], 0
    for character in text:
        if character == " ":
            x += 40
            continue
        found.append(sign(character, confidence, (x, y, 20, 40)))
        x += 30
    return found


def lines(*rows: list[Found]) -> tuple[Line, ...]:
    return lines_of(list(rows), lambda box: box)


@pytest.mark.parametrize(
    "text", ["12/03/2024", "1,250", "-42", "3.14", "7+5=12", "$20.00", "(030)", "5%", "-7°"]
)
def test_a_number_keeps_its_signs(text: str) -> None:
    (line,) = lines(written(text))
    (number,) = line.numbers
    assert number.text == text
    assert number.digits == "".join(c for c in text if c.isdigit())
    assert number.box == (0, 0, 30 * len(text) - 10, 40)
    assert number.confidence == pytest.approx(0.9 ** len(text))


def test_a_wide_gap_makes_two_numbers() -> None:
    (line,) = lines(written("12 345"))
    assert [number.text for number in line.numbers] == ["12", "345"]
    assert line.text == "12 345"


def in_squares(*rows: str) -> list[list[Found]]:
    """Signs 40 px high in the middles of squares of 50 px; a 1 is narrower than others."""
    return [
        [
            sign(character, 0.9, (50 * place - wide // 2, 100 * number, wide, 40))
            for place, character in enumerate(row)
            if character != " "
            for wide in [4 if character == "1" else 24]
        ]
        for number, row in enumerate(rows)
    ]


def test_digits_in_squares_are_one_number_whatever_their_width() -> None:
    found = lines(*in_squares("  116   535", " +317  +101", "  433   636"))
    assert [line.text for line in found] == ["116 535", "+317 +101", "433 636"]


def test_a_narrow_digit_after_a_wide_gap_begins_a_number() -> None:
    row = [sign(c, 0.9, (x, 0, 20, 40)) for c, x in zip("234", (0, 30, 60), strict=True)]
    (line,) = lines([*row, sign("1", 0.9, (120, 0, 4, 40))])
    assert line.text == "234 1"


def test_a_plus_stands_left_of_the_longest_number_of_a_sum() -> None:
    assert [line.text for line in lines(*in_squares("  906", "+ 535", " 1441"))] == [
        "906",
        "+535",
        "1441",
    ]


def test_a_minus_behind_an_amount_does_not_reach_the_next() -> None:
    first, second = written("12.-"), written("25")
    moved = [s._replace(box=(s.box[0] + 110 + 70, *s.box[1:])) for s in second]
    (line,) = lines([*first, *moved])
    assert [number.text for number in line.numbers] == ["12.-", "25"]


def test_a_wide_gap_beside_a_comma_does_not() -> None:
    (line,) = lines(written("1 ,250"))
    assert line.text == "1,250"


def test_a_letter_ends_a_number() -> None:
    (line,) = lines(written("12?34"))
    assert line.text == "12 34"


def test_signs_alone_are_no_number() -> None:
    assert lines(written("-/-")) == ()
    assert lines() == ()


def test_each_line_of_the_page_is_a_line() -> None:
    read = lines(written("407"), written("25", y=100))
    assert [line.text for line in read] == ["407", "25"]
    assert read[1].numbers[0].box == (0, 100, 50, 40)


def test_a_minus_belongs_to_the_digit_that_it_is_nearer_to() -> None:
    first, minus, second = written("1-2")
    far = [first, minus._replace(box=(60, 0, 20, 40)), second._replace(box=(85, 0, 20, 40))]
    (line,) = lines(far)
    assert line.text == "1 -2"


def test_a_bracket_belongs_to_the_number_that_it_closes() -> None:
    item, bracket, number = written("1)7")
    apart = [item, bracket, number._replace(box=(100, 0, 20, 40))]
    (line,) = lines(apart)
    assert line.text == "1) 7"


def test_brackets_much_taller_than_the_digits_are_a_ring_around_them() -> None:
    def surrounded(height: int) -> list[Found]:
        opening, *digits, closing = written("(51)")
        ends = [end._replace(box=(end.box[0], 0, 20, height)) for end in (opening, closing)]
        return [ends[0], *digits, ends[1]]

    assert lines(surrounded(60))[0].text == "(51)"
    assert lines(surrounded(70))[0].text == "51"


def kept(*rows: list[Found]) -> list[str]:
    return ["".join(sign.character for sign in row) for row in without_words(list(rows))]


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("12?34", "12?34"),  # one digit taken for a letter
        ("?0?", "???"),  # a letter taken for a digit
        ("40??", "40??"),  # a number with its unit
        ("??40", "????"),
        ("?0??1 12.50", "????? 12.50".replace(" ", "")),  # Total 12.50
        ("?0??1  12.50", "?????12.50"),
    ],
)
def test_letters_take_their_word_along_and_not_the_number_beside(said: str, left: str) -> None:
    assert kept(narrow(said)) == [left]


@pytest.mark.parametrize(("marks", "left"), [("?", "30?"), ("??", "????")])
def test_the_digits_beside_a_tall_mark_are_no_print_but_beside_a_tall_word(
    marks: str, left: str
) -> None:
    tall = [one._replace(box=(65 + one.box[0], -20, 20, 60)) for one in narrow(marks)]
    assert kept([*narrow("30"), *tall]) == [left]


def test_a_capital_letter_taken_for_a_digit_is_no_number_with_a_unit() -> None:
    large, *small = narrow("30??")  # Bonn
    assert kept([large._replace(box=(0, -25, 20, 65)), *small]) == ["????"]


def doubtful(*digits: float) -> list[Found]:
    """Signs side by side that may be a 7, with these probabilities of it."""
    found = []
    for one, p in zip(narrow("7" * len(digits)), digits, strict=True):
        seven = one._replace(digit_probs=np.eye(10)[7] * p, p_digit=p)
        found.append(seven.as_digit() if p >= 0.5 else seven.as_letter())
    return found


@pytest.mark.parametrize(
    ("digits", "left"),
    [
        ((0.9, 0.3, 0.9), "777"),
        ((0.3, 0.9, 0.9), "777"),
        ((0.95, 0.95, 0.001, 0.95), "77?7"),  # a letter for certain, such as the x of 3x4
        ((0.1, 0.9, 0.1), "???"),
        ((0.3,), "?"),
    ],
)
def test_a_doubtful_sign_is_what_its_neighbours_are(digits: list[float], left: str) -> None:
    assert kept(doubtful(*digits)) == [left]


@pytest.mark.parametrize(
    ("digits", "left"),
    [
        ((0.8, 0.001, 0.99, 0.99), "7?77"),  # unsure digits beside an x are no letters
        ((0.99, 0.99, 0.05, 0.99), "77?7"),  # and the x is no digit
        ((0.99, 0.99, 0.15, 0.99), "7777"),
    ],
)
def test_an_x_between_numbers_leaves_them_as_they_are(digits: list[float], left: str) -> None:
    assert kept(doubtful(*digits)) == [left]


@pytest.mark.parametrize(("foot", "left"), [(33, "??1250??"), (40, "????????")])
def test_asterisks_around_a_number_are_no_letters(foot: int, left: str) -> None:
    signs = narrow("??1250??")
    low = [s if s.is_digit else s._replace(box=(s.box[0], foot - 20, 20, 20)) for s in signs]
    assert kept(low) == [left]


def test_letters_above_the_foot_of_a_capital_are_no_asterisks() -> None:
    capital, *small = narrow("5???")
    assert kept([capital._replace(box=(0, 0, 20, 46)), *small]) == ["????"]


@pytest.mark.parametrize(
    ("digits", "side", "left"),
    [
        ((0.6,), 40, "?"),
        ((0.6,), 15, "7"),  # specks
        ((0.98,), 40, "7"),
        ((0.6, 0.98, 0.98, 0.98), 40, "7777"),  # two unread marks for each digit
    ],
)
def test_a_doubtful_digit_among_unread_marks_is_none(
    digits: list[float], side: float, left: str
) -> None:
    (row,) = without_words([doubtful(*digits)], [(0, 500, side, 9)] * 6)
    assert "".join(sign.character for sign in row) == left


@pytest.mark.parametrize(("certain", "left"), [([], "?"), ([0.9], "77")])
def test_a_digit_less_probable_than_none_counts_only_beside_others(
    certain: list[float], left: str
) -> None:
    """It is a digit rather than a letter, but which one is in doubt."""
    (sign,) = doubtful(0.6)
    (row,) = without_words([[sign._replace(confidence=0.3), *doubtful(*certain)]])
    assert "".join(one.character for one in row) == left


def test_a_doubtful_digit_makes_its_number_doubtful() -> None:
    (line,) = lines(without_words([doubtful(0.9, 0.3, 0.9)])[0])
    assert line.numbers[0].confidence == pytest.approx(0.9 * 0.3 * 0.9)


def narrow(text: str) -> list[Found]:
    """As `written`, with 5 px between signs and 20 more for a space."""
    found, x = [], 0
    for character in text:
        if character != " ":
            found.append(sign(character, 0.9, (x, 0, 20, 40)))
        x += 20 if character == " " else 25
    return found


def test_a_capital_is_no_number_before_its_spaced_letters() -> None:
    word = [sign._replace(box=(32 * place, 0, 20, 40)) for place, sign in enumerate(written("5??"))]
    assert kept(word) == ["???"]


@pytest.mark.parametrize(
    ("height", "confidence", "left"),
    [(22, 0.6, "????"), (22, 0.95, "7000"), (38, 0.6, "7000")],
)
def test_doubtful_digits_as_low_as_the_print_beside_handwriting_are_letters(
    height: int, confidence: float, left: str
) -> None:
    def number(text: str, high: int, sure: float) -> list[Found]:
        return [
            sign(character, sure, (high * place, 0, high // 2, high))
            for place, character in enumerate(text)
        ]

    words = [number("????", 20, 0.9) for _ in range(4)]
    written = [number("1250", 40, 0.97) for _ in range(4)]
    *_, last = kept(*words, *written, number("7000", height, confidence))
    assert last == left


@pytest.mark.parametrize(
    ("heights", "confidence", "left"),
    [
        ((40, 22, 24), 0.7, "???"),  # Gas
        ((40, 22, 24), 0.95, "605"),
        ((40, 38, 40), 0.7, "605"),
        ((28,), 0.7, "6"),  # too few digits to tell
    ],
)
def test_a_doubtful_word_of_a_capital_and_small_letters_is_no_number_beside_taller_ones(
    heights: tuple[int, ...], confidence: float, left: str
) -> None:
    doubtful = [
        sign(character, confidence, (25 * place, 40 - high, 20, high))
        for place, (character, high) in enumerate(zip("605", heights, strict=False))
    ]
    words = [[s._replace(box=(*s.box[:3], 24)) for s in narrow("????")] for _ in range(3)]
    numbers = [written("1250", confidence=0.97) for _ in range(3)]
    *_, last = kept(*words, *numbers, doubtful)
    assert last == left


def test_a_sentence_has_no_numbers() -> None:
    assert kept(narrow("?0? ??5 15 ??? 0?")) == ["?????????????"]


def test_digits_that_nobody_is_sure_of_among_letters_are_text() -> None:
    letters = [written("?????", y=100 * row) for row in range(3)]
    assert kept(*letters, written("4071", y=300, confidence=0.8))[-1] == "????"
    assert kept(*letters, written("4071", y=300, confidence=0.95))[-1] == "4071"
    form = [written("4071", y=100 * row, confidence=0.85) for row in range(3, 9)]
    assert kept(*letters, *form)[3:] == ["4071"] * 6


@pytest.mark.parametrize(("confidence", "left"), [(0.99, "4071"), (0.96, "????"), (0.9, "????")])
def test_a_number_among_many_words_must_be_the_more_certain(confidence: float, left: str) -> None:
    text = [written("??????????", y=100 * row) for row in range(4)]
    assert kept(*text, written("4071", y=400, confidence=confidence))[-1] == left


def test_a_certain_number_among_words_does_not_vouch_for_doubtful_ones() -> None:
    text = [written("??????????", y=100 * row) for row in range(3)]
    sure, unsure = written("4071", y=300, confidence=0.99), written("8", y=400, confidence=0.6)
    assert kept(*text, sure, unsure)[-2:] == ["4071", "?"]
    form = [written("4071", y=100 * row, confidence=0.99) for row in range(3, 9)]
    assert kept(*text, *form, unsure)[-1] == "8"


def test_without_the_doubtful_numbers_the_others_are_more_doubtful() -> None:
    text = [written("??????????", y=100 * row) for row in range(5)]
    doubtful = [written("50", y=100 * row, confidence=0.8) for row in range(5, 9)]
    better = written("10", y=900, confidence=0.97)
    assert kept(*text, *doubtful, better)[-1] == "??"


def test_a_page_of_text_has_no_numbers_but_what_is_written_over_it() -> None:
    text = [written("??????????", y=100 * row) for row in range(3)]
    stray = written("50", y=300, confidence=0.95)
    large = [sign._replace(box=(0, 400, 60, 90)) for sign in written("5", confidence=0.95)]
    assert kept(*text, stray, large)[-2:] == ["??", "5"]


def test_an_empty_cell_is_a_number_without_text() -> None:
    box = 0, 0, 40, 40
    line = Line((Number("12", box, 0.9), Number("", box, 0.8), Number("-3", box, 0.7)))
    assert line.text == "12 _ -3"
    said = line.to_dict()
    assert said["text"] == "12 _ -3"
    assert said["numbers"][1] == {
        "text": "", "digits": "", "box": [0, 0, 40, 40], "confidence": 0.8,
    }  # fmt: skip
