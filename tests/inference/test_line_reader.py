"""A line of writing → its signs, and where lines are."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from cnn_mnist import shelf
from cnn_mnist.inference.layout import lines
from cnn_mnist.inference.layout.place import Place
from cnn_mnist.inference.recognition.line import ALPHABET, Box, Sign, normalized_width
from cnn_mnist.inference.recognition.line_reader import (
    AGAIN,
    LineReader,
    num_right,
    places,
)
from drawn import page


@pytest.fixture(scope="module")
def reader() -> LineReader:
    return LineReader()


def grey(digits: str) -> np.ndarray:
    return lines.grey_page(page(digits))


def text(signs: list[Sign]) -> str:
    return "".join(sign.character for sign in signs)


def test_a_line_is_read_with_the_places_of_its_digits(reader: LineReader) -> None:
    crop = grey("4072")
    signs = reader.read(crop)
    assert text(signs) == "4072"
    middles = [sign.box[0] + sign.box[2] / 2 for sign in signs]
    assert middles == sorted(middles)
    for sign in signs:
        x, y, width, height = (round(v) for v in sign.box)
        assert (crop[max(0, y) : y + height, max(0, x) : x + width] < 128).any()
        assert sign.digit_probs[int(sign.character)] == pytest.approx(sign.confidence)
        assert sign.character in ALPHABET


def narrow_digits() -> np.ndarray:
    return cv2.resize(grey("38295"), None, fx=0.5, fy=1, interpolation=cv2.INTER_AREA)


def in_a_high_line(digits: np.ndarray) -> np.ndarray:
    return np.asarray(np.pad(digits, ((80, 80), (30, 30)), mode="edge"), np.uint8)


def test_low_and_narrow_digits_are_read_at_a_second_look(reader: LineReader) -> None:
    narrow = narrow_digits()
    line = in_a_high_line(narrow)
    first, second = reader.look(line), reader.read(line)
    assert text(first) != text(second) == "38295"
    for sign in second:
        x, y, width, height = (round(v) for v in sign.box)
        assert (narrow[max(0, y - 80) : y - 100 + height, x - 30 : x - 30 + width] < 128).any()


def test_a_line_that_leans_far_to_the_right_is_read_at_a_second_look(reader: LineReader) -> None:
    upright = grey("62947")
    lean = np.array([[1, -1.3, 1.3 * len(upright)], [0, 1, 0.0]])
    size = upright.shape[1] + int(1.3 * len(upright)), len(upright)
    line = np.asarray(cv2.warpAffine(upright, lean, size, borderValue=255), np.uint8)
    assert text(reader.look(line)) != text(reader.read(line)) == "62947"


def test_second_looks_end_where_their_columns_do(reader: LineReader) -> None:
    line = in_a_high_line(narrow_digits())
    first, second = text(reader.look(line)), text(reader.read(line))
    once = reader.limited(AGAIN * normalized_width(*line.shape))
    assert [text(once.read(line)) for _ in range(2)] == [second, first]


def test_two_peaks_at_one_place_are_one_sign() -> None:
    one, seven = 1 + ALPHABET.index("1"), 1 + ALPHABET.index("7")
    probs = np.zeros((1 + len(ALPHABET), 12), np.float32)
    probs[0] = 1
    probs[:, 4], probs[:, 5] = 0.0, 0.0
    probs[[one, seven], 4], probs[[one, seven], 5] = (0.6, 0.4), (0.3, 0.7)
    boxes = np.zeros((4, 12), np.float32)
    boxes[:] = np.array([0.1, 0.9, 0.15, 0.15])[:, None]  # 12 px wide
    assert places(probs, boxes) == [[4, 5]]
    probs[:, [5, 7]] = probs[:, [7, 5]]
    assert places(probs, boxes) == [[4], [7]]  # 6 px apart, half of their width
    probs[:, [5, 7]] = probs[:, [7, 5]]
    boxes[:2, 5] = 0.9, 1.0
    assert places(probs, boxes) == [[4], [5]]  # one above the other
    boxes[:, 5] = 0.45, 0.9, 0.1, 0.1
    assert places(probs, boxes) == [[4, 5]]  # a large part of the other, such as the + of a 4


def test_boxes_end_where_the_picture_ends(reader: LineReader) -> None:
    whole, rng, num_signs = grey("4072"), np.random.default_rng(0), 0
    for _ in range(40):
        y, x = rng.integers(0, np.array(whole.shape) // 2)
        tall, wide = rng.integers(4, np.array(whole.shape) // 2)
        crop = whole[y : y + tall, x : x + wide]
        for sign in reader.read(crop):
            left, top, width, height = sign.box
            assert 0 <= left < left + width <= crop.shape[1]
            assert 0 <= top < top + height <= crop.shape[0]
            num_signs += 1
    assert num_signs > 10


def test_blank_paper_has_no_signs(reader: LineReader) -> None:
    assert reader.read(np.full((60, 200), 230, np.uint8)) == []


def test_light_ink_on_dark_paper_is_turned_over(reader: LineReader) -> None:
    whole = lines.read_whole(reader, 255 - grey("4072"))
    assert whole is not None
    assert text(whole) == "4072"


@pytest.mark.parametrize("light_ink", [False, True])
def test_neither_a_frame_nor_a_shadow_turns_ink_over(light_ink: bool) -> None:
    framed = grey("4072")
    high, wide = framed.shape
    cv2.rectangle(framed, (0, 0), (wide, high), 0, 24)
    shade = np.linspace(0.5, 1, wide)
    shown = (shade * (255 - framed if light_ink else framed)).astype(np.uint8)
    crop = Place(0, 0, wide, high, 0.0).crop(shown)
    paper = cv2.resize(framed, crop.shape[::-1], interpolation=cv2.INTER_NEAREST) == 255
    assert (crop[paper] > 128).mean() > 0.95


@pytest.mark.parametrize("slope", [0.0, 0.2])
def test_signs_of_a_tall_line_are_where_they_are_on_the_page(
    reader: LineReader, slope: float
) -> None:
    small = grey("4072")
    high, wide = (6 * side for side in small.shape)
    fall = np.array([[6, 0, 0], [6 * slope, 6, 0]])
    size = wide, high + round(slope * wide)
    tall = np.asarray(cv2.warpAffine(small, fall, size, borderValue=255), np.uint8)
    place = Place(0, 0, wide, high, slope)
    assert place.factor > 1
    found = [place.on_page(sign) for sign in reader.read(place.crop(tall))]
    assert text(found) == "4072"
    for sign, alone in zip(found, reader.read(small), strict=True):
        x, y, width, height = (6 * side for side in alone.box)
        drawn = x, y + slope * (x + width / 2), width, height
        assert sign.box == pytest.approx(drawn, abs=0.1 * height)


def test_of_a_line_outside_the_page_the_border_is_seen() -> None:
    white = np.full((50, 50), 255, np.uint8)
    for place in (Place(-900, -900, 400, 400, 0.0), Place(900, 20, 5, 700, 0.3)):
        assert (place.crop(white) == 255).all()


def test_each_line_of_a_page_is_read_by_itself(reader: LineReader) -> None:
    above, below = grey("407"), grey("725")
    boxes: list[Box] = [(50 + 80 * i, 50 + y, 50, 100) for y in (0, len(above)) for i in range(3)]
    upper, lower = lines.read_lines(reader, np.vstack([above, below]), lines.Layout.of(boxes))
    assert [text(upper), text(lower)] == ["407", "725"]
    assert all(sign.box[1] < len(above) for sign in upper)
    assert all(sign.box[1] > len(above) for sign in lower)


def test_a_comma_read_by_itself_is_in_its_number() -> None:
    none = np.zeros(10, np.float32)
    digits = [[Sign("9", 1.0, (x, 100, 50, 80), none)] for x in (100, 180)]
    comma = [Sign(",", 1.0, (155, 150, 12, 30), none)]
    (line,) = lines._joined([*digits, comma], 0.0)
    assert text(line) == "9,9"


def signs_of(text: str, p: float = 1.0, height: float = 40) -> list[Sign]:
    probs = np.zeros(10, np.float32)
    return [Sign(c, p, (30 * i, 0, 20, height), probs) for i, c in enumerate(text)]


@pytest.mark.parametrize(
    ("whole", "chosen"),
    [
        (signs_of("407", 0.9), "407"),  # one more digit, which touches a frame
        (signs_of("01"), "07"),
        (signs_of("??07"), "07"),
        (signs_of("12", height=15) + signs_of("07"), "07"),  # small print beside the number
    ],
)
def test_the_reading_with_most_digits_right_is_chosen(whole: list[Sign], chosen: str) -> None:
    (row,) = lines.better([signs_of("07", 0.98)], [whole])
    assert text(row) == chosen


def test_a_tall_digit_that_only_one_reading_sees_does_not_make_the_others_small() -> None:
    pieces = [signs_of("7", 0.7, height=54) + signs_of("06226", height=26)]
    whole = [signs_of("?", height=54) + signs_of("?6226", height=26)]
    assert lines.better(pieces, whole) == lines.better(whole, pieces) == pieces


def test_of_equal_readings_the_one_with_fewer_pieces_is_chosen() -> None:
    pieces, digit = [signs_of("?2", 0.97)], [signs_of("2", 0.93)]
    assert lines.better(pieces, digit) == lines.better(digit, pieces) == digit


def test_a_page_without_lines_is_read_as_a_whole(reader: LineReader) -> None:
    (row,) = lines.read(reader, grey("407"), lines.Layout.of([]))
    assert text(row) == "407"


@pytest.mark.parametrize("content", [b"", b"no model"])
def test_a_damaged_model_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "lines.onnx"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="not a line network, or is damaged"):
        LineReader(path)


def test_a_missing_model_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="No such file"):
        LineReader(tmp_path / "none.onnx")


def test_a_digit_classifier_is_no_line_network() -> None:

    with pytest.raises(ValueError, match="not a line network exported"):
        LineReader(shelf.file("reader", shelf.ONNX))


def test_a_reading_that_leaves_a_doubtful_sign_out_is_no_better() -> None:
    sure, doubtful = (Sign("7", p, (0, 0, 20, 40), np.zeros(10, np.float32)) for p in (0.9, 0.4))
    assert num_right([sure, doubtful, sure]) > num_right([sure, sure])
