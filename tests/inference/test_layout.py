"""Which line of a page each box stands in, against a plain comparison of all pairs."""

from itertools import accumulate

import cv2
import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from cnn_mnist import Reader
from cnn_mnist.inference.layout.lines import Layout, _joined
from cnn_mnist.inference.layout.rows import REACH, without_combs
from cnn_mnist.inference.recognition.line import Sign
from drawn import coverage

SIDES = st.integers(1, 40)
PLACES = st.integers(0, 400)
BOXES = st.lists(st.tuples(PLACES, PLACES, SIDES, SIDES), max_size=150)

Box = tuple[float, float, float, float]


def plain(boxes: list[Box]) -> list[set[Box]]:
    """Lines in the order of their tallest box: each box joins that of the nearest taller one."""
    lines: list[set[Box]] = []
    weights = sorted((high, wide**2 + high**2) for _, _, wide, high in boxes)
    below = list(accumulate(weight for _, weight in weights))
    heavy = [high for (high, _), w in zip(weights, below, strict=True) if w >= below[-1] / 2]
    typical = min(heavy, default=0)
    seen: list[tuple[Box, set[Box]]] = []
    for box in sorted(boxes, key=lambda box: -box[3]):
        x, y, width, height = box
        near = [
            (max(left - x - width, x - left - wide), line)
            for (left, top, wide, high), line in seen
            if (
                min(y + height, top + high) - max(y, top) > 0.4 * height
                or (
                    height < 0.75 * high
                    and top + high / 2 < y < top + high
                    and max(left - x - width, x - left - wide) < height
                )
            )
            and high <= 2 * max(height, typical)
            and max(left - x - width, x - left - wide) < REACH * high
        ]
        if near:
            line = min(near, key=lambda pair: pair[0])[1]
        else:
            lines.append(line := set())
        line.add(box)
        seen.append((box, line))
    return lines


@given(BOXES, st.sampled_from([(1, 1), (8, 1), (1, 8)]))
@example([(0, 0, 1, 3), (0, 0, 1, 3), (0, 0, 3, 6), (0, 4, 1, 3), (0, 5, 2, 3)], (1, 1))
def test_lines_are_those_of_a_comparison_of_all_pairs(
    places: list[Box], stretch: tuple[int, int]
) -> None:
    across, down = stretch
    boxes: list[Box] = [(x * across, y * down, wide, high) for x, y, wide, high in places]
    boxes = [box for box in boxes if box[2] < 8 * box[3]]
    assume(len(without_combs(np.reshape(np.array(boxes, float), (-1, 4)))) == len(boxes))
    layout = Layout.of(boxes)
    if layout.slope:
        return
    found = [set(map(tuple, line.astype(int).tolist())) for line in layout.lines]
    assert found == plain(boxes)


@pytest.mark.parametrize("slope", [0.0, 0.1])
def test_rows_of_digits_are_lines(slope: float) -> None:
    boxes: list[Box] = [
        (30 * i, round(200 + 90 * row + slope * 30 * i), 20, 40)
        for row in range(30)
        for i in range(40)
    ]
    layout = Layout.of(boxes)
    assert [len(line) for line in layout.lines] == [40] * 30
    assert layout.slope == pytest.approx(slope, abs=0.01)


def test_the_ticks_of_a_comb_are_no_signs() -> None:
    digits: list[Box] = [(40 + 60 * i, 20 + i % 3, 36, 48) for i in range(6)]
    ticks: list[Box] = [(25 + 60 * i, 55, 4, 26) for i in range(7) if i != 3]  # one joins a digit
    layout = Layout.of(digits + ticks)
    assert [line.tolist() for line in layout.lines] == [[list(box) for box in digits]]


def test_ones_and_commas_are_no_ticks() -> None:
    digits: list[Box] = [(40 + 60 * i, 20, 36, 48) for i in range(6)]
    ones: list[Box] = [(25 + 60 * i, 20, 4, 48) for i in range(7)]
    commas: list[Box] = [(25 + 60 * i + 9 * (i % 2), 60, 4, 14) for i in range(7)]
    for marks in (ones, commas):
        assert sum(map(len, Layout.of(digits + marks).lines)) == 13


def test_a_mark_taller_than_two_lines_joins_none() -> None:
    digits: list[Box] = [(40 * i, 20 + 90 * row, 30, 40) for row in range(3) for i in range(5)]
    tick: Box = (220, 0, 60, 140)
    lines = Layout.of([*digits, tick]).lines
    assert sorted(map(len, lines)) == [1, 5, 5, 5]


def test_a_comma_below_its_line_is_on_it() -> None:
    digits: list[Box] = [(40 * i, 20, 30, 40) for i in range(4)]
    below: list[Box] = [(40 * i, 90, 30, 40) for i in range(4)]
    comma: Box = (112, 52, 8, 24)
    lines = Layout.of([*digits, *below, comma]).lines
    assert [len(line) for line in lines] == [5, 4]


def test_no_boxes_have_no_lines() -> None:
    assert Layout.of([]) == ([], 0.0)


def write(page: NDArray[np.uint8], text: str, left: int, top: int, height: int = 40) -> None:
    """Write a number; left and top are those of its margin."""
    ink = coverage(text, height, 4)
    seen = page[top : top + ink.shape[0], left : left + ink.shape[1]]
    np.minimum(seen, (245 * (1 - ink)).astype(np.uint8), out=seen)


def numbers_in(page: NDArray[np.uint8]) -> list[list[str]]:
    return [[number.text for number in line.numbers] for line in Reader().read(page).lines]


def test_numbers_that_rise_are_in_one_line_with_distant_ones() -> None:
    page = np.full((460, 1300), 245, np.uint8)
    rows = [["4072", "5193"], ["2580", "3764"], ["7325", "4290"]]
    for (row, column), number in np.ndenumerate(rows):
        for place, digit in enumerate(number):
            write(page, digit, 60 + 900 * column + 32 * place, round(60 + 110 * row - 1.5 * place))
    assert numbers_in(page) == rows


def test_a_number_partly_above_its_neighbours_line_is_read_once() -> None:
    page = np.full((300, 900), 245, np.uint8)
    for text, left, top in (("11", 180, 120), ("47", 380, 75), ("1", 640, 120)):
        write(page, text, left, top, height=60)
    assert numbers_in(page) == [["47"], ["11", "1"]]


def test_a_tall_mark_between_two_lines_does_not_join_them() -> None:
    page = np.full((420, 1000), 245, np.uint8)
    write(page, "4703", 40, 120)
    write(page, "8902", 790, 210)
    cv2.line(page, (470, 145), (500, 265), 0, 4, cv2.LINE_AA)
    assert [line for line in numbers_in(page) if line != ["1"]] == [["4703"], ["8902"]]


def test_low_signs_do_not_place_an_amount_below_its_line() -> None:
    def signs(text: str, x: float) -> list[Sign]:
        return [
            Sign(
                c,
                0.99,
                (x + 30 * n, 10, 25, 40) if c.isdigit() else (x + 30 * n, 48, 8, 8),
                np.zeros(10, np.float32),
            )
            for n, c in enumerate(text)
        ]

    label, amount = signs("12", 0), signs("5,-.-", 400)
    assert _joined([label, amount], 0.0) == [[*label, *amount]]
