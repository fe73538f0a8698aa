"""A row of boxes: the readings of its page and of each box, combined."""

import numpy as np
import pytest

from cnn_mnist.inference import box_row
from cnn_mnist.inference.layout.cell import Cell, straightened
from cnn_mnist.inference.layout.structure import Line, Number
from cnn_mnist.inference.pictures.page import Page
from cnn_mnist.inference.reading import Digit, Reading, text_of

WIDE, PITCH, TOP, HIGH = 58, 80, 30, 72  # px
FRAME, PROBS = np.zeros((28, 28), np.uint8), np.full(10, 0.1, np.float32)
SIDE, IN_SECOND, ABOVE, BESIDE = ("1", 92, 50), ("7", 130, 50), ("12", 30, 2), ("4", 370, 50)
Part = tuple[str, int, int]  # text, x and y of a line


def boxes(down: float = 0) -> list[Cell]:
    """Four empty boxes, each lower than the one before it."""
    page = Page(np.full((200, 420, 3), 245, np.uint8), (420, 200))
    box = np.array([[0, 0], [WIDE, 0], [WIDE, HIGH], [0, HIGH]])
    places = np.array([[30 + PITCH * n, TOP + down * n] for n in range(4)])
    return [straightened(page, box + place) for place in places]


@pytest.fixture
def row() -> list[Cell]:
    return boxes()


def digits(part: Part, height: int) -> list[Digit]:
    text, x, y = part
    return [
        Digit(int(d), 0.9, (x + 20 * n, y, 12, height), FRAME, PROBS) for n, d in enumerate(text)
    ]


def reading(*parts: Part, height: int = 40) -> Reading:
    """A reading of lines of one number each."""
    every = [digits(part, height) for part in parts]
    found = tuple(digit for line in every for digit in line)
    lines = tuple(Line((Number(text_of(line), line[0].box, 0.9),)) for line in every)
    return Reading(found, lines=lines)


def alone(row: list[Cell], text: str, confidence: float = 0.8) -> Reading:
    """A reading of each box; _ is an empty one."""
    written = [c if c != "_" else "" for c in text]
    numbers = [
        Number(c, one.box, confidence if c else 1.0) for c, one in zip(written, row, strict=True)
    ]
    found = [
        Digit(int(c), confidence, one.box, FRAME, PROBS)
        for c, one in zip(written, row, strict=True)
        if c
    ]
    return Reading(tuple(found), lines=(Line(tuple(numbers)),))


@pytest.mark.parametrize(
    ("parts", "read", "expected"),
    [
        ([IN_SECOND], "_7__", ["_ 7 _ _"]),
        ([SIDE], "_7__", ["_ 7 _ _"]),
        ([SIDE, IN_SECOND], "_7__", ["_ 7 _ _"]),
        ([ABOVE, SIDE], "_7__", ["12", "_ 7 _ _"]),
        ([ABOVE, SIDE], "____", ["12"]),
        ([SIDE], "____", ["_ _ _ _"]),
        ([], "_7__", ["_ 7 _ _"]),
    ],
)
def test_what_is_read_between_boxes_is_their_sides(
    row: list[Cell], parts: list[Part], read: str, expected: list[str]
) -> None:
    combined = box_row.combined(reading(*parts), row, alone(row, read))
    assert [line.text for line in combined.lines] == expected
    assert combined.text == "".join(c for line in expected for c in line if c.isdigit())


def test_digits_that_only_the_boxes_show_are_an_answer(row: list[Cell]) -> None:
    nothing = Reading(reason="what is drawn does not look like a digit")
    combined = box_row.combined(nothing, row, alone(row, "0123"))
    assert (combined.text, combined.ok, combined.reason) == ("0123", True, None)


def test_the_more_certain_numbers_are_used(row: list[Cell]) -> None:
    together = reading(IN_SECOND)
    assert box_row.combined(together, row, alone(row, "_1__", 0.8)).text == "7"
    assert box_row.combined(together, row, alone(row, "_1__", 0.95)).text == "1"
    assert box_row.combined(together, row, alone(row, "_17_", 0.8)).text == "17"


def test_a_line_that_goes_on_beyond_the_row_stays(row: list[Cell]) -> None:
    long = reading(("7" * 13, 130, 50))
    assert box_row.combined(long, row, alone(row, "_7__")) is long


def test_low_marks_and_the_side_of_the_last_box_do_not_go_on_from_it(row: list[Cell]) -> None:
    digits = [(7, (130, 50, 12, 40)), (1, (330, 40, 4, 60)), (1, (380, 60, 3, 15))]
    found = [Digit(digit, 0.9, box, FRAME, PROBS) for digit, box in digits]
    page = Reading(tuple(found), lines=(Line((Number("711", (0, 0, 9, 9), 0.9),)),))
    assert box_row.combined(page, row, alone(row, "_7__")).text == "7"


def test_icons_beside_taller_digits_are_no_boxes(row: list[Cell]) -> None:
    tall = reading(("4", 380, 20), height=100)
    assert box_row.combined(tall, row, alone(row, "0_0_")).text == "4"
    low = reading(BESIDE)
    assert box_row.combined(low, row, alone(row, "0_0_")).text == "004"


@pytest.mark.parametrize(("down", "degrees"), [(0, 0), (7, 5), (-10, -7)])
def test_a_row_shows_the_tilt_of_its_page(down: float, degrees: int) -> None:
    assert box_row.fall(boxes(down)) == degrees
