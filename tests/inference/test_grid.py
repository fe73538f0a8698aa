"""Grids are found by their lines, and read cell by cell; what only looks like one is not."""

from collections.abc import Callable
from itertools import product

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from cnn_mnist import Reader
from cnn_mnist.inference.layout import grid, orientation, quads, view
from cnn_mnist.inference.layout.lattice import Lattice
from cnn_mnist.inference.pictures.page import Page
from cnn_mnist.inference.reader import CROWDED, EMPTY_GRID
from drawn import coverage
from drawn import page as written

Grey = NDArray[np.uint8]
ROWS = [["12", "", "7"], ["", "305", "48"], ["9", "61", ""], ["2", "", "30"]]
WIDE, HIGH, MARGIN = 150, 70, 60


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader()


def form(rows: list[list[str]], thickness: int = 2, line: int = 60) -> Grey:
    """A table with room around it."""
    height, width = HIGH * len(rows), WIDE * len(rows[0])
    page = np.full((height + 2 * MARGIN, width + 2 * MARGIN), 245, np.uint8)
    for row in range(len(rows) + 1):
        y = MARGIN + HIGH * row
        cv2.line(page, (MARGIN, y), (MARGIN + width, y), line, thickness)
    for column in range(len(rows[0]) + 1):
        x = MARGIN + WIDE * column
        cv2.line(page, (x, MARGIN), (x, MARGIN + height), line, thickness)
    for (row, column), text in np.ndenumerate(rows):
        if text:
            put(page, text, MARGIN + WIDE * column + 8, MARGIN + HIGH * row)
    return page


def boxes_in_a_row(count: int, pitch: int, wide: int) -> Grey:
    page = np.full((140, 60 + pitch * count), 245, np.uint8)
    for x in range(30, 30 + pitch * count, pitch):
        cv2.rectangle(page, (x, 30), (x + wide, 102), 60, 2)
    return page


def put(page: Grey, text: str, x: int, y: int, height: int = 36) -> None:
    ink = coverage(text, height, 4)[2:-2]
    part = page[y + 1 : y + 1 + ink.shape[0], x : x + ink.shape[1]]
    np.minimum(part, (245 * (1 - ink)).astype(np.uint8), out=part)


def turned(page: Grey) -> Grey:
    height, width = page.shape
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 7, 0.9)
    return np.asarray(cv2.warpAffine(page, turn, (width, height), borderValue=245), np.uint8)


def at_an_angle(page: Grey) -> Grey:
    height, width = page.shape
    seen = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    moved = seen + np.array([[50, 20], [-20, 0], [0, -10], [-5, 0]], np.float32)
    matrix = cv2.getPerspectiveTransform(seen, moved)
    flat = cv2.warpPerspective(page, matrix, (width, height), borderValue=245)
    return np.asarray(flat, np.uint8)


def bent(page: Grey) -> Grey:
    y, x = (np.asarray(axis, np.float32) for axis in np.indices(page.shape))
    moved = (y + 12 * np.sin(np.pi * x / page.shape[1])).astype(np.float32)
    return np.asarray(cv2.remap(page, x, moved, cv2.INTER_LINEAR, borderValue=245), np.uint8)


def shaded(page: Grey) -> Grey:
    light = np.linspace(0.35, 1, page.shape[1])
    noise = np.random.default_rng(0).normal(0, 3, page.shape)
    return np.clip(page * light + noise, 0, 255).astype(np.uint8)


def band(page: Grey, slope: float, right: int = 0, wide: int = 70) -> NDArray[np.float64]:
    """The light of a page with a hard-edged band of shadow through its middle, or right of it."""
    y, x = np.indices(page.shape)
    away = y - page.shape[0] / 2 - slope * (x - page.shape[1] / 2 - right)
    away /= np.hypot(1, slope)
    shade = np.clip(0.5 + away / 2, 0, 1) * np.clip(0.5 + (wide - away) / 2, 0, 1)
    return np.asarray(1 - 0.45 * shade)


def flat(page: Grey) -> Grey:
    return page


def texts(reader: Reader, page: Grey) -> list[list[str]]:
    return [[number.text for number in line.numbers] for line in reader.read(page).lines]


@pytest.mark.parametrize("thickness", [1, 5])
@pytest.mark.parametrize("way", [flat, turned, at_an_angle, bent, shaded])
def test_a_table_keeps_its_rows_and_columns(
    way: Callable[[Grey], Grey], thickness: int, reader: Reader
) -> None:
    assert texts(reader, way(form(ROWS, thickness))) == ROWS


@pytest.mark.parametrize("sides", ["left", "left top", "left right", "left top right bottom"])
def test_a_picture_may_be_cut_within_the_outer_lines(sides: str, reader: Reader) -> None:
    rows = [
        ["12", "", "7", "40"],
        ["", "305", "48", ""],
        ["9", "61", "", "2"],
        ["2", "", "30", "51"],
    ]
    page, cut = form(rows), MARGIN + 6
    low = [cut if side in sides else 0 for side in ("top", "left")]
    high = [-cut if side in sides else None for side in ("bottom", "right")]
    assert texts(reader, page[low[0] : high[0], low[1] : high[1]]) == rows


@pytest.mark.parametrize("degrees", [-5, 5])
def test_corners_where_the_border_cuts_a_tilted_grid_displace_none(degrees: float) -> None:
    page = form([[""] * 4] * 6)
    height, width = page.shape
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
    seen = cv2.warpAffine(page, turn, (width, height), borderValue=245)
    cut = MARGIN + 25
    (found,) = grid.find(np.asarray(seen[cut:-cut, cut:-cut], np.uint8))
    assert found.shape[:2] == (6, 4)


@pytest.mark.parametrize("rows", [1, 2])
def test_boxes_that_are_all_cut_off_are_found(rows: int) -> None:
    row = boxes_in_a_row(8, pitch=70, wide=70)
    page = row[40:] if rows == 1 else np.vstack([row[40:102], row[32:92]])
    (found,) = grid.find(page)
    assert found.shape[:2] == (rows, 8)


@pytest.mark.parametrize(("across", "high"), [(15, 70), (5, 25)])
def test_lines_between_the_borders_bound_no_cells(across: int, high: int) -> None:
    page = np.full((high * across, 900), 245, np.uint8)
    page[high // 2 :: high] = 120
    page[:, 100:103] = 120  # the margin of a notebook
    assert grid.find(page) == []
    assert grid.find(np.ascontiguousarray(page.T)) == []


def test_numbers_cut_off_at_the_border_do_not_make_a_table_squared_paper(reader: Reader) -> None:
    rows = [["", "4000", "", "4000"], ["", "", "7", ""], ["", "", "12", ""], ["", "4000", "", ""]]
    page = form(rows)[MARGIN + 20 : -MARGIN - 25, MARGIN + 20 : -MARGIN - 20]
    read = texts(reader, page)
    assert [len(row) for row in read] == [4] * 4
    assert [row[1:3] for row in read[1:3]] == [["", "7"], ["", "12"]]


def lattice(rows: int, columns: int, left: int, num_found: int) -> Lattice:
    corner = np.stack(np.meshgrid(range(left, left + columns), range(rows)), axis=-1)
    cell = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
    return Lattice(corner[:, :, None] + cell, num_found)


def test_a_grid_that_one_mask_cuts_in_two_is_taken_whole_from_another() -> None:
    parts = [lattice(3, 7, 0, 19), lattice(3, 4, 7, 10)]
    whole = lattice(3, 11, 0, 27)
    other = lattice(3, 3, 20, 9)
    best = grid._completed([[], [*parts, other], [whole]])
    assert len(best) == 2
    assert best[0] is whole
    assert best[1] is other


def test_a_larger_part_that_overlaps_another_one_is_not_taken() -> None:
    parts = [lattice(3, 7, 0, 20), lattice(3, 4, 7, 10)]
    larger = lattice(3, 8, 0, 23)
    best = grid._completed([parts, [larger]])
    assert all(one is part for one, part in zip(best, parts, strict=True))


def test_lines_may_be_lighter_than_the_paper(reader: Reader) -> None:
    assert texts(reader, 255 - form(ROWS)) == ROWS


def test_text_and_digits_are_those_of_the_cells(reader: Reader) -> None:
    reading = reader.read(form(ROWS))
    assert reading.ok
    assert reading.text == "".join(text for row in ROWS for text in row)
    assert [line.text for line in reading.lines][:2] == ["12 _ 7", "_ 305 48"]
    assert "".join(str(digit.digit) for digit in reading.digits) == reading.text


def test_boxes_are_the_cells_in_the_original_picture(reader: Reader) -> None:
    large = np.kron(form(ROWS), np.ones((5, 5), np.uint8))  # is worked on at a fifth of its size
    reading = reader.read(large)
    for row, line in enumerate(reading.lines):
        for column, number in enumerate(line.numbers):
            expected = MARGIN + WIDE * column, MARGIN + HIGH * row, WIDE, HIGH
            assert np.abs(np.array(number.box) / 5 - expected).max() < 10
    first = np.array(reading.digits[0].box) / 5
    assert np.abs(first - [MARGIN + 33, MARGIN + 17, 10, 38]).max() < 12


def test_an_empty_form_has_its_cells_and_no_digit(reader: Reader) -> None:
    reading = reader.read(form([[""] * 4] * 3))
    assert (reading.ok, reading.text, reading.reason) == (False, "", EMPTY_GRID)
    assert [[n.text for n in line.numbers] for line in reading.lines] == [[""] * 4] * 3
    assert all(n.confidence == 1 for line in reading.lines for n in line.numbers)


def test_a_row_of_boxes_that_stand_apart(reader: Reader) -> None:
    page = boxes_in_a_row(8, pitch=80, wide=58)
    for box, text in enumerate("407 52 8"):
        if text != " ":
            put(page, text, 35 + 80 * box, 32)
    assert texts(reader, page) == [["4", "0", "7", "", "5", "2", "", "8"]]


def test_the_boxes_of_a_date_are_one_row_without_the_slashes(reader: Reader) -> None:
    page = np.full((140, 640), 245, np.uint8)
    lefts = 30, 92, 200, 262, 370, 432, 494, 556  # two, two and four boxes
    for left, digit in zip(lefts, "40752840", strict=True):
        cv2.rectangle(page, (left, 30), (left + 58, 102), 60, 2)
        put(page, digit, left + 5, 32)
    for left in (164, 334):
        cv2.line(page, (left, 90), (left + 14, 42), 60, 3, cv2.LINE_AA)
    assert texts(reader, page) == [list("40752840")]


def test_digits_across_the_sides_of_their_boxes_are_whole(reader: Reader) -> None:
    page = boxes_in_a_row(5, pitch=52, wide=52)
    for box, text in enumerate("43 72"):
        if text != " ":
            put(page, text, 30 + 52 * box + (12 if text == "3" else -10), 40, height=40)
    assert texts(reader, page) == [["4", "3", "", "7", "2"]]
    for turned in (page, np.rot90(page, 2)):
        shown = reader.read(turned)
        assert (shown.text, len(shown.digits)) == ("4372", 4)


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_a_row_of_boxes_is_read_on_its_side_and_upside_down(turns: int, reader: Reader) -> None:
    page = boxes_in_a_row(7, pitch=80, wide=58)
    for box, text in enumerate("9023178"):
        put(page, text, 35 + 80 * box, 32)
    reading = reader.read(np.rot90(page, turns))
    assert (reading.text, reading.turned) == ("9023178", 90 * turns)


def test_a_number_below_a_row_of_boxes_is_a_line_of_its_own(reader: Reader) -> None:
    page = np.vstack([boxes_in_a_row(5, pitch=80, wide=58), np.full((140, 460), 245, np.uint8)])
    for box, text in enumerate("43 72"):
        if text != " ":
            put(page, text, 35 + 80 * box, 32)
    put(page, "305", 200, 190)
    assert texts(reader, page) == [["4", "3", "", "7", "2"], ["305"]]
    assert reader.read(page).text == "4372305"


def test_a_row_of_icons_is_no_row_of_boxes(reader: Reader) -> None:
    page = np.full((800, 1280), 255, np.uint8)
    page[:64] = 241
    for icon in range(10):
        x = 20 + 44 * icon
        cv2.rectangle(page, (x, 34), (x + 30, 60), 62, 1)
        cv2.circle(page, (x + 15, 47), 4 + icon % 4, 62, -(icon % 2) or 1)
    put(page, "4072", 180, 150, height=100)
    put(page, "385", 180, 330, height=100)
    assert texts(reader, page) == [["4072"], ["385"]]


def test_buttons_are_no_cells_of_the_writing_beside_them(reader: Reader) -> None:
    page = np.full((800, 1280), 255, np.uint8)
    for button in range(8):
        y = 110 + 44 * button
        cv2.rectangle(page, (16, y), (52, y + 36), 70, 1)
        cv2.circle(page, (34, y + 18), 5 + button % 5, 70, -(button % 2) or 1)
    put(page, "4072", 180, 150, height=100)
    put(page, "385", 180, 330, height=100)
    assert reader.read(page).text == "4072385"


def test_a_page_with_a_row_of_buttons_is_read_once(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = np.full((800, 1280), 255, np.uint8)
    for button in range(8):
        x = 110 + 44 * button
        cv2.rectangle(page, (x, 16), (x + 36, 52), 70, 1)
        cv2.circle(page, (x + 18, 34), 5 + button % 5, 70, -(button % 2) or 1)
    put(page, "4072", 180, 300, height=100)
    seen = []
    original = view.of_page

    def spy(page: Page, single: bool = False) -> view.View:
        seen.append(page)
        return original(page, single)

    monkeypatch.setattr(view, "of_page", spy)
    assert reader.read(page).text == "4072"
    assert len(seen) == 1


def test_digits_far_from_a_row_of_boxes_are_kept(reader: Reader) -> None:
    page = np.full((140, 800), 245, np.uint8)
    for box, text in enumerate("1925 36"):
        x = 30 + 80 * box + (150 if box > 4 else 0)
        if text != " ":
            cv2.rectangle(page, (x, 30), (x + 58, 102), 60, 2)
            put(page, text, x + 5, 32)
    assert reader.read(page).text == "192536"


def test_the_edges_of_shadows_in_cells_are_no_strokes(reader: Reader) -> None:
    page = boxes_in_a_row(6, pitch=90, wide=80)
    put(page, "4", 45, 32)
    put(page, "7", 405, 32)
    y, x = np.indices(page.shape)
    shade = 1 - 0.5 / (1 + np.exp((x + y - 250) / 25)) - 0.4 / (1 + np.exp((470 - x - y) / 25))
    noise = np.random.default_rng(0).normal(0, 2, page.shape)
    lit = np.clip(page * shade + noise, 0, 255).astype(np.uint8)
    assert texts(reader, lit) == [["4", "", "", "", "7", ""]]


@pytest.mark.parametrize("slope", [-0.5, 0.4, 2.0])
def test_a_shadow_with_hard_edges_changes_no_cell(slope: float, reader: Reader) -> None:
    page = form(ROWS)
    assert texts(reader, (page * band(page, slope, wide=2000)).astype(np.uint8)) == ROWS


@pytest.mark.parametrize(("slope", "right"), [(-4.0, 60), (-2.0, 30), (4.0, 120)])
def test_the_edge_of_a_shadow_beside_digits_is_no_digit(
    slope: float, right: int, reader: Reader
) -> None:
    page = form(ROWS)
    assert texts(reader, (page * band(page, slope, right, wide=2000)).astype(np.uint8)) == ROWS


@pytest.mark.parametrize("slope", [-3.0, 0.8, 2.0])
def test_the_edges_of_a_shadow_do_not_break_the_lines_they_cross(slope: float) -> None:
    page = np.pad(form([["", "305", "48", "61"]] * 6, line=190), 60, constant_values=245)
    noise = np.random.default_rng(0).normal(0, 2, page.shape)
    (found,) = grid.find(np.clip(page * band(page, slope) + noise, 0, 255).astype(np.uint8))
    assert found.shape[:2] == (6, 4)


@pytest.mark.parametrize(
    ("desk", "slope", "dark"), [(20, 0.15, 1), (60, 0.17, 0.5), (20, 0.17, 0.65), (60, 0.1, 0.65)]
)
def test_a_tilted_row_of_boxes_on_a_dark_desk_and_in_shade(
    desk: int, slope: float, dark: float, reader: Reader
) -> None:
    row = boxes_in_a_row(12, pitch=100, wide=80)
    for column, digit in enumerate("463539463539"):
        put(row, digit, 50 + 100 * column, 45)
    height, width = row.shape
    matrix = np.array([[1, 0, 20], [slope, 1, 0]])
    size = width + 60, height + round(slope * width)
    page = cv2.warpAffine(row, matrix, size, borderValue=desk)
    page = np.clip(page + np.random.default_rng(0).normal(0, 6, page.shape), 0, 255)
    shade = 1 + (dark - 1) / (1 + np.exp((np.arange(size[0]) - 0.45 * size[0]) / 40))
    (read,) = texts(reader, (page * shade).astype(np.uint8))
    assert "".join(read) == "463539463539"


def test_what_is_around_a_row_of_boxes_does_not_turn_it(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = boxes_in_a_row(8, pitch=80, wide=58)
    for box, text in enumerate("43572948"):
        put(page, text, 35 + 80 * box, 32)
    monkeypatch.setattr(orientation, "_turn", lambda *_: 90)  # as the edge of a sheet may suggest
    assert texts(reader, page) == [list("43572948")]


def test_a_broken_line_or_a_joined_digit_loses_no_cell(reader: Reader) -> None:
    page = form(ROWS)
    x, y = MARGIN + 2 * WIDE, MARGIN + HIGH
    page[y + 10 : y + 50, x - 4 : x + 5] = 245  # between 305 and 48
    cv2.line(page, (MARGIN + 10, y + 30), (MARGIN - 3, y + 30), 60, 3)  # joined to the frame
    found = texts(reader, page)
    assert [len(row) for row in found] == [3] * 4
    assert (found[0], found[2:]) == (ROWS[0], ROWS[2:])


def test_faint_lines_beside_dark_writing_bound_cells() -> None:
    page = np.full((7 * HIGH, 6 * HIGH), 200, np.uint8)
    for row, column in np.ndindex(6, 5):
        x, y = HIGH // 2 + HIGH * column, HIGH // 2 + HIGH * row
        cv2.rectangle(page, (x, y), (x + HIGH, y + HIGH), 195, 2)
        cv2.rectangle(page, (x + 8, y + 12), (x + HIGH - 8, y + HIGH - 12), 20, -1)
    noisy = page + np.random.default_rng(0).normal(0, 1.5, page.shape)
    (found,) = grid.find(np.clip(noisy, 0, 255).astype(np.uint8))
    assert found.shape[:2] == (6, 5)
    assert np.ptp(found[..., 0, 0], axis=0).max() < 6


def test_boxes_that_look_like_squared_paper_without_the_faint_ones_are_a_row() -> None:
    page = boxes_in_a_row(16, 60, 50)
    for x in range(30 + 4 * 60, 30 + 16 * 60, 4 * 60):
        cv2.rectangle(page, (x, 30), (x + 50, 102), 215, 2)
    (found,) = grid.find(page)
    assert found.shape[:2] == (1, 16)


def test_writing_over_the_corners_moves_no_corner() -> None:
    page = form(ROWS)
    for row in range(len(ROWS)):
        place = MARGIN + WIDE, MARGIN + HIGH * row
        cv2.line(page, (place[0] + 2, place[1] + 22), (place[0] + 40, place[1] + 2), 30, 5)
    (found,) = grid.find(page)
    assert found.shape[:2] == (4, 3)
    assert np.abs(found[:, 1, 0, 0] - (MARGIN + WIDE)).max() < 6
    assert np.abs(found[:, 1, 0, 1] - MARGIN - HIGH * np.arange(4)).max() < 6


def test_bold_words_that_fill_the_tops_of_header_cells_lose_no_row() -> None:
    page = form([["", "", "", ""], *([["7", "", "12", ""]] * 4)])
    for column in (0, 2):
        left = MARGIN + WIDE * column
        cv2.rectangle(page, (left, MARGIN + 8), (left + WIDE, MARGIN + 32), 40, -1)
    (found,) = grid.find(page)
    assert found.shape[:2] == (5, 4)


@pytest.mark.parametrize("row", [0, 2])
def test_a_sliver_beside_one_row_is_no_column(row: int) -> None:
    page = form(ROWS)
    right, top = MARGIN + WIDE * len(ROWS[0]), MARGIN + HIGH * row
    cv2.rectangle(page, (right, top), (right + 40, top + HIGH), 60, 2)
    (found,) = grid.find(page)
    assert found.shape[:2] == (4, 3)


def test_words_are_no_numbers(reader: Reader) -> None:
    page = form([["", "", ""], *ROWS])
    for column, word in enumerate(("Name", "Week", "Team")):
        place = MARGIN + WIDE * column + 15, MARGIN + 48
        cv2.putText(page, word, place, cv2.FONT_HERSHEY_SIMPLEX, 1, 40, 2, cv2.LINE_AA)
    assert texts(reader, page) == [["", "", ""], *ROWS]


def squared(gap: int = 30, frame: int = 0) -> Grey:
    page = np.full((700, 900), 245, np.uint8)
    page[frame : 700 - frame or None : gap, frame : 900 - frame] = 170
    page[frame : 700 - frame, frame : 900 - frame or None : gap] = 170
    return page


@pytest.mark.parametrize("gap", [50, 70])
def test_squared_paper_is_no_grid(gap: int) -> None:
    page = np.roll(squared(gap), gap // 2, axis=(0, 1))
    assert grid.find(page) == []
    assert grid.find(turned(page)[60:-60, 60:-60]) == []


def test_lines_that_run_on_beyond_one_side_belong_to_a_grid() -> None:
    page = form(ROWS)
    for column in range(len(ROWS[0]) + 1):
        x = MARGIN + WIDE * column
        cv2.line(page, (x, 0), (x, MARGIN), 60, 2)
    (found,) = grid.find(page)
    assert found.shape[1] == 3


@pytest.mark.parametrize(("wide", "shape"), [(90, [(12, 10)]), (50, [])])
def test_many_cells_between_the_borders_are_a_table_unless_they_are_squares(
    wide: int, shape: list[tuple[int, int]]
) -> None:
    page = np.full((600, 900), 245, np.uint8)
    page[::50] = page[:, ::wide] = 60
    assert [found.shape[:2] for found in grid.find(page[6:-6, 6:-6])] == shape


def on_a_desk(sheet: Grey) -> Grey:
    return np.asarray(cv2.copyMakeBorder(sheet, *(50,) * 4, cv2.BORDER_CONSTANT, value=70))


@pytest.mark.parametrize("margin", [None, 80])
@pytest.mark.parametrize("turn", [0, 1])
def test_the_strips_of_a_ruled_sheet_on_a_desk_are_no_cells(
    reader: Reader, margin: int | None, turn: int
) -> None:
    sheet = np.full((8 * HIGH, 800), 245, np.uint8)
    sheet[HIGH::HIGH] = sheet[HIGH + 1 :: HIGH] = 120
    if margin:
        sheet[:, margin : margin + 2] = 120
    numbers = ["3052", "481", "96", "24", "538"]
    for row, number in zip((1, 2, 3, 5, 6), numbers, strict=True):
        put(sheet, number, 120 + 70 * row, HIGH * row + 10)
    page = np.ascontiguousarray(np.rot90(on_a_desk(sheet), turn))
    assert grid.find(page)
    assert texts(reader, page) == [[number] for number in numbers]


def test_the_fields_of_a_form_on_a_desk_are_cells(reader: Reader) -> None:
    rows = [["305"], [""], ["48"], ["96"], [""]]
    assert texts(reader, on_a_desk(form(rows))) == rows


def test_strokes_across_ruled_lines_bound_no_cells() -> None:
    page = np.full((700, 900), 245, np.uint8)
    page[40::40] = 120
    for x in (200, 220, 275, 309, 429, 459):
        cv2.line(page, (x, 198), (x - 6, 244), 40, 5)
    assert grid.find(page) == []


def test_squared_paper_within_the_picture_is_not_thousands_of_cells() -> None:
    assert grid.find(squared(12, frame=36)) == []


@pytest.mark.parametrize(("gap", "frame"), [(30, 40), (50, 40), (70, 40), (70, 0), (90, 0)])
def test_writing_across_the_squares_of_paper_is_read_as_lines(
    gap: int, frame: int, reader: Reader
) -> None:
    page = squared(gap, frame)
    for row, text in enumerate(("407", "25", "388")):
        put(page, text, 200 + 50 * row, 90 + 170 * row, height=80)
    assert texts(reader, page) == [["407"], ["25"], ["388"]]


def test_numbers_beside_an_empty_grid_are_read(reader: Reader) -> None:
    page = form([["", ""], ["", ""]])
    beside = np.full_like(page, 245)
    put(beside, "407", 80, 80, height=60)
    assert texts(reader, np.concatenate([page, beside], axis=1)) == [["407"]]


STAR = np.array([[-15, -15], [15, 15], [0, 0], [15, -15], [-15, 15], [0, 0], [-18, 0], [18, 0]])


def test_numbers_beside_a_grid_of_stars_are_read(reader: Reader) -> None:
    page = form([["", ""], ["", ""]])
    for y, x in product((95, 165), (135, 285)):
        cv2.polylines(page, [STAR + np.array([x, y])], False, 60, 3)
    assert reader.read(page).reason == EMPTY_GRID
    beside = np.full_like(page, 245)
    put(beside, "407", 80, 80, height=60)
    assert texts(reader, np.concatenate([page, beside], axis=1)) == [["407"]]


def test_cells_that_meet_only_at_a_corner_are_separate() -> None:
    lines = np.ones((100, 100), np.uint8)
    for top, left in ((10, 10), (30, 30), (50, 10)):
        lines[top : top + 20, left : left + 20] = 0
    assert len(quads.find(lines, grid.MAX_CELLS)) == 3


def test_ruled_paper_is_no_grid() -> None:
    page = np.full((700, 900), 245, np.uint8)
    page[40::50] = 120
    page[:, 100] = 100
    assert grid.find(page) == []


@pytest.mark.parametrize("text", ["8", "0000", "88888", "60809"])
def test_loops_of_digits_are_no_cells(text: str) -> None:
    rows = np.concatenate([written(text, 100, pen=8)] * 3)
    assert grid.find(rows[..., 0]) == []


def test_letters_in_a_dark_bar_are_no_grid() -> None:
    page = np.full((200, 300), 245, np.uint8)
    page[90:110, 40:200] = 20
    for letter in range(6):
        page[94:106, 50 + 16 * letter : 62 + 16 * letter] = 245
    assert grid.find(page) == []


def test_a_framed_digit_is_no_grid(reader: Reader) -> None:
    page = written("5", 100, 9)[..., 0].copy()
    cv2.rectangle(page, (4, 4), (page.shape[1] - 5, page.shape[0] - 5), 60, 3)
    assert grid.find(page) == []
    assert reader.read(page).text == "5"


def test_a_cell_with_its_neighbours_cut_off_is_no_grid() -> None:
    assert (
        grid.find(form([["1", "2", "3"], ["4", "5", "6"], ["7", "8", "9"]])[125:205, 200:370]) == []
    )


def test_a_grid_within_a_cell_is_part_of_the_cell() -> None:
    page = form(ROWS)
    small = cv2.resize(form([["", ""], ["", ""]])[50:-50, 50:-50], (120, 60))
    page[MARGIN + 5 : MARGIN + 65, MARGIN + WIDE + 15 : MARGIN + WIDE + 135] = small
    assert [found.shape[:2] for found in grid.find(page)] == [(4, 3)]


def test_a_grid_with_more_writing_than_there_is_time_for_is_refused(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert reader.read(form(ROWS)).ok
    monkeypatch.setattr("cnn_mnist.inference.reader.MAX_COLUMNS", 200)
    monkeypatch.setattr(orientation, "turn_of_cells", None)  # it is not even turned
    reading = reader.read(form(ROWS))
    assert (reading.ok, reading.reason) == (False, CROWDED)
