"""The cost of a reading is bounded by the picture's size, whatever it shows.

Work is counted, not timed: signs, the pixels of their boxes, images that the network sees, kernels.
"""

from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cnn_mnist.inference.layout import grid, lines, orientation, place, quads, view
from cnn_mnist.inference.pictures.page import Page, rotated
from cnn_mnist.inference.reader import CROWDED, MAX_AGAIN, MAX_COLUMNS, Reader
from cnn_mnist.inference.recognition import classifier, line, line_reader
from cnn_mnist.inference.recognition.line import Box, Sign
from cnn_mnist.inference.recognition.line_reader import LineReader
from cnn_mnist.inference.recognition.normalize import MAX_CHANGE, even_stroke, to_mnist
from cnn_mnist.inference.segmentation import components, glyph, ink, ruling, segment
from drawn import coverage, page
from generators.hostile import COARSEST, DRAWN, FINEST, KINDS, Kind, hostile

SIZES = st.tuples(st.integers(30, 700), st.integers(30, 700))
SIDE = st.integers(30, 200)  # of pages on which every mark is looked at
GRAINS = st.integers(FINEST, COARSEST)


class CountingLines(LineReader):
    """The released line network, how often it has looked, and at how many columns."""

    looks = columns = 0

    def _look(self, views: list[NDArray[np.uint8]], width: float = 1.0) -> list[Sign]:
        self.looks += 1
        self.columns += len(views) * round(width * line.normalized_width(*views[0].shape))
        return super()._look(views, width)


class Counting(classifier.Classifier):
    """The released network, and how many images it has seen."""

    seen = 0

    def _run(self, output: str, images: NDArray[np.uint8]) -> classifier.Probs:
        self.seen += len(images)
        return super()._run(output, images)


def dots(side: int, apart: int) -> NDArray[np.uint8]:
    page = np.full((side, side), 255, np.uint8)
    for y in range(apart, side - apart, apart):
        for x in range(apart, side - apart, apart):
            cv2.circle(page, (x, y), apart // 4, 0, -1)
    return page


def drawn(kind: Kind, size: tuple[int, int], grain: int, seed: int) -> NDArray[np.float32]:
    return kind(size, grain, np.random.default_rng(seed))


def test_a_page_of_too_many_marks_is_refused_with_the_reason() -> None:
    counting, reader = Counting(), Reader()
    reader.classifier = counting
    reading = reader.read(dots(2048, 14))
    assert (reading.ok, reading.reason, reading.digits, reading.rejected) == (
        False,
        CROWDED,
        (),
        (),
    )
    assert counting.seen == 0


def test_a_full_page_of_digits_is_no_crowd() -> None:
    row = np.concatenate([coverage("3", 24, 3)[6:42]] * 40, axis=1)
    assert len(segment.split(np.concatenate([row] * 40)).glyphs) == 1600


@given(st.sampled_from(DRAWN), SIZES, GRAINS, st.integers(0, 999))
def test_signs_and_their_boxes_are_bounded(
    kind: Kind, size: tuple[int, int], grain: int, seed: int
) -> None:
    marks = drawn(kind, size, grain, seed)
    assert len(segment.single(marks).glyphs) <= 1
    try:
        signs = segment.split(marks).glyphs
    except segment.CrowdedError:
        return
    assert len(signs) <= components.most(marks.size)
    assert sum(sign.ink.size for sign in signs) <= components.OVERLAP * marks.size


@settings(max_examples=20)
@given(st.sampled_from(sorted(KINDS)), st.integers(0, 999), st.booleans())
def test_what_the_network_sees_is_bounded(kind: str, seed: int, single: bool) -> None:
    _, picture = hostile(kind, 0.1, seed)
    counting, counting_lines, reader = Counting(), CountingLines(), Reader()
    reader.classifier, reader.line_reader = counting, counting_lines
    reader.read(picture, single)
    signs = 1 if single else components.most(picture.size)
    ways = 0 if single else 6 * min(signs, orientation.MAX_SIGNS)  # 2 on its side
    # The page without shadows is read, too, and so are signs smaller than the page's typical one.
    readings = sizes = 1 if single else 2
    assert counting.seen <= readings * (sizes * len(classifier.SHIFTS) * signs + ways)
    both = 1 + line_reader.AGAIN  # times the columns of a first look, with a second one
    whole_and_one = 2 * both * line.MAX_WIDTH  # the whole picture, and always one line
    columns = whole_and_one + sizes * (lines.SPARE + lines.SHARE * picture.size)
    beginning = place.BEGINNING * line.HEIGHT
    columns += 7 * orientation.MAX_LINES * beginning  # level or not, which way up, and again level
    columns += MAX_COLUMNS + MAX_AGAIN  # of a grid
    assert counting_lines.columns <= readings * columns


def test_certain_digits_on_even_paper_are_looked_at_once() -> None:
    pixels = page("407", 60, 6)
    seen = view.of_page(Page(pixels, pixels.shape[1::-1]))
    marked = seen.grey.copy()
    marked[:, -3:] = 0  # a mark that is not among the boxes
    for grey, looks in ((seen.grey, 1), (marked, 2)):
        reader = CountingLines()
        best = lines.read(reader, grey, seen.layout)
        assert "".join(sign.character for row in best for sign in row) == "407"
        assert reader.looks == looks


def test_each_sign_is_framed_once_and_the_marks_are_split_once_for_all_sizes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    framed, labelled = [], []
    parts = segment._parts

    def spy_frame(ink: NDArray[np.floating]) -> NDArray[np.uint8]:
        framed.append(ink.shape)
        return to_mnist(ink)

    def spy_parts(ink: NDArray[np.float32]) -> Any:
        labelled.append(ink.shape)
        return parts(ink)

    monkeypatch.setattr(view, "to_mnist", spy_frame)
    monkeypatch.setattr(segment, "_parts", spy_parts)
    pixels = page("407", 60, 6)
    assert Reader().read(pixels).text == "407"
    assert len(framed) == 3
    assert labelled == [pixels.shape[:2]]


def test_regions_without_enough_neighbours_are_no_candidates_for_a_grid(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(grid, "_are_cells", None)
    picture = np.full((300, 300), 255, np.uint8)
    for top, left in np.ndindex(3, 3):  # far apart, so that none is another's neighbour
        corner = 20 + 90 * left, 20 + 90 * top
        cv2.rectangle(picture, corner, (corner[0] + 40, corner[1] + 40), 0, 2)
    assert len(quads.find(next(quads.line_masks(picture)), 99)) == 9
    assert grid.find(picture) == []


def test_few_of_the_signs_of_a_grid_tell_its_orientation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orientation, "MAX_SIGNS", 5)
    pixels = page("1234567", 60, 6)
    cells = [view.of_page(Page(pixels, pixels.shape[1::-1])) for _ in range(4)]
    counting = Counting()
    assert orientation.turn_of_cells(counting, LineReader(), cells) == 0
    assert counting.seen == 4 * 5
    assert sum(len(one._framed) for one in cells) == 5
    blank = view.of_page(Page(np.full_like(pixels, 255), pixels.shape[1::-1]))
    assert orientation.turn_of_cells(counting, LineReader(), [blank]) == 0


def test_the_beginning_of_every_look_counts() -> None:
    page = np.full((500, 500), 255, np.uint8)
    apart: list[Box] = [(x, y, 10, 10) for x in range(20, 480, 100) for y in range(20, 480, 20)]
    layout = lines.Layout.of(apart)
    assert len(layout.lines) == len(apart)
    reader = CountingLines()
    lines.read_lines(reader, page, layout)
    cost = reader.columns + reader.looks * line.HEIGHT
    assert 0.5 < cost / (lines.SPARE + lines.SHARE * page.size) <= 1


@given(st.sampled_from(DRAWN), SIZES, GRAINS, st.integers(0, 999))
def test_no_kernel_grows_with_the_sign(
    kind: Kind, size: tuple[int, int], grain: int, seed: int
) -> None:
    sides = []
    original = cv2.getStructuringElement

    def spy(shape: int, side: tuple[int, int]) -> NDArray[np.uint8]:
        sides.append(max(side))
        return np.asarray(original(shape, side), np.uint8)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cv2, "getStructuringElement", spy)
        for sign in segment.single(drawn(kind, size, grain, seed)).glyphs:
            even_stroke(sign.ink)
    assert max(sides, default=0) <= 1 + MAX_CHANGE


@pytest.mark.parametrize("pen", [0.004, 0.02, 0.15])
@pytest.mark.parametrize("text", ["3", "7"])
def test_a_giant_sign_looks_like_a_small_one(text: str, pen: float) -> None:
    frames = [
        to_mnist(even_stroke(coverage(text, height, max(1, round(pen * height)))))
        for height in (250, 1500)
    ]
    moves = [np.roll(frames[0], move, (0, 1)) for move in np.ndindex(3, 3)]
    large = np.roll(frames[1], (1, 1), (0, 1)).astype(int)  # the centre is rounded to a pixel
    assert min(np.abs(large - small).mean() for small in moves) < 8


def test_frames_without_number_are_not_looked_into_one_by_one() -> None:
    page = np.zeros((2000, 2000), np.uint8)
    for inset in range(0, 900, 4):
        cv2.rectangle(page, (inset, inset), (1999 - inset, 1999 - inset), 1, 1)
    marks = components.components(page)
    assert ruling.without_frames(marks) is marks


@pytest.mark.parametrize("side", [400, 2000])
def test_nested_frames_are_read_or_refused(side: int) -> None:
    page = np.full((side, side), 255, np.uint8)
    for inset in range(8, side // 2, 6):
        cv2.rectangle(page, (inset, inset), (side - inset, side - inset), 0, 1)
    reading = Reader().read(page)
    assert not reading.ok
    assert ink.find(np.stack([page] * 3, axis=2)).shape == page.shape


def test_noise_is_not_searched_for_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.random.default_rng(0).integers(0, 2, (400, 400)).astype(np.uint8)
    monkeypatch.setattr(cv2, "findContours", None)
    assert len(quads.find(noise, grid.MAX_CELLS)) == 0


def test_the_regions_looked_at_for_cells_are_bounded_by_the_pixels(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = []
    original = quads._quads

    def spy(hulls: list[NDArray[np.int32]]) -> NDArray[np.float32]:
        seen.append(len(hulls))
        return original(hulls)

    monkeypatch.setattr(quads, "_quads", spy)
    page = np.full((480, 480), 255, np.uint8)
    page[::16] = page[:, ::16] = 0  # 900 squares, the same at every darkness
    assert grid.find(page) == []
    assert seen == [page.size // grid.CELL_ROOM]


def test_squared_paper_ends_the_search_for_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    searched = []
    original = quads.find

    def spy(mask: NDArray[np.uint8], most: int) -> NDArray[np.float32]:
        searched.append(mask)
        return original(mask, most)

    monkeypatch.setattr(quads, "find", spy)
    _, picture = hostile("ruled", 1.0, 5)  # letters on squares, which form many small grids
    assert grid.find(picture) == []
    assert len(searched) == 1


def test_signs_that_look_like_no_digits_are_not_read_in_other_orientations(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(orientation, "_look", None)
    _, picture = hostile("noise", 1.0, 1)
    reading = Reader().read(picture)
    assert reading.turned == 0
    assert len(reading.rejected) >= orientation.MIN_SIGNS


def test_many_signs_that_look_like_no_digits_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Reader()
    monkeypatch.setattr(reader, "line_reader", None)
    _, picture = hostile("clouds", 1.0, 1)
    reading = reader.read(picture)
    assert (reading.ok, reading.reason) == (False, CROWDED)


def test_signs_are_framed_in_a_bounded_size(monkeypatch: pytest.MonkeyPatch) -> None:
    framed = []

    def spy(marks: NDArray[np.float32]) -> NDArray[np.float32]:
        framed.append(max(marks.shape))
        return even_stroke(marks)

    monkeypatch.setattr(view, "even_stroke", spy)
    row = np.concatenate([coverage("7", 1500, 150), coverage("1", 1500, 20)], axis=1)
    page = Page(np.rint(255 * (1 - np.stack([row] * 3, axis=2))).astype(np.uint8), row.shape[::-1])
    seen = view.of_page(page, single=False)
    seen.frames()
    seen.frame((0, 0, *row.shape[::-1]))
    assert len(framed) == 3
    assert glyph.LARGE / 2 <= min(framed) <= max(framed) <= glyph.LARGE


def test_lines_are_reduced_by_a_whole_factor(monkeypatch: pytest.MonkeyPatch) -> None:
    factors = []
    original = cv2.resize

    def spy(grey: NDArray[np.uint8], size: tuple[int, int], **how: Any) -> NDArray[np.uint8]:
        factors.append([a / b for a, b in zip(grey.shape[::-1], size, strict=True)])
        return np.asarray(original(grey, size, **how), np.uint8)

    monkeypatch.setattr(cv2, "resize", spy)
    page = np.full((997, 1409), 255, np.uint8)
    place.Place(13, 17, 1301, 809, 0.1).crop(page)
    assert [a == b == round(a) > 1 for a, b in factors] == [True, True]


def test_the_slope_of_rules_is_searched_on_few_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    searched = []
    original = ruling._shear

    def spy(mask: NDArray[np.uint8], slope: float) -> NDArray[np.uint8]:
        searched.append(mask.shape[1])
        return original(mask, slope)

    monkeypatch.setattr(ruling, "_shear", spy)
    mask = np.zeros((ruling.SEARCH_SIDE, ruling.SEARCH_SIDE), np.uint8)
    for y in range(60, 400, 40):
        cv2.line(mask, (0, y), (399, y - 35), 1, 1)
    assert abs(ruling._slope(mask) + 35 / 399) < np.tan(np.radians(0.5))
    assert sum(searched) <= len(ruling.SLOPES) * ruling.SEARCH_SIDE / 4


@pytest.mark.parametrize("degrees", [-90, 0, 90, 180, 270, 360])
def test_a_picture_rotated_by_quarters_keeps_its_pixels(degrees: int) -> None:
    picture = np.arange(105, dtype=np.uint8).reshape(5, 7, 3)
    turned = rotated(picture, degrees, cv2.BORDER_CONSTANT)
    assert np.array_equal(turned, np.rot90(picture, -degrees // 90))


def test_a_hairline_of_a_giant_sign_stays_whole() -> None:
    page = np.zeros((1600, 1600), np.float32)
    cv2.line(page, (100, 100), (1500, 1337), 1, 1)
    (sign,) = segment.split(page).glyphs
    assert components.components((sign.ink > 0.5).astype(np.uint8)).stats.shape[0] == 2
    assert sign.ink.max() == 1


def test_the_ink_is_found_again_only_if_a_page_is_not_upright(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = []
    original = ink.find_with_dots

    def spy(pixels: NDArray[np.uint8]) -> object:
        found.append(pixels.shape)
        return original(pixels)

    monkeypatch.setattr(ink, "find_with_dots", spy)
    row = np.concatenate([coverage(digit, 40, 4) for digit in "2357423574"], axis=1)
    page = np.rint(255 * (1 - np.concatenate([row, row]))).astype(np.uint8)
    reader = Reader()
    for degrees, searches in ((0, 1), (20, 1), (180, 2)):
        found.clear()
        reading = reader.read(rotated(page, degrees, cv2.BORDER_REPLICATE))
        assert abs((reading.turned + degrees) % 360) <= 1
        assert len(found) == searches


@given(st.sampled_from(DRAWN), st.tuples(SIDE, SIDE), GRAINS, st.integers(0, 999))
def test_some_components_need_no_second_search(
    kind: Kind, size: tuple[int, int], grain: int, seed: int
) -> None:
    marks = components.components((drawn(kind, size, grain, seed) > 0.5).astype(np.uint8))
    some = marks.only(marks.sides % 2 == 0)
    again = components.components(some.mask)
    assert (some.labels == again.labels).all()
    assert (some.stats[1:] == again.stats[1:]).all()
