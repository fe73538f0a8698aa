"""Ink is found in any colour, light and ruling; blank pages have none."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from cnn_mnist.inference.segmentation import clutter, ink, ruling
from cnn_mnist.inference.segmentation.components import components
from cnn_mnist.inference.segmentation.sheet import find as find_sheets
from drawn import Colour, coverage, page

WRITING = {
    "dark on white": ((20, 20, 25), (255, 255, 255)),
    "light on dark": ((235, 235, 235), (20, 25, 30)),
    "yellow on blue": ((240, 220, 40), (20, 40, 140)),
    "pale blue": ((150, 170, 220), (250, 248, 240)),
    "pencil on grey": ((140, 140, 145), (200, 200, 200)),
    "blue on beige": ((30, 40, 120), (235, 225, 200)),
    "red on green of the same lightness": ((190, 60, 60), (60, 120, 60)),
}


def overlap(found: NDArray[np.float32], truth: NDArray[np.float32]) -> float:
    """Intersection over union of what is more than half covered."""
    a, b = found > 0.5, truth > 0.5
    return float((a & b).sum() / max(1, (a | b).sum()))


def noisy(pixels: NDArray[np.floating] | NDArray[np.uint8], sigma: float = 4) -> NDArray[np.uint8]:
    noise = np.random.default_rng(0).normal(0, sigma, pixels.shape)
    return np.clip(np.rint(pixels + noise), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("colours", WRITING.values(), ids=WRITING)
@pytest.mark.parametrize("pen", [3, 12, 30])
def test_colours(colours: tuple[Colour, Colour], pen: int) -> None:
    pixels = page("5", 160, pen, *colours)
    assert overlap(ink.find(pixels), coverage("5", 160, pen)) > 0.8


@pytest.mark.parametrize("depth", [0.1, 0.3, 0.6])
def test_a_soft_shadow_on_overexposed_paper_is_not_ink(depth: float) -> None:
    """Most of the paper has one exact colour, as in a drawing, but the page is a photograph."""
    pixels, truth = page("407", 160, 12), coverage("407", 160, 12)
    height, width = truth.shape
    away = np.hypot(*np.meshgrid(np.arange(width) / width, np.arange(height) / height))
    light = np.minimum(1 - depth * (1 - away / 0.5), 1)[..., None]
    found = ink.find(np.rint(pixels * light).astype(np.uint8))
    assert overlap(found, truth) > 0.85
    assert found[:40, :40].max() == 0


@pytest.mark.parametrize("depth", [0.5, 0.8])
def test_shadows(depth: float) -> None:
    pixels = page("5", 160, 12).astype(float)
    height, width = pixels.shape[:2]
    y, x = np.mgrid[:height, :width]
    blob = np.exp(-((x / width - 0.3) ** 2 + (y / height - 0.3) ** 2) / 0.06)
    shaded = noisy(pixels * (1 - depth * blob)[..., None], 2)
    assert overlap(ink.find(shaded), coverage("5", 160, 12)) > 0.75


def test_a_hairline_on_a_large_page() -> None:
    pixels = np.full((1500, 1100, 3), (235, 225, 200), np.uint8)
    pixels[600:1000, 300:600] = page("2", 200, 1, (60, 60, 60), (235, 225, 200))[:400, :300]
    found = ink.find(pixels)
    truth = np.zeros(found.shape, np.float32)
    truth[600:1000, 300:600] = coverage("2", 200, 1)[:400, :300]
    assert overlap(found, truth) > 0.8


@pytest.mark.parametrize("angle", [0, 4])
@pytest.mark.parametrize("squared", [False, True])
def test_ruled_lines_go_and_digits_stay(angle: float, squared: bool) -> None:
    pixels, truth = page("4", 150, 10), coverage("4", 150, 10)
    paper = np.full_like(pixels, 255)
    slope = np.tan(np.radians(angle))
    for offset in range(-400, 700, 60):
        drop = round(slope * 600)
        cv2.line(paper, (0, offset), (600, offset + drop), (150, 170, 210), 2, cv2.LINE_AA)
        if squared:
            cv2.line(paper, (offset, 0), (offset - drop, 600), (150, 170, 210), 2, cv2.LINE_AA)
    found = ink.find(np.minimum(pixels, paper))
    assert overlap(found, truth) > 0.8
    assert found[:40].max() == 0


def test_a_margin_darker_than_the_rules_is_no_ink() -> None:
    pixels, truth = np.full((700, 1000, 3), 245, np.uint8), np.zeros((700, 1000), np.float32)
    for row in range(4):
        high = np.s_[20 + 160 * row : 180 + 160 * row, 200:648]
        pixels[high] = page("4728365", 80, 6, paper=(245, 245, 245))[:160, :448]
        truth[high] = coverage("4728365", 80, 6)[:160, :448]
    paper = np.full_like(pixels, 245)
    for y in range(20, 700, 40):
        cv2.line(paper, (0, y), (1000, y), (175, 195, 225), 2, cv2.LINE_AA)
    cv2.line(paper, (120, 0), (120, 700), (215, 90, 100), 3, cv2.LINE_AA)
    found = ink.find(np.minimum(pixels, paper))
    assert overlap(found, truth) > 0.8
    assert found[:, :150].max() == 0


def test_lines_as_dark_as_the_ink_are_taken_out_without_cutting() -> None:
    mask = (coverage("4", 150, 10) > 0.5).astype(np.uint8)
    lined = mask.copy()
    lined[60::50] = 1
    rest = ruling.without_lines(lined)
    assert rest[:, :20].max() == 0
    assert (rest & mask).sum() > 0.95 * mask.sum()
    assert cv2.connectedComponents(rest)[0] == cv2.connectedComponents(mask)[0]


@pytest.mark.parametrize("gap", [0, 8])
def test_the_boxes_of_a_form_are_no_ink(gap: int) -> None:
    pixels, truth = page("508", 100, 8), coverage("508", 100, 8)
    for index in range(3):
        left, right = 35 + 80 * index + gap // 2, 115 + 80 * index - gap // 2
        cv2.rectangle(pixels, (left, 35), (right, 165), (60, 60, 60), 2)
    assert overlap(ink.find(pixels), truth) > 0.8


@pytest.mark.parametrize("degrees", [0, 30, 60])
@pytest.mark.parametrize("bend", [0, 12])
def test_a_line_under_some_numbers_is_no_ink(degrees: int, bend: int) -> None:
    """It covers a part of the page only, at any angle, and one number touches it."""
    sheet = np.full((900, 900, 3), 255, np.uint8)
    for row in range(5):
        number, top = page("47", 40, 4)[17:63], 200 + 90 * row
        sheet[top : top + 46, 400 : 400 + number.shape[1]] = number
    x = np.arange(150, 750)
    y = 200 + 2 * 90 + 44 + bend * np.sin(np.pi * (x - 450) / 600)
    truth = sheet.copy()
    cv2.polylines(sheet, [np.stack([x, y], 1).round().astype(np.int32)], False, (60, 60, 60), 2)
    turn = cv2.getRotationMatrix2D((450, 450), degrees, 1)
    lined, alone = (
        cv2.warpAffine(one, turn, (900, 900), borderValue=(255,) * 3) for one in (sheet, truth)
    )
    assert overlap(ink.find(lined), ink.find(alone)) > 0.8


def numbers_and(
    draw: Callable[[NDArray[np.uint8]], object], count: int
) -> tuple[NDArray[np.uint8], ...]:
    """Small numbers, with something large drawn around them, and without it."""
    sheet = np.full((900, 1200, 3), 240, np.uint8)
    for place in range(count):
        number, x, y = page("47", 20, 3)[8:33], 420 + 90 * (place % 4), 330 + 70 * (place // 4)
        sheet[y : y + 25, x : x + number.shape[1]] = np.minimum(number, 240)
    drawn = sheet.copy()
    draw(drawn)
    return drawn, sheet


@pytest.mark.parametrize(
    "lines",
    [
        [(300, 700, 1000, 700), (300, 150, 300, 700)],
        [(200, 445, 1000, 445), (495, 100, 495, 800)],
        [(250, 250, 950, 250), (250, 650, 950, 650), (250, 250, 250, 650), (950, 250, 950, 650)],
    ],
    ids=["axes", "cross", "frame"],
)
def test_lines_that_meet_are_no_ink(lines: list[tuple[int, ...]]) -> None:
    def draw(sheet: NDArray[np.uint8]) -> None:
        for x0, y0, x1, y1 in lines:
            cv2.line(sheet, (x0, y0), (x1, y1), (30, 30, 30), 2)

    drawn, alone = numbers_and(draw, 16)
    assert overlap(ink.find(drawn), ink.find(alone)) > 0.8


def test_numbers_in_a_large_ring_are_no_specks() -> None:
    drawn, alone = numbers_and(lambda sheet: cv2.circle(sheet, (600, 450), 400, (30,) * 3, 3), 8)
    numbers = ink.find(alone)
    assert (ink.find(drawn)[numbers > 0.5] > 0.5).all()


def test_a_line_laid_level_keeps_its_pixels() -> None:
    part = np.zeros((158, 3), np.uint8)
    part[:, 1] = 1
    assert (ruling._rules(part) >= part).all()


def test_a_long_stroke_is_no_line_because_of_dust() -> None:
    sheet = np.full((400, 400, 3), 255, np.uint8)
    cv2.line(sheet, (180, 100), (220, 300), (40, 40, 40), 3, cv2.LINE_AA)
    for x, y in np.random.default_rng(0).integers(20, 160, (8, 2)):
        sheet[y : y + 8, x : x + 8] = 40
    assert ink.find(sheet)[200, 190:210].max() == 1


def test_a_lone_stroke_is_no_ruled_line() -> None:
    mask = np.zeros((200, 200), np.uint8)
    mask[10:190, 98:104] = 1
    assert np.array_equal(ruling.without_lines(mask), mask)


KINKED = [(140, 40), (143, 110), (143, 190), (150, 250), (149, 308)]
ROOFED = [(20, 40), (140, 41), (280, 40), (150, 300)]


@pytest.mark.parametrize("stroke", [KINKED, ROOFED])
@pytest.mark.parametrize("pen", [2, 4])
def test_the_strokes_of_a_large_thin_digit_are_ink(stroke: list[tuple[int, int]], pen: int) -> None:
    pixels = np.full((340, 303, 3), 255, np.uint8)
    cv2.polylines(pixels, [np.array(stroke)], False, (20, 20, 20), pen, cv2.LINE_AA)
    found = ink.find(pixels) > 0
    assert np.array_equal(found & (pixels[..., 0] < 60), pixels[..., 0] < 60)


def test_the_tall_thin_stems_of_a_row_of_large_digits_are_ink() -> None:
    pixels = np.full((340, 900, 3), 255, np.uint8)
    for x in (100, 400, 700):  # 1s, each with a foot
        stroke = [(x - 50, 90), (x, 25), (x, 315), (x - 60, 315), (x + 60, 315)]
        cv2.polylines(pixels, [np.array(stroke)], False, (20, 20, 20), 4, cv2.LINE_AA)
    found = ink.find(pixels) > 0
    assert np.array_equal(found & (pixels[..., 0] < 60), pixels[..., 0] < 60)


def test_the_desk_beside_the_page_is_no_ink() -> None:
    written = page("3", 180, 12)
    top, left = 20, 60
    height, width = written.shape[:2]
    desk = np.full((height + 50, width + 80, 3), (90, 60, 40), np.uint8)
    desk[top : top + height, left : left + width] = written
    truth = np.zeros(desk.shape[:2], np.float32)
    truth[top : top + height, left : left + width] = coverage("3", 180, 12)
    found = ink.find(desk)
    inside = np.s_[top + 40 : top + height - 40, left + 40 : left + width - 40]
    assert overlap(found[inside], truth[inside]) > 0.8
    assert (found > 0.5).sum() < 1.3 * (truth > 0.5).sum()


def test_the_desk_beside_a_strip_of_paper_is_no_ink() -> None:
    written = np.hstack([page(digit, 60, 5) for digit in "1234567"])
    strip = cv2.resize(written, None, fx=1, fy=0.4, interpolation=cv2.INTER_AREA)
    assert strip.shape[1] > 6 * strip.shape[0]
    height, width = strip.shape[:2]
    desk = np.full((height + 30, width + 30, 3), (45, 45, 45), np.uint8)
    desk[20 : 20 + height, 20 : 20 + width] = strip
    found = ink.find(desk)
    assert found[25 : height + 15].any()
    assert not found[:20].any()
    assert not found[:, :20].any()


def on_a_desk(*corners: list[tuple[int, int]]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Written sheets with these corners, clockwise from the upper left, and the ink on them."""
    pixels = np.full((600, 1000, 3), (90, 60, 40), np.uint8)
    truth = np.zeros((600, 1000), np.float32)
    for place in corners:
        written, ink_on_it = numbers("407", "25", "386"), numbers("407", "25", "386")[..., 0]
        height, width = written.shape[:2]
        own = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
        view = cv2.getPerspectiveTransform(own, np.array(place, np.float32))
        seen = cv2.warpPerspective(np.ones((height, width), np.uint8), view, (1000, 600)) > 0
        pixels[seen] = cv2.warpPerspective(written, view, (1000, 600))[seen]
        truth[seen] = 1 - cv2.warpPerspective(ink_on_it, view, (1000, 600))[seen] / 255
    return pixels, truth


@pytest.mark.parametrize(
    "corners",
    [
        [[(350, 100), (650, 110), (820, 520), (160, 500)]],
        [[(60, 160), (900, 40), (940, 580), (120, 440)]],
        [
            [(60, 120), (440, 100), (440, 480), (70, 500)],
            [(560, 120), (920, 110), (930, 490), (570, 480)],
        ],
    ],
    ids=["from below", "from the side", "two"],
)
def test_the_desk_around_sheets_seen_at_an_angle_is_no_ink(
    corners: list[list[tuple[int, int]]],
) -> None:
    pixels, truth = on_a_desk(*corners)
    assert overlap(ink.find(noisy(pixels)), truth) > 0.75


@pytest.mark.parametrize("slope", [-0.4, 0.4, 1.6])
def test_paper_in_a_hard_shadow_is_no_desk(slope: float) -> None:
    written = numbers("40713", "25386", "38640", "91205")
    height, width = written.shape[:2]
    y, x = np.mgrid[:height, :width]
    lit = x - width / 2 > slope * (y - height / 2)
    shaded = np.where(lit[..., None], written, 0.55 * written)
    found = ink.find(noisy(shaded, 2))
    assert found[~lit].max() == 1


def test_the_lit_part_of_a_page_on_a_desk_is_no_sheet() -> None:
    pixels, _ = on_a_desk([(150, 60), (860, 80), (850, 540), (140, 530)])
    assert find_sheets(pixels) is not None
    y, x = np.mgrid[:600, :1000]
    lit = x - 500 > 0.4 * (y - 300)
    assert find_sheets(noisy(np.where(lit[..., None], pixels, 0.55 * pixels), 2)) is None


def test_specks_are_dropped() -> None:
    pixels = page("7", 200, 14)
    for y, x in [(15, 15), (30, 150), (350, 30)]:
        pixels[y : y + 4, x : x + 4] = 0
    assert overlap(ink.find(pixels), coverage("7", 200, 14)) > 0.9


def test_a_lone_digit_beside_a_block_of_numbers_is_no_speck() -> None:
    pixels = np.full((1600, 1200, 3), 240, np.uint8)
    for row in range(20):
        for column in range(20):
            cv2.rectangle(
                pixels,
                (600 + 25 * column, 60 + 45 * row),
                (615 + 25 * column, 95 + 45 * row),
                (40, 40, 90),
                3,
            )
    cv2.rectangle(pixels, (100, 400), (116, 436), (40, 40, 90), 3)
    cv2.rectangle(pixels, (100, 700), (107, 707), (40, 40, 90), -1)
    cv2.line(pixels, (650, 150), (650, 235), (40, 40, 90), 3)  # strokes of two lines that touch
    found = ink.find(pixels)
    assert found[390:450, 90:130].any()
    assert not found[690:720, 90:130].any()


@pytest.mark.parametrize("palest", [30, 40, 50])
def test_squares_that_are_darker_in_places_are_no_ink(palest: int) -> None:
    is_line = np.zeros((600, 900), np.bool_)
    is_line[10::40] = is_line[11::40] = is_line[:, 10::40] = is_line[:, 11::40] = True
    y, x = np.mgrid[:600, :900]
    waves = 0.5 + 0.5 * np.sin(x / 40) * np.sin(y / 40)
    darkness = is_line * (palest + (80 - palest) * waves)
    pixels = np.repeat(240 - darkness[..., None], 3, axis=2)
    for top in (60, 160, 260):
        for left in range(100, 800, 60):
            cv2.rectangle(pixels, (left, top), (left + 32, top + 60), (40, 40, 90), 4)
    blurred = np.asarray(cv2.GaussianBlur(pixels, (0, 0), 1.2), np.float64)
    found = ink.find(noisy(blurred, 1))
    assert found[160:220, 100:700].any()
    found[40:340, :850] = 0
    assert not found.any()


def test_a_line_as_pale_as_most_of_the_writing_sets_no_threshold() -> None:
    pixels = np.full((400, 600, 3), 240.0)
    pixels[:, 60:64] = 170
    for x in range(100, 500, 80):
        cv2.rectangle(pixels, (x, 100), (x + 40, 180), (170, 170, 170), 6)
        cv2.line(pixels, (x, 100), (x + 40, 100), (40, 40, 40), 6)  # begun with more pressure
    found = ink.find(noisy(np.asarray(cv2.GaussianBlur(pixels, (0, 0), 1), np.float64), 2))
    assert found[140:190, 100:450].any()


def test_a_ring_on_ruled_paper_stays_whole() -> None:
    pixels = np.full((600, 900, 3), 240.0)
    for y in range(30, 600, 46):
        pixels[y : y + 2] = 180
    for x in range(100, 600, 50):
        cv2.rectangle(pixels, (x, 400), (x + 22, 440), (40, 40, 90), 3)
    cv2.ellipse(pixels, (690, 180), (175, 110), 0, 0, 360, (40, 40, 90), 5)
    ring = np.zeros((600, 900), np.uint8)
    cv2.ellipse(ring, (690, 180), (175, 110), 0, 0, 360, 1, 1)
    blurred = np.asarray(cv2.GaussianBlur(pixels, (0, 0), 1), np.float64)
    assert ink.find(noisy(blurred, 1))[ring > 0].astype(bool).mean() > 0.95


def test_the_plus_of_a_sum_is_no_speck_beside_its_lines() -> None:
    pixels = np.full((700, 900, 3), 240, np.uint8)
    for left in (200, 600):
        for top in (180, 260, 360):
            for column in range(3):
                x = left + 50 * column
                cv2.rectangle(pixels, (x, top), (x + 25, top + 45), (40, 40, 90), 3)
        cv2.line(pixels, (left - 90, 335), (left + 140, 335), (40, 40, 90), 3)
        cv2.line(pixels, (left - 95, 285), (left - 75, 285), (40, 40, 90), 3)
        cv2.line(pixels, (left - 85, 275), (left - 85, 295), (40, 40, 90), 3)
    found = ink.find(pixels)
    assert found[270:300, 100:130].any()
    assert found[270:300, 500:530].any()


@pytest.mark.parametrize("value", [0, 90, 255])
@pytest.mark.parametrize("sigma", [0, 3])
def test_blank_paper_holds_no_ink(value: int, sigma: int) -> None:
    assert not ink.find(noisy(np.full((200, 150, 3), value, float), sigma)).any()


@pytest.mark.parametrize("turns", range(4))
def test_light_that_fades_to_the_border_is_no_ink(turns: int) -> None:
    fading = noisy(np.broadcast_to(np.linspace(130, 230, 800), (600, 800)), 3)
    pixels = np.repeat(np.rot90(fading, turns)[..., None], 3, axis=2)
    assert not ink.find(pixels).any()


@pytest.mark.parametrize("pen", [1, 40])
@pytest.mark.parametrize("colours", WRITING.values(), ids=WRITING)
def test_what_a_program_drew_is_found_to_the_pixel(
    colours: tuple[Colour, Colour], pen: int
) -> None:
    """Thick strokes close together leave a window's median no paper to see."""
    pixels, truth = page("8", 160, pen, *colours), coverage("8", 160, pen)
    cut = np.s_[40:-40, 40:-40]
    assert overlap(ink.find(pixels[cut]), truth[cut]) > 0.9


@pytest.mark.parametrize(("top", "left"), [(0, 0), (3, 200), (248, 444), (240, 7)])
def test_the_place_on_a_blank_canvas_changes_nothing(top: int, left: int) -> None:
    pixels = page("47", 120, 12)[30:-30, 40:-40]
    height, width = pixels.shape[:2]
    found = []
    for y, x in ((120, 150), (top, left)):
        canvas = np.full((428, 640, 3), 255, np.uint8)
        canvas[y : y + height, x : x + width] = pixels
        everywhere = ink.find(canvas)
        found.append(everywhere[y : y + height, x : x + width].copy())
        everywhere[y : y + height, x : x + width] = 0
        assert not everywhere.any()
    assert np.array_equal(found[0], found[1])
    assert overlap(found[0], coverage("47", 120, 12)[30:-30, 40:-40]) > 0.95


@pytest.mark.parametrize("height", [14, 20, 40])
def test_small_crops(height: int) -> None:
    pixels, truth = (
        page("8", height, max(1, height // 9)),
        coverage("8", height, max(1, height // 9)),
    )
    crop = np.s_[height // 3 : -height // 4, height // 3 : -height // 3]
    assert overlap(ink.find(pixels[crop]), truth[crop]) > 0.5


@given(
    arrays(np.uint8, st.tuples(st.integers(1, 80), st.integers(1, 80), st.just(3)))
    | st.tuples(st.integers(1, 300), st.integers(1, 300), st.integers(0, 2**32)).map(
        lambda t: np.random.default_rng(t[2]).integers(0, 256, (t[0], t[1], 3), np.uint8)
    )
)
def test_any_page_gives_a_map_of_its_size(pixels: NDArray[np.uint8]) -> None:
    found = ink.find(pixels)
    assert found.shape == pixels.shape[:2]
    assert found.dtype == np.float32
    assert found.min() >= 0
    assert found.max() <= 1


def numbers(*texts: str) -> NDArray[np.uint8]:
    """A page with a wide left margin and a number on each line."""
    written = np.full((60 + 140 * len(texts), 700, 3), 255, np.uint8)
    for row, text in enumerate(texts):
        part = page(text, 70, 8)
        top = 30 + 140 * row
        written[top : top + part.shape[0], 150 : 150 + part.shape[1]] = part
    return written


@pytest.mark.parametrize("radius", [20, 45])
def test_punched_holes_and_stickers_are_no_ink(radius: int) -> None:
    bare = numbers("407", "25", "386")
    marked = bare.copy()
    for row, colour in enumerate([(40, 38, 36), (220, 50, 50), (60, 150, 70)]):
        cv2.circle(marked, (80, 100 + 140 * row), radius, colour, -1, cv2.LINE_AA)
    assert not ink.find(noisy(marked))[:, :150].any()
    assert overlap(ink.find(noisy(marked)), ink.find(noisy(bare))) > 0.95


@pytest.mark.parametrize(("axes", "is_ink"), [((50, 50), False), ((30, 50), True)])
def test_discs_alone_are_no_ink_and_a_clogged_zero_is(axes: tuple[int, int], is_ink: bool) -> None:
    screen = np.full((300, 500, 3), 255, np.uint8)
    for x in (100, 300):
        cv2.ellipse(screen, (x, 150), axes, 0, 0, 360, (20, 20, 25), -1, cv2.LINE_AA)
    assert ink.find(screen).any() == is_ink


def test_the_dots_of_a_pen_are_ink() -> None:
    dotted = numbers("470", "25")
    cv2.circle(dotted, (338, 130), 6, (20, 20, 25), -1, cv2.LINE_AA)
    assert ink.find(dotted)[126:134, 336:342].any()


def test_a_thick_stroke_beside_thin_icons_is_ink() -> None:
    screen = np.full((400, 400, 3), 255, np.uint8)
    for x in range(20, 380, 40):
        cv2.circle(screen, (x, 40), 14, (20, 20, 25), 2, cv2.LINE_AA)
    cv2.line(screen, (200, 180), (200, 270), (20, 20, 25), 30, cv2.LINE_AA)
    assert ink.find(screen)[200:250, 190:210].all()


@pytest.mark.parametrize("turns", range(4))
def test_the_wires_of_a_spiral_are_no_ink(turns: int) -> None:
    bare = numbers("407", "25", "386")
    bound = bare.copy()
    for y in range(20, len(bare) - 20, 36):
        cv2.line(bound, (0, y), (40, y + 4), (110, 110, 115), 7, cv2.LINE_AA)
    found = ink.find(noisy(np.rot90(bound, turns)))
    assert overlap(found, ink.find(noisy(np.rot90(bare, turns)))) > 0.95


def test_wires_in_a_corner_go_though_marks_along_the_other_border_stay() -> None:
    mask = np.zeros((400, 400), np.uint8)
    for y in range(0, 350, 50):
        mask[y : y + 5, :60] = 1
    others = mask.copy()
    for x in (70, 90, 160, 200, 290, 310, 370):
        mask[:60, x : x + 5] = 1
    rest = clutter.without_clutter(components(mask), 200 * mask)
    assert np.array_equal(rest.mask, mask - others)


def test_strokes_that_the_border_cuts_off_unevenly_are_ink() -> None:
    strokes = numbers("407", "25", "386")
    for y in (20, 70, 101, 160, 240, 275, 330, 420):
        cv2.line(strokes, (0, y), (40, y + 4), (20, 20, 25), 7, cv2.LINE_AA)
    assert ink.find(strokes)[:, :30].any()


def test_a_highlighted_number_is_ink() -> None:
    highlighted = numbers("407", "25", "386").astype(np.float64)
    highlighted[195:285, 160:280] *= np.array([1, 0.95, 0.4])
    assert ink.find(noisy(highlighted))[205:275, 185:255].any()
