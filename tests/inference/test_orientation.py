"""A page on its side or upside down is rotated if the evidence is clear."""

import cv2
import numpy as np
import pytest

from cnn_mnist.inference.layout import orientation, view
from cnn_mnist.inference.layout.view import View
from cnn_mnist.inference.pictures.page import Page, rotated
from cnn_mnist.inference.reader import Reader
from cnn_mnist.inference.recognition.line_reader import LineReader
from drawn import page

ROWS = ["25374", "43275", "75234"]


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader()


def sheet() -> np.ndarray:
    return np.concatenate([page(text, 60, 6) for text in ROWS])


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_a_turned_page_is_read_as_the_upright_one(reader: Reader, quarters: int) -> None:
    upright = reader.read(sheet())
    reading = reader.read(np.ascontiguousarray(np.rot90(sheet(), quarters)))
    assert [line.text for line in upright.lines] == ROWS
    assert reading.text == upright.text
    assert [[n.confidence for n in line.numbers] for line in reading.lines] == [
        [n.confidence for n in line.numbers] for line in upright.lines
    ]
    assert reading.turned == reading.to_dict()["turned"] == 90 * quarters


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_turned_grid_is_read_as_the_upright_one(reader: Reader, quarters: int) -> None:
    form = np.full((340, 660, 3), 255, np.uint8)
    for number, digits in enumerate(("23457", "74325")):
        top = 20 + 150 * number
        form[top : top + 150, 30:630] = cv2.resize(page(digits), (600, 150))
    for x in range(30, 631, 120):
        cv2.line(form, (x, 20), (x, 320), (0, 0, 0), 2)
    for y in (20, 170, 320):
        cv2.line(form, (30, y), (630, y), (0, 0, 0), 2)
    upright = reader.read(form)
    assert [line.text for line in upright.lines] == ["2 3 4 5 7", "7 4 3 2 5"]
    reading = reader.read(np.ascontiguousarray(np.rot90(form, quarters)))
    assert [line.text for line in reading.lines] == [line.text for line in upright.lines]
    assert reading.turned == 90 * quarters


def test_a_page_upside_down_is_not_looked_at_on_its_side(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(view, "rotate")
    reading = reader.read(np.ascontiguousarray(np.rot90(sheet(), 2)))
    assert (reading.turned, reading.text) == (180, reader.read(sheet()).text)


@pytest.mark.parametrize(("text", "rise"), [("38", 55), ("94", 40), ("643", 55), ("7697", 55)])
def test_the_ticks_of_a_comb_do_not_tilt_it(reader: Reader, text: str, rise: int) -> None:
    pitch, floor = 120, 130
    form = np.full((150, pitch * len(text) + 60, 3), 255, np.uint8)
    for number, digit in enumerate(text):
        form[10:, 30 + pitch * number : 30 + pitch * (number + 1)] = page(digit, 80, 6)[:140]
    cv2.line(form, (30, floor), (30 + pitch * len(text), floor), (20, 20, 20), 4)
    for x in range(30, form.shape[1], pitch):
        cv2.line(form, (x, floor), (x, floor - rise), (20, 20, 20), 4)
    reading = reader.read(form)
    assert (reading.text, reading.turned) == (text, 0)


def test_boxes_of_a_turned_page_are_in_the_picture_as_it_was_given(reader: Reader) -> None:
    picture = np.ascontiguousarray(np.rot90(sheet()))
    for digit in reader.read(picture).digits:
        x, y, width, height = digit.box
        assert (picture[y : y + height, x : x + width] < 128).any()
        assert width > 40  # a digit's height lies across


@pytest.mark.parametrize("text", ["6", "68", "2537"])
def test_few_digits_are_never_turned(reader: Reader, text: str) -> None:
    for quarters in range(4):
        picture = np.ascontiguousarray(np.rot90(page(text, 60, 6), quarters))
        assert reader.read(picture).turned == 0
        assert reader.read(picture, single=True).turned == 0


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_a_box_is_turned_back(degrees: int) -> None:
    pixels = np.zeros((60, 100, 3), np.uint8)
    pixels[10:15, 20:50] = 255
    turned = Page(pixels, (200, 120)).turn(degrees) if degrees else Page(pixels, (200, 120))
    y, x = np.nonzero(turned.pixels[..., 0])
    box = int(x.min()), int(y.min()), int(np.ptp(x)) + 1, int(np.ptp(y)) + 1
    assert turned.original_box(box) == (40, 20, 60, 10)


@pytest.mark.parametrize(
    ("right", "signs", "boxes", "is_level"),
    [
        (12, 14, 16, True),
        (7.2, 8, 20, False),  # surer of fewer signs
        (15, 20, 20, False),  # more signs, none of which is sure: the ticks of a comb
    ],
)
def test_a_tilted_page_is_levelled_if_it_is_read_better(
    reader: Reader,
    monkeypatch: pytest.MonkeyPatch,
    right: float,
    signs: int,
    boxes: int,
    is_level: bool,
) -> None:
    seen = view.of_page(Page(rotated(sheet(), 30, cv2.BORDER_REPLICATE), (0, 0)))
    looks = iter([orientation._Look(8, 10, 16, 8), orientation._Look(right, signs, boxes, 8)])
    monkeypatch.setattr(orientation, "_look", lambda *_: next(looks))
    assert (orientation._level(reader.line_reader, seen)[0] is not seen) == is_level


@pytest.mark.parametrize("text", ["2537", "824", "3758"])
@pytest.mark.parametrize("degrees", [-35, -20, 20, 35])
def test_a_single_number_is_levelled(reader: Reader, text: str, degrees: int) -> None:
    tilted = rotated(page(text, 60, 6), degrees, cv2.BORDER_REPLICATE)
    assert reader.read(tilted).text == text


def test_a_page_upside_down_is_levelled_too(reader: Reader) -> None:
    reading = reader.read(rotated(sheet(), 150, cv2.BORDER_REPLICATE))
    assert reading.text == "".join(ROWS)
    assert 208 <= reading.turned <= 212


@pytest.mark.parametrize(
    ("likely", "looks"),
    [
        ([0], [False, False]),  # as it is, and level
        ([0, 2], [False, False, True]),  # and upside down
    ],
)
def test_a_tilted_page_is_looked_at_once_in_each_orientation(
    reader: Reader, monkeypatch: pytest.MonkeyPatch, likely: list[int], looks: list[bool]
) -> None:
    looked = []
    monkeypatch.setattr(orientation, "_likely", lambda _: likely)
    original = orientation._look

    def spy(network: LineReader, seen: View, upside_down: bool = False) -> object:
        looked.append(upside_down)
        return original(network, seen, upside_down)

    monkeypatch.setattr(orientation, "_look", spy)
    reading = reader.read(rotated(sheet(), 30, cv2.BORDER_REPLICATE))
    assert reading.text == "".join(ROWS)
    assert looked == looks


def test_digits_are_not_turned_for_letters(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line network may be surer of letters upside down than of digits."""
    looks = {False: orientation._Look(8.7, 10, 10, 10), True: orientation._Look(9.4, 10, 10, 6)}
    monkeypatch.setattr(orientation, "_likely", lambda _: [0, 2])
    monkeypatch.setattr(orientation, "_look", lambda _, __, upside_down=False: looks[upside_down])
    reading = reader.read(sheet())
    assert (reading.turned, [line.text for line in reading.lines]) == (0, ROWS)


def test_wrong_signs_count_against_an_orientation() -> None:
    """Upside down, the ticks of a comb are read as 1s, so more of its ink is read."""
    upright, upside_down = orientation._Look(9.5, 10, 21, 9.8), orientation._Look(10.9, 15, 21, 8.2)
    assert upright.share > upside_down.share
    assert orientation._Look(1, 4, 4, 4).share == 0
