"""The whole circle: draw, correct, adapt, serve what was learned, and draw again."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import playwright.sync_api as playwright

from cnn_mnist.training.synthetic.unusual_writer import FORMS
from desk import Desk
from served import serve
from shell import Outcome

HEIGHT = 240  # CSS px
UNSTEADY = 5  # CSS px, standard deviation


@contextmanager
def serving(folder: Path, browser: Any, *options: object) -> Iterator[Desk]:
    with serve(folder, *options) as served:
        desk = Desk(browser, served.url)
        yield desk
        desk.context.close()
        assert desk.said == []


def draw_barred_two(desk: Desk, seed: int) -> None:
    """By an unsteady hand, on an empty sheet."""
    rng = np.random.default_rng(seed)
    for stroke in FORMS[2]:
        points = np.array(stroke) * HEIGHT / 10 * (0.7, 1) + (220, 60)
        desk.line((points + rng.normal(0, UNSTEADY, points.shape)).tolist())


def test_a_two_that_was_read_as_a_seven_is_read_once_it_was_corrected(
    few_old_images: None,
    browser: Any,
    adapt: Callable[..., Outcome],
    tmp_path: Path,
) -> None:
    folder, model = tmp_path / "mine", tmp_path / "mine.onnx"
    with serving(tmp_path, browser, "--collect", folder) as desk:
        for seed in range(4):
            draw_barred_two(desk, seed)
            desk.expect("7")
            desk.page.locator("#right").fill("2")
            desk.page.keyboard.press("Enter")
            playwright.expect(desk.page.locator("#stored")).to_have_text("Stored as 2.")
            desk.page.locator("#clear").click()
    code, out, _ = adapt(folder, "--out", model)
    assert code == 0
    assert f"{model}: written" in out
    with serving(tmp_path, browser, "--model", model) as desk:
        for seed in range(10, 12):
            draw_barred_two(desk, seed)
            desk.expect("2")
            desk.page.locator("#clear").click()
