"""The page that shows the network, in a real browser: it computes what torch computes and sees what
the reader sees, and it can be drawn on, pointed at and stepped through."""

import base64
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import playwright.sync_api as playwright
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from cnn_mnist import Reader, shelf
from cnn_mnist.inference.recognition.normalize import even_stroke, to_mnist
from cnn_mnist.inference.segmentation import segment
from cnn_mnist.training.augment.transforms import normalize
from cnn_mnist.training.data import Splits
from cnn_mnist.training.evaluation import predict_logits
from cnn_mnist.training.models.networks import Net
from cnn_mnist.training.recipes import NORM, Recipe
from cnn_mnist.training.runs import checkpoint, web
from cnn_mnist.training.synthetic.glyphs import DIGITS
from cnn_mnist.training.train import begin, finish
from drawn import STROKES, arc
from served import Served
from waiting import wait_until
from watched import Watched

PAD, PEN = 280, 30  # pixels, as in pad.js
LAYERS = ("conv1", "pool1", "conv2", "conv3", "pool2", "fc1", "fc2")


@pytest.fixture(scope="module")
def run(few_digits: Splits, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two short epochs."""
    folder = tmp_path_factory.mktemp("explore") / "run"
    recipe = Recipe(name="tiny", epochs=2, batch_size=100, mixed_precision=False)
    finish(begin(recipe, few_digits, folder), few_digits, folder)
    return folder


@pytest.fixture(scope="module")
def small(run: Path, few_digits: Splits) -> Path:
    """The page of that run, which makes many mistakes."""
    web.export(run, few_digits, run.parent / "page")
    return run.parent / "page"


@pytest.fixture(scope="module")
def released(few_digits: Splits, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the released weights, which has one epoch."""
    folder = tmp_path_factory.mktemp("released") / "page"
    web.export(shelf.get("reader").folder, few_digits, folder)
    return folder


class Visit(Watched):
    """One page opened from disk."""

    def __init__(self, browser: "playwright.Browser", folder: Path, **settings: Any) -> None:
        settings = {"viewport": {"width": 1360, "height": 900}} | settings
        super().__init__(browser, f"file://{folder}/index.html", **settings)
        self.page.wait_for_selector("body[data-ready]")

    def text(self, selector: str) -> str:
        return str(self.page.locator(selector).text_content())

    def expect(self, selector: str, text: str) -> None:
        playwright.expect(self.page.locator(selector)).to_contain_text(text)

    def evaluate(self, script: str, argument: object = None) -> Any:
        return self.page.evaluate(script, argument)

    def seen(self, strokes: list[NDArray[np.float64]]) -> tuple[Any, NDArray[np.uint8]]:
        """The image and the digit that the network sees in these strokes, and their ink."""
        answer = self.evaluate(
            """strokes => {
                pad.write(strokes);
                const coverage = pad.coverage();
                const image = frameOf(coverage, PAD, PAD);
                const { logits } = state.network.run(image);
                const bytes = Array.from(coverage, (c) => String.fromCharCode(c)).join("");
                const digit = logits.indexOf(Math.max(...logits));
                return { image: [...image], digit, ink: btoa(bytes) };
            }""",
            [stroke.tolist() for stroke in strokes],
        )
        ink = np.frombuffer(base64.b64decode(answer["ink"]), np.uint8)
        return answer, ink.reshape(PAD, PAD)

    def picture(self, canvas: str) -> str:
        return str(self.evaluate("id => document.getElementById(id).toDataURL()", canvas))

    def draw(self, strokes: list[NDArray[np.float64]], lift: bool = True) -> None:
        """With the mouse, in pixels of the pad."""
        box, mouse = self.page.locator("#pad").bounding_box(), self.page.mouse
        for stroke in strokes:
            points = stroke * box["width"] / PAD + (box["x"], box["y"])
            mouse.move(*points[0])
            mouse.down()
            for point in points[1:]:
                mouse.move(*point)
            if lift:
                mouse.up()

    def point_at(self, layer: str, cell: int, y: int, x: int, click: bool = False) -> None:
        place = self.evaluate(
            """([name, map, y, x]) => {
                const grid = grids[name];
                grid.canvas.scrollIntoView({ block: "center" });
                const box = grid.canvas.getBoundingClientRect();
                const [left, top] = grid.corner(map);
                const unit = grid.size / grid.side;
                const ratio = box.width / grid.canvas.width;
                return [box.left + (left + (x + 0.5) * unit) * ratio,
                        box.top + (top + (y + 0.5) * unit) * ratio];
            }""",
            [layer, cell, y, x],
        )
        (self.page.mouse.click if click else self.page.mouse.move)(*place)


@pytest.fixture
def visit(browser: "playwright.Browser", small: Path) -> Iterator[Visit]:
    yield from opened(browser, small, viewport={"width": 1360, "height": 4400})  # all is in view


@pytest.fixture(scope="module")
def still(browser: "playwright.Browser", small: Path) -> Iterator[Visit]:
    """The same page, for tests that leave it as it is."""
    yield from opened(browser, small)


@pytest.fixture
def reading(browser: "playwright.Browser", released: Path) -> Iterator[Visit]:
    """The page of accurate weights."""
    yield from opened(browser, released)


@pytest.fixture(scope="module")
def computing(browser: "playwright.Browser", released: Path) -> Iterator[Visit]:
    """The same page, for tests of what it computes."""
    yield from opened(browser, released)


def opened(browser: "playwright.Browser", folder: Path, **settings: Any) -> Iterator[Visit]:
    """No test may write to the console or request anything but the page's files."""
    visit = Visit(browser, folder, **settings)
    loaded = len(visit.asked)
    yield visit
    assert visit.said == []
    assert all(url.startswith(f"file://{folder}/") for url in visit.asked)
    assert len(visit.asked) == loaded, "nothing is fetched after loading"
    visit.context.close()


# --- the same numbers as in Python ---


def test_every_layer_is_torchs(still: Visit, run: Path, few_digits: Splits) -> None:
    model = checkpoint.load_model(run)
    image = few_digits.test.images[:1]
    got = still.evaluate(
        "image => { const run = state.network.run(image);"
        " return Object.fromEntries(Object.entries(run.values).map(([k, v]) => [k, [...v]])); }",
        image.flatten().tolist(),
    )
    for name, expected in layers(model, normalize(image, *NORM)[0]).items():
        assert got[name] == pytest.approx(expected.flatten().tolist(), abs=1e-5), name


def layers(
    model: nn.Module, pixels: torch.Tensor, pool: Any = nn.functional.max_pool2d
) -> dict[str, torch.Tensor]:
    """What the page shows of each layer: after ReLU, but for the scores."""
    assert isinstance(model, Net)
    values = {"conv1": model.conv1(pixels).relu()}
    values["pool1"] = pool(values["conv1"], 2)
    values["conv2"] = model.conv2(values["pool1"]).relu()
    values["conv3"] = model.conv3(values["conv2"]).relu()
    values["pool2"] = pool(values["conv3"], 2)
    values["fc1"] = model.fc1(values["pool2"].flatten()).relu()
    values["fc2"] = model.fc2(values["fc1"])
    return values


def test_the_logits_of_mnist_images_are_torchs(computing: Visit, mnist: Splits) -> None:
    test = mnist.test[:200]
    got = computing.evaluate(
        """base64 => {
            const images = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
            return Array.from({ length: images.length / 784 }, (_, at) =>
                [...state.network.run(images.subarray(784 * at, 784 * (at + 1))).logits]);
        }""",
        base64.b64encode(test.images.numpy().tobytes()).decode(),
    )
    expected = predict_logits(checkpoint.load_model(shelf.get("reader").folder), test, NORM).numpy()
    assert np.array(got).shape == (200, 10)
    assert np.abs(np.array(got) - expected).max() < 1e-3


@pytest.mark.parametrize("count", [20, pytest.param(200, marks=pytest.mark.slow)])
def test_drawings_are_seen_and_read_as_by_the_reader(computing: Visit, count: int) -> None:
    """The reader is given black ink on a white page with a margin. It takes the mean of five looks
    at a digit, the page shows one: the digit is that of one look at what the reader sees."""
    reader, rng = Reader(), np.random.default_rng(0)
    differences, same, as_read = [], [], []
    for number in range(count):
        strokes = handwritten(number % 10, rng)
        answer, ink = computing.seen(strokes)
        read = reader.read(255 - np.pad(ink, PAD // 2), single=True)
        (digit,) = (*read.digits, *read.rejected)
        differences.append(np.abs(digit.image.ravel() - np.array(answer["image"], int)).max())
        one_look = reader.classifier.probs(digit.image[None])[0]
        same.append(int(one_look.argmax()) == answer["digit"])
        as_read.append(digit.digit == answer["digit"])
    assert sum(same) == count
    assert np.mean(as_read) >= 0.99
    assert np.mean(np.array(differences) <= 1) >= 0.98  # in the rest the reader loses faint ink


def handwritten(digit: int, rng: np.random.Generator) -> list[NDArray[np.float64]]:
    """The strokes of a digit somewhere on the pad, with a point every few pixels."""
    glyph = [np.array(stroke) for stroke in DIGITS[digit](rng)]
    glyph = [stroke + rng.normal(0, 0.12, stroke.shape) for stroke in glyph]
    points = np.concatenate(glyph)
    scale = rng.uniform(60, PAD - 1.5 * PEN) / np.ptp(points, axis=0).max()
    low, size = points.min(axis=0) * scale, np.ptp(points, axis=0) * scale
    corner = PEN / 2 + rng.uniform(0, PAD - PEN - size)
    return [dense(stroke * scale - low + corner) for stroke in glyph]


def dense(stroke: NDArray[np.float64], step: float = 6) -> NDArray[np.float64]:
    lengths = np.hypot(*np.diff(stroke, axis=0).T)
    along = np.concatenate([[0], np.cumsum(lengths)])
    places = np.linspace(0, along[-1], max(2, int(along[-1] / step)))
    return np.stack([np.interp(places, along, stroke[:, axis]) for axis in (0, 1)], axis=1)


def test_a_filled_blob_and_a_dot_are_framed_as_by_the_reader(computing: Visit) -> None:
    """Thinning leaves little of a blob, which is then enlarged; a dot is too small to measure.

    The reader itself takes a dot for no writing.
    """
    zigzag = np.array([[110 + 60 * (k % 2), 100 + 8 * k] for k in range(10)], float)
    for stroke in (zigzag, np.array([[140.3, 90.6]])):
        answer, ink = computing.seen([stroke])
        (glyph,) = segment.single(np.float32(1 / 255) * np.pad(ink, PAD // 2)).glyphs
        image = to_mnist(even_stroke(glyph.ink)).astype(int)
        assert np.abs(image.ravel() - np.array(answer["image"], int)).max() <= 1


def test_the_gradient_is_torchs(still: Visit, run: Path, few_digits: Splits) -> None:
    model, image = checkpoint.load_model(run), few_digits.test.images[:1]
    mix = torch.linspace(-1, 1, 10)
    pixels = normalize(image, *NORM).requires_grad_()
    (log_probs,) = model(pixels)
    # softmax shifts all scores alike, which a mix that adds up to 0 does not see
    (expected,) = torch.autograd.grad((log_probs * mix).sum(), pixels)
    got = still.evaluate(
        "([image, mix]) => [...state.network.gradient(state.network.run(image), mix)]",
        [image.flatten().tolist(), mix.tolist()],
    )
    assert got == pytest.approx(expected.flatten().tolist(), abs=1e-5)


def test_the_receptive_field_is_what_a_cell_depends_on(still: Visit) -> None:
    """With weights above zero, and means for maxima, a cell's gradient reaches all of its field."""
    model = Net()
    for parameter in model.parameters():
        nn.init.uniform_(parameter, 0.01, 0.02)
    for name, (shape, y, x) in CELLS.items():
        pixels = torch.ones(1, 28, 28, requires_grad=True)
        values = layers(model, pixels, nn.functional.avg_pool2d)[name]
        (gradient,) = torch.autograd.grad(values.reshape(-1, *shape)[0, y, x], pixels)
        field = still.evaluate("([n, y, x]) => receptiveField(n, y, x)", [name, y, x])
        expected = torch.zeros(28, 28, dtype=torch.bool)
        rows, columns = (
            slice(field[side], field[side] + field["size"]) for side in ("top", "left")
        )
        expected[rows, columns] = True
        assert torch.equal(gradient[0] != 0, expected), name


# A cell of each layer: the shape of a map, row and column.
CELLS = {
    "conv1": ((26, 26), 5, 20), "pool1": ((13, 13), 3, 9), "conv2": ((11, 11), 0, 10),
    "conv3": ((9, 9), 8, 2), "pool2": ((4, 4), 3, 1), "fc1": ((1, 1), 0, 0), "fc2": ((1, 1), 0, 0),
}  # fmt: skip


# --- drawing ---


def test_digits_drawn_with_the_mouse_are_read(reading: Visit) -> None:
    for digit in "0478":
        reading.draw(written(digit))
        reading.expect("#answer", digit)
        reading.expect("#status", f"Read as {digit}")
        reading.page.click("#clear")


def written(digit: str) -> list[NDArray[np.float64]]:
    curves = [np.array(s) if isinstance(s, list) else arc(*s)[::4] for s in STROKES[digit]]
    return [np.asarray(curve, float) * 9 + (95, 50) for curve in curves]


def test_every_part_of_the_page_follows_the_pen(visit: Visit) -> None:
    parts = [*LAYERS, "input", "for", "against", "where"]
    before = {name: visit.picture(name) for name in parts}
    visit.draw(written("2")[:1], lift=False)
    wait_until(lambda: all(visit.picture(name) != before[name] for name in parts))


def test_what_is_out_of_view_follows_when_it_is_scrolled_to(reading: Visit) -> None:
    reading.draw(written("6"))
    reading.expect("#answer", "6")
    reading.page.locator("#fc2").scroll_into_view_if_needed()
    reading.page.wait_for_function(
        """() => grids.fc2.inView && grids.fc2.words.every((word, digit) =>
            word === scale.colour(state.run.values.fc2[digit] / reach(state.run.values.fc2)))"""
    )


def test_undo_and_clear(reading: Visit) -> None:
    reading.draw(written("4"))
    reading.expect("#answer", "4")
    reading.page.click("#undo")
    assert reading.evaluate("pad.strokes.length") == 1
    reading.page.click("#clear")
    reading.expect("#sure", "Draw a digit")
    assert reading.text("#answer") == ""
    assert reading.evaluate("pad.coverage().some((ink) => ink > 0)") is False


def test_a_digit_can_be_drawn_with_the_keyboard(reading: Visit) -> None:
    reading.page.focus("#pad")
    for key in [" ", *["ArrowDown"] * 20, " "]:
        reading.page.keyboard.press(key)
    reading.expect("#answer", "1")
    reading.page.keyboard.press("Backspace")
    reading.expect("#sure", "Draw a digit")


def test_number_keys_and_buttons_take_test_images(reading: Visit) -> None:
    for digit in "50":
        reading.page.keyboard.press(digit)
        reading.expect("#answer", digit)
        reading.expect("#truth", f"labelled {digit}")
    reading.page.click("#examples button:nth-of-type(9)")
    reading.expect("#answer", "8")


def test_a_finger_draws_on_a_phone(browser: "playwright.Browser", released: Path) -> None:
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    for visit in opened(browser, released, device_scale_factor=3, **phone):
        assert visit.evaluate("document.documentElement.scrollWidth") == 390
        visit.draw(written("7"))
        visit.expect("#answer", "7")
        assert not visit.page.locator(".panel").is_visible()
        visit.point_at("conv2", 5, 4, 4, click=True)
        assert visit.page.locator(".panel").is_visible()
        visit.page.wait_for_function("grids.conv2.marks.length && panel.where.canvas.width > 200")
        visit.expect("#cell-title", "conv2, map 6, row 5, column 5")
        visit.page.click("#close")
        assert not visit.page.locator(".panel").is_visible()


def test_a_palm_does_not_draw(browser: "playwright.Browser", released: Path) -> None:
    for visit in opened(browser, released, has_touch=True):
        visit.draw_beside_a_palm("#pad")
        ((first, *others),) = visit.evaluate("pad.strokes")
        assert len(others) >= 2
        assert {round(y) for _, y in others} == {round(first[1])}


# --- pointing ---


def test_pointing_at_a_cell_shows_where_it_came_from(visit: Visit) -> None:
    visit.point_at("conv3", 10, 6, 3)
    visit.expect("#cell-title", "conv3, map 11, row 7, column 4")
    visit.expect("#cell-text", "12×12 pixels")
    cell = visit.evaluate("trace(state.network, state.run, 'conv3', 10, 6, 3)")
    sums = visit.evaluate("state.run.sums.conv3[10 * 81 + 6 * 9 + 3]")
    assert cell["total"] == pytest.approx(sums, abs=1e-4)
    assert len(cell["terms"]) == 16
    total = f"total {cell['total']:.2f}".replace("-", "\N{MINUS SIGN}")
    visit.expect("#cell-total", total)
    assert visit.evaluate("grids.conv2.marks.length") == 16
    assert visit.evaluate("grids.input.marks[0].size") == 12


def test_a_trace_adds_up_to_its_cell(still: Visit) -> None:
    for name, cell in itertools.product(LAYERS, range(3)):
        traced = still.evaluate(
            "([n, c]) => trace(state.network, state.run, n, c, 0, 0)", [name, cell]
        )
        value = still.evaluate(
            "([n, c]) => state.run.values[n][c * LAYERS[n].side ** 2]", [name, cell]
        )
        assert traced["value"] == value
        if "pool" in name:
            assert max(traced["terms"][0]["patch"]) == value
        else:
            total = sum(term["sum"] for term in traced["terms"]) + traced["bias"]
            assert max(total, total if name == "fc2" else 0) == pytest.approx(value, abs=1e-4)


def test_arrow_keys_walk_over_cells_and_maps(visit: Visit) -> None:
    visit.point_at("pool1", 0, 5, 12, click=True)
    visit.page.keyboard.press("ArrowRight")
    visit.expect("#cell-title", "pool1, map 2, row 6, column 1")
    visit.page.keyboard.press("ArrowDown")
    visit.expect("#cell-title", "pool1, map 2, row 7, column 1")
    visit.expect("#status", "pool1, map 2, row 7, column 1: Kept")


def test_a_held_cell_stays_until_it_is_let_go(visit: Visit) -> None:
    visit.point_at("conv1", 2, 4, 4, click=True)
    visit.point_at("conv1", 3, 9, 9)
    visit.expect("#cell-title", "conv1, map 3, row 5, column 5")
    visit.point_at("conv1", 2, 4, 4, click=True)
    visit.point_at("conv1", 3, 9, 9)
    visit.expect("#cell-title", "conv1, map 4, row 10, column 10")


def test_every_layer_can_be_pointed_at(visit: Visit) -> None:
    for name in ("input", *LAYERS):
        visit.point_at(name, 0, 0, 0)
        visit.expect("#cell-title", "Pixel" if name == "input" else name)
        assert "NaN" not in visit.text(".panel")


# --- epochs, mistakes, looks ---


def test_the_slider_changes_the_weights_of_the_whole_page(visit: Visit, run: Path) -> None:
    names = [*LAYERS, "filters1", "filters2"]
    trained = {name: visit.picture(name) for name in names}
    visit.expect("#epoch-name", "after 2 epochs")
    visit.page.focus("#epoch")
    visit.page.keyboard.press("ArrowLeft")
    visit.expect("#epoch-name", "after 1 epoch")
    weights = visit.evaluate("[...state.network.weights['conv2.weight']]")
    exact = checkpoint.load_epochs(run)[1].state_dict()["conv2.weight"].flatten()
    assert weights == pytest.approx(exact.tolist(), abs=float(exact.abs().max()) / 100)
    visit.page.keyboard.press("Home")
    visit.expect("#epoch-name", "untrained")
    assert [name for name in names if visit.picture(name) == trained[name]] == []
    visit.page.keyboard.press("End")
    assert {name: visit.picture(name) for name in names} == trained


def test_one_epoch_needs_no_slider(computing: Visit) -> None:
    assert computing.page.locator("#epoch").is_hidden()


def test_the_mistakes_can_be_stepped_through(visit: Visit, few_digits: Splits, run: Path) -> None:
    logits = predict_logits(checkpoint.load_model(run), few_digits.test, NORM)
    count = int((logits.argmax(1) != few_digits.test.labels).sum())
    assert count > 3
    for number in (1, 2):
        visit.page.click("#next")
        visit.expect("#mistake-text", f"{number} of {count}. The label says")
    assert visit.text("#answer") not in visit.text("#truth")
    visit.page.click("#previous")
    visit.page.click("#previous")
    visit.expect("#mistake-text", f"{count} of {count}.")
    visit.point_at("mistakes", 2, 14, 14, click=True)
    visit.expect("#mistake-text", f"3 of {count}.")
    visit.page.keyboard.press("ArrowLeft")
    visit.expect("#mistake-text", f"2 of {count}.")


def test_a_page_without_mistakes_opens(
    browser: "playwright.Browser", few_digits: Splits, tmp_path: Path
) -> None:
    reader = shelf.get("reader").folder
    logits = predict_logits(checkpoint.load_model(reader), few_digits.test, NORM)
    right = torch.nonzero(logits.argmax(1) == few_digits.test.labels).flatten()
    splits = Splits("digits", few_digits.train, few_digits.test[right])
    assert web.export(reader, splits, tmp_path / "page").num_mistakes == 0
    for visit in opened(browser, tmp_path / "page"):
        assert visit.page.locator("#mistakes-section").is_hidden()


def test_light_and_dark(browser: "playwright.Browser", small: Path) -> None:
    for scheme, dark in (("light", False), ("dark", True)):
        for visit in opened(browser, small, color_scheme=scheme):
            page = visit.evaluate("getComputedStyle(document.body).backgroundColor")
            corner = visit.evaluate("[...grids.input.context.getImageData(2, 2, 1, 1).data]")
            darkness = [sum(map(int, page[4:-1].split(", "))) < 200, sum(corner[:3]) < 200]
            assert darkness == [dark, dark]


def test_everything_to_use_has_a_name(still: Visit) -> None:
    nameless = still.evaluate(
        """() => [...document.querySelectorAll("canvas, button, input")]
            .filter((node) => !(node.ariaLabel || node.textContent.trim() || node.labels?.length))
            .map((node) => node.id)"""
    )
    assert nameless == []


def test_the_server_has_the_page_too(browser: "playwright.Browser", server: Served) -> None:
    visit = Watched(browser, server.url, viewport={"width": 1360, "height": 900})
    page = visit.page
    page.click("text=See how the network works")
    page.wait_for_selector("body[data-ready]")
    page.keyboard.press("4")
    playwright.expect(page.locator("#answer")).to_have_text("4")
    assert page.url == f"{server.url}explore/"
    page.goto(f"{server.url}explore")
    page.wait_for_selector("body[data-ready]")
    assert page.goto(f"{server.url}explore/none.js").status == 404
    assert [line for line in visit.said if "404" not in line] == []
    visit.context.close()


def test_the_page_in_the_package_opens_and_is_small(browser: "playwright.Browser") -> None:
    assert sum(path.stat().st_size for path in web.PAGE.iterdir()) <= 400_000
    for visit in opened(browser, web.PAGE):
        visit.draw(written("3"))
        visit.expect("#answer", "3")
        assert visit.evaluate("model.epochs.length") == web.NUM_EPOCHS
