"""From any picture to its digits, with real components throughout."""

import io
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from cnn_mnist.inference import preview
from cnn_mnist.inference.pictures.page import ImageError
from cnn_mnist.inference.reader import CROWDED, NO_DIGIT, ONLY_WORDS, Reader
from cnn_mnist.inference.reading import NO_INK, Reading
from cnn_mnist.training.data import Splits
from cost import cost
from drawn import BLACK, Colour, coverage, page
from gridded import grid


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader()


@pytest.mark.parametrize("single", [True, False])
@pytest.mark.parametrize("pen", [2, 8, 24])
@pytest.mark.parametrize(
    ("ink", "paper"),
    [
        ((20, 20, 25), (255, 255, 255)),
        ((240, 240, 240), (10, 10, 10)),
        ((240, 220, 40), (20, 40, 140)),
    ],
)
def test_single_digits(reader: Reader, single: bool, pen: int, ink: Colour, paper: Colour) -> None:
    read = [reader.read(page(text, 160, pen, ink, paper), single).text for text in "0123456789"]
    assert "".join(read) == "0123456789"


@pytest.mark.parametrize("text", ["12", "907", "31415", "8005551234"])
def test_numbers(reader: Reader, text: str) -> None:
    reading = reader.read(page(text, 80, 8))
    assert reading.text == text
    assert [d.box[0] for d in reading.digits] == sorted(d.box[0] for d in reading.digits)


@pytest.mark.parametrize(
    ("ink", "paper"), [((230, 60, 60), (60, 146, 60)), ((190, 95, 60), (90, 120, 190))]
)
def test_ink_as_light_as_its_paper_is_read_in_a_colour(
    reader: Reader, ink: Colour, paper: Colour
) -> None:
    assert reader.read(page("2537", 60, 6, ink, paper)).text == "2537"
    assert reader.read(page("4", 60, 6, ink, paper), single=True).text == "4"


@pytest.mark.parametrize("text", ["7305", "25"])
def test_a_staple_is_no_1(reader: Reader, text: str) -> None:
    sheet = np.full((400, 500, 3), 255, np.uint8)
    number = page(text, 60, 6)
    sheet[200 : 200 + number.shape[0], 100 : 100 + number.shape[1]] = number
    cv2.line(sheet, (36, 36), (105, 75), (20, 20, 20), 5, cv2.LINE_AA)
    assert [line.text for line in reader.read(sheet).lines] == [text]


@pytest.mark.parametrize("turns", [0, 1])
@pytest.mark.parametrize("mark", ["tick", "ring"])
def test_numbers_beside_a_tall_mark_are_read(reader: Reader, mark: str, turns: int) -> None:
    sheet = np.full((640, 900, 3), 240, np.uint8)
    numbers = ["4072", "583", "9164", "27"]
    for row, number in enumerate(numbers):
        drawn = page(number, 50, 5, paper=(240, 240, 240))
        top, left = 20 + 140 * row, 60
        sheet[top : top + drawn.shape[0], left : left + drawn.shape[1]] = drawn
    if mark == "tick":
        cv2.polylines(
            sheet, [np.array([(560, 300), (620, 420), (800, 120)])], False, (200, 30, 30), 7
        )
    else:
        cv2.ellipse(sheet, (150, 80), (130, 75), 0, 0, 360, (200, 30, 30), 6)
    assert reader.read(np.rot90(sheet, turns)).text == "".join(numbers)


def placed(size: tuple[int, int], *numbers: tuple[str, int, int, int]) -> NDArray[np.uint8]:
    """A page (height, width) of numbers, each with its height and the corner of its margin."""
    sheet = np.full((*size, 3), 240, np.uint8)
    for text, height, x, y in numbers:
        drawn = page(text, height, max(2, height // 10), paper=(240, 240, 240))
        region = sheet[y : y + drawn.shape[0], x : x + drawn.shape[1]]
        np.minimum(region, drawn, out=region)
    return sheet


@pytest.mark.parametrize(
    "heights", [(160, 40, 90, 30), (28, 60, 120, 250), (200, 36, 36, 36, 36), (30, 30, 30, 140)]
)
def test_numbers_of_several_sizes_are_read_from_top_to_bottom(
    reader: Reader, heights: tuple[int, ...]
) -> None:
    texts = ["583", "274", "309", "852", "647"][: len(heights)]
    tops = [0, *np.cumsum([round(2 * height) for height in heights])]
    numbers = [
        (text, height, 60 + 40 * row, top)
        for row, (text, height, top) in enumerate(zip(texts, heights, tops[:-1], strict=True))
    ]
    sheet = placed((int(tops[-1]) + 250, 1000), *numbers)
    reading = reader.read(sheet)
    assert [line.text for line in reading.lines] == texts
    assert all(digit.image.any() for digit in reading.digits)


@pytest.mark.parametrize("single", [("7", 40, 700, 60), ("7", 36, 500, 330)])
def test_a_single_mark_much_smaller_than_the_numbers_is_no_digit(
    reader: Reader, single: tuple[str, int, int, int]
) -> None:
    sheet = placed((500, 900), ("583", 150, 40, 80), single)
    assert reader.read(sheet).text == "583"


def test_the_door_and_the_figure_of_a_drawing_are_no_digits(reader: Reader) -> None:
    sheet = placed((700, 1000), ("526", 60, 330, 40), ("418", 60, 350, 240))
    walls = [[(200, 600), (200, 160), (800, 160), (800, 600), (500, 600)], [(200, 600), (370, 600)]]
    figure = [[(900, 470), (900, 560)], [(860, 500), (940, 500)]]
    for line in walls + figure:
        cv2.polylines(sheet, [np.array(line)], False, BLACK, 5, cv2.LINE_AA)
    cv2.ellipse(sheet, (370, 600), (130, 130), 0, -90, 0, BLACK, 4, cv2.LINE_AA)
    cv2.circle(sheet, (900, 435), 34, BLACK, 5, cv2.LINE_AA)
    assert [line.text for line in reader.read(sheet).lines] == ["526", "418"]


def test_the_number_at_an_arrow_that_looks_like_a_digit_is_read(reader: Reader) -> None:
    sheet = np.full((640, 900, 3), 240, np.uint8)
    drawn = page("583", 90, 7, paper=(240, 240, 240))
    sheet[160 : 160 + drawn.shape[0], 420 : 420 + drawn.shape[1]] = drawn
    for stroke in [(80, 540), (260, 440), (420, 320)], [(385, 316), (420, 320), (408, 356)]:
        cv2.polylines(sheet, [np.array(stroke)], False, BLACK, 5, cv2.LINE_AA)
    assert reader.read(sheet).text == "583"


def test_many_doubtful_strokes_are_no_better_than_a_number(reader: Reader) -> None:
    brick, mortar, paint = (150, 75, 55), (185, 175, 165), (245, 240, 230)
    wall = np.full((560, 900, 3), brick, np.uint8)
    for row, y in enumerate(range(0, 560, 60)):
        wall[y : y + 8] = mortar
        for x in range(-85 * (row % 2), 900, 170):
            wall[y : y + 60, max(0, x) : max(0, x + 8)] = mortar
    share = coverage("583", 280, 30)[..., None]
    region = wall[:, 60 : 60 + share.shape[1]]
    share = share[:, : region.shape[1]]
    region[:] = share * paint + (1 - share) * region
    assert reader.read(wall).text == "583"


def test_a_number_written_over_print_is_read_and_the_print_is_not(reader: Reader) -> None:
    sheet = np.full((700, 900, 3), 240, np.uint8)
    for y in range(16, 700, 14):
        words = "the quick brown fox jumps over a lazy dog and all wizards run to see " * 2
        cv2.putText(sheet, words, (6, y), cv2.FONT_HERSHEY_PLAIN, 0.7, (70, 70, 70), 1, cv2.LINE_AA)
    assert reader.read(sheet).reason == CROWDED
    share = coverage("583", 220, 22)[..., None]
    region = sheet[100 : 100 + share.shape[0], 80 : 80 + share.shape[1]]
    region[:] = share * np.array([200, 20, 30]) + (1 - share) * region
    assert reader.read(sheet).text == "583"


def test_blank_paper_and_scribbles_are_no_digits(reader: Reader) -> None:
    blank = reader.read(np.full((300, 200, 3), 240, np.uint8))
    assert (blank.ok, blank.text, blank.reason) == (False, "", NO_INK)
    scribble = np.full((300, 300), 255, np.uint8)
    turns = np.linspace(0, 60, 4000)
    radius = 90 + 30 * np.sin(turns * 1.7)
    y, x = 150 + radius * np.sin(turns * 3.1), 150 + radius * np.cos(turns * 2.3)
    for dy in range(4):
        scribble[(y + dy).astype(int), x.astype(int)] = 0
    reading = reader.read(scribble, single=True)
    assert (reading.ok, reading.text, reading.reason) == (False, "", NO_DIGIT)
    assert len(reading.rejected) == 1


@pytest.mark.parametrize(("step", "seed"), [(24, 1), (30, 1), (30, 4), (30, 11)])
def test_blank_squared_paper_is_no_digit(reader: Reader, step: int, seed: int) -> None:
    """In uneven light, pieces of its pale lines remain."""
    generator = np.random.default_rng(seed)
    large = np.full((220, 300, 3), (200, 205, 200), np.float32)
    for y in range(10, 220, step):
        cv2.line(large, (0, y), (300, y + 3), (150, 180, 205), 1, cv2.LINE_AA)
    for x in range(10, 300, step):
        cv2.line(large, (x, 0), (x - 3, 220), (150, 180, 205), 1, cv2.LINE_AA)
    light = generator.uniform(0.75, 1.05, (4, 5)).astype(np.float32)
    large *= cv2.resize(light, (300, 220), interpolation=cv2.INTER_CUBIC)[..., None]
    paper = cv2.resize(
        cv2.GaussianBlur(large, (0, 0), 0.8), (150, 110), interpolation=cv2.INTER_AREA
    )
    noise = generator.normal(0, 4, paper.shape)
    assert reader.read(np.clip(paper + noise, 0, 255).astype(np.uint8)).text == ""


LETTERS = {
    "V": [[(0, 0), (7, 20), (14, 0)]],
    "H": [[(0, 0), (0, 20)], [(13, 0), (13, 20)], [(0, 10), (13, 10)]],
    "U": [[(0, 0), (0, 14), (3, 19), (10, 19), (13, 14), (13, 0)]],
    "W": [[(0, 0), (6, 20), (11, 6), (16, 20), (22, 0)]],
}


@pytest.mark.parametrize("letter", LETTERS)
def test_a_letter_is_not_two_digits(letter: str, reader: Reader) -> None:
    pixels = np.full((300, 300, 3), 255, np.uint8)
    for stroke in LETTERS[letter]:
        points = np.rint(np.array(stroke) * 8 + 60).astype(np.int32)
        cv2.polylines(pixels, [points], False, (0, 0, 0), 12, cv2.LINE_AA)
    assert not reader.read(pixels).ok


def test_the_number_among_three_lines_of_words_is_read(reader: Reader) -> None:
    note = Image.new("RGB", (900, 640), "white")
    draw = ImageDraw.Draw(note)
    for row, words in enumerate(("Hi Anna please", "call me back", "", "thanks, Tom")):
        draw.text((70, 40 + 140 * row), words, "black", ImageFont.load_default(84))
    assert reader.read(note).reason == ONLY_WORDS
    note.paste(Image.fromarray(page("52974", 66, 6)), (90, 300))
    assert reader.read(note).text == "52974"


def test_boxes_are_in_the_pixels_of_the_upright_original(reader: Reader) -> None:
    pixels = np.full((1500, 3000, 3), 255, np.uint8)
    written = page("4", 500, 40)
    pixels[200 : 200 + written.shape[0], 1800 : 1800 + written.shape[1]] = written
    ink = np.argwhere(pixels[..., 0] < 128)
    top, left = ink.min(axis=0)
    bottom, right = ink.max(axis=0)
    exif = Image.Exif()
    exif[0x0112] = 6  # stored turned by a quarter
    file = io.BytesIO()
    Image.fromarray(np.rot90(pixels)).save(file, "JPEG", exif=exif, quality=95)
    (digit,) = reader.read(file.getvalue(), single=True).digits
    expected = (left, top, right - left, bottom - top)
    assert digit.digit == 4
    assert np.abs(np.array(digit.box) - expected).max() <= 8


def test_the_json_object(reader: Reader) -> None:
    reading = reader.read(page("42", 80, 8))
    said = json.loads(json.dumps(reading.to_dict()))
    assert list(said) == [
        "page",
        "num_pages",
        "text",
        "digits",
        "ok",
        "reason",
        "lines",
        "turned",
        "notice",
    ]
    assert (said["text"], said["ok"], said["reason"]) == ("42", True, None)
    assert set(said["digits"][0]) == {"digit", "confidence", "box"}
    assert all(0 < digit["confidence"] <= 1 for digit in said["digits"])


def test_many_pictures_and_stacks(reader: Reader) -> None:
    pages = [page(text, 60, 6) for text in "123"]
    assert [r.text for r in reader.read_many(pages)] == list("123")
    seen = np.stack([r.digits[0].image for r in reader.read_many(pages, single=True)])
    assert [r.text for r in reader.read_many(seen, single=True)] == list("123")


def test_a_stack_is_read_as_its_pictures_one_by_one(reader: Reader) -> None:
    ready = [reader.read(page(text, 60, 6), single=True).digits[0].image for text in "0123456789"]
    moved = [np.roll(frame, 5, axis=1) for frame in ready]
    light = [255 - frame for frame in ready]
    stack = np.stack([*ready, *moved, *light, np.zeros_like(ready[0])])
    assert reader.read_many(stack) == [reader.read(image) for image in stack]
    assert reader.read_many(stack[:0]) == []


def test_an_error_names_its_picture(reader: Reader) -> None:
    fine = page("1", 60, 6)
    with pytest.raises(ImageError, match=r"^none\.png: no such file; check the path$"):
        reader.read_many([fine, "none.png"])
    with pytest.raises(ImageError, match=r"^picture 2: the file is empty$"):
        reader.read_many([fine, b""])
    singles: list[Any] = ["photo.png", b"P5 1 1 255 0"]
    for one in singles:
        with pytest.raises(ImageError, match=r"^read_many takes a list of pictures; for a single"):
            reader.read_many(one)


def test_ready_images_cost_little_more_than_their_classification(reader: Reader) -> None:
    """About twice as much; one by one they cost twenty times as much."""
    one = reader.read(page("5", 60, 6), single=True).digits[0].image
    stack = np.tile(one, (1_000, 1, 1))
    reading, classifying = cost(
        lambda: reader.read_many(stack), lambda: reader.classifier.probs(stack)
    )
    assert reading < 6 * classifying


def test_no_picture_is_an_error(reader: Reader) -> None:
    with pytest.raises(ImageError):
        reader.read(b"no picture")


def test_preview_of_a_large_grid_shows_its_cells_and_no_tiles(tmp_path: Path) -> None:
    reading = grid(["1" * 9, ""], ["", "2" * preview.MAX_TILES], cell=100)
    path = preview.write(np.full((200, 200, 3), 255, np.uint8), reading, tmp_path / "grid.png")
    with Image.open(path) as picture:
        sheet = np.asarray(picture)
    scale = preview.PAGE_SIDE / 200
    said = sheet[: preview.PAGE_SIDE, preview.PAGE_SIDE + preview.GAP :]
    seen = sheet[: preview.PAGE_SIDE, : preview.PAGE_SIDE]

    def inked(side: np.ndarray, x: int, y: int) -> bool:
        inner = side[int(100 * y * scale) :, int(100 * x * scale) :][20:400, 20:400]
        return bool((inner != 255).any())

    cells = [(0, 0), (1, 0), (0, 1), (1, 1)]
    assert [inked(said, x, y) for x, y in cells] == [True, False, False, True]
    assert not any(inked(seen, x, y) for x, y in cells)  # nothing lies over the writing
    assert sheet.shape[0] < preview.PAGE_SIDE + preview.TILE


def test_preview_shows_page_and_tiles(reader: Reader, tmp_path: Path) -> None:
    for name, source in (("row", page("120", 80, 8)), ("blank", np.zeros((50, 50), np.uint8))):
        path = preview.write(source, reader.read(source), tmp_path / f"{name}.png")
        assert path.exists()
    tile = reader.read(page("120", 80, 8)).digits[0].image
    with Image.open(tmp_path / "row.png") as picture:
        sheet = np.asarray(picture)
    enlarged = np.kron(tile, np.ones((3, 3), np.uint8))
    rows = sheet.shape[0] - preview.TILE - preview.CAPTION
    assert np.array_equal(sheet[rows : rows + preview.TILE, : preview.TILE, 0], enlarged)


def test_the_legend_of_a_narrow_preview_is_whole(tmp_path: Path) -> None:
    path = preview.write(np.full((1500, 200, 3), 255, np.uint8), Reading(), tmp_path / "tall.png")
    with Image.open(path) as picture:
        sheet = np.asarray(picture)
    assert (sheet[preview.PAGE_SIDE + preview.GAP :].reshape(-1, 3).max(axis=1) > 0).all()


@pytest.mark.parametrize("count", [1000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_mnist_as_pictures_equals_mnist_as_arrays(
    reader: Reader, mnist: Splits, count: int
) -> None:
    images = mnist.test.images[:count].numpy()
    probs = reader.classifier.probs(images)
    accepted = reader.classifier.is_digit(probs)
    expected = [str(p.argmax()) if ok else "" for p, ok in zip(probs, accepted, strict=True)]
    read = []
    for index, image in enumerate(images):
        file = io.BytesIO()
        Image.fromarray(image if index % 2 else 255 - image).save(file, "PNG")
        read.append(reader.read(file.getvalue(), single=True).text)
    assert np.mean(np.array(read) != np.array(expected)) <= 0.0005
