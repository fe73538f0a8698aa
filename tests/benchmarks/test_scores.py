"""What the benchmarks count as read correctly, and the variants that they compare."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import choose
import pages
import read_numbers
import sheets
from cnn_mnist.training import recipes
from cnn_mnist.training.models.networks import MODELS, BatchNormNet
from generators.page_kinds import Number
from generators.written_pages import Page
from generators.written_sheets import Sheet
from gridded import grid

PICTURE = np.full((80, 80, 3), 255, np.uint8)
CORNERS = np.array([[0, 0], [40, 0], [40, 40], [0, 40]])
CELLS = np.array([[CORNERS + np.array([x, y]) for x in (0, 40)] for y in (0, 40)])
PAGE = Page(PICTURE, ((Number("12", (20, 20)), Number("-7", (60, 20))), (Number("3", (20, 60)),)))


def test_pictures_in_folders_of_nondigits_hold_no_digits(tmp_path: Path) -> None:
    truths = {
        "nondigits/doodles/12_1.png": "",
        "nondigits_cells/3_1.png": "",
        "numbers/12_1.png": "12",
    }
    for name in truths:
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    found = {
        path.relative_to(tmp_path).as_posix(): read_numbers.truth(folder, path)
        for folder, paths in read_numbers.sets(tmp_path).items()
        for path in paths
    }
    assert found == truths


def test_a_cell_is_found_at_its_place_and_exact_with_its_text() -> None:
    truth = Sheet(PICTURE, [["12", "7"], ["", "3"]], CELLS, "table")
    assert sheets.score(grid(["12", "7"], ["", "3"]), truth) == (4, 4)
    assert sheets.score(grid(["12", "1"], ["4", "3"]), truth) == (4, 2)
    assert sheets.score(grid(["12", "7", ""], ["", "3", ""]), truth) == (0, 0)
    moved = replace(truth, cells=CELLS + 40)
    assert sheets.score(grid(["12", "7"], ["", "3"]), moved) == (0, 0)


def test_numbers_lines_and_false_numbers_of_a_page_are_counted() -> None:
    right = grid(["12", "-7"], ["3"])
    expected = {  # numbers exact, lines in order, false numbers
        (3, 2, 0): right,
        (2, 2, 0): grid(["12", "7"], ["3"]),
        (3, 2, 1): grid(["12", "-7"], ["3", "5"]),
        (2, 1, 0): grid(["12"], ["3"]),
        (3, 1, 0): replace(right, lines=right.lines[::-1]),
        (0, 0, 0): replace(right, lines=()),
    }
    total = pages.Score()
    for counts, reading in expected.items():
        score = pages.Score()
        assert score.add(PAGE, reading) == (reading is right)
        assert (score.exact, score.in_order, score.false) == counts
        total.add(PAGE, reading)
    assert (total.pages, total.numbers, total.lines) == (6, 18, 12)
    assert (total.exact, total.in_order, total.false) == (13, 8, 1)


def test_pages_that_seeds_cannot_share_equally_are_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["pages.py", "--n", "3", "--mnist", "none"])
    with pytest.raises(SystemExit):
        pages.main()
    assert "--n must be a multiple of the 5 seeds" in capsys.readouterr().err


@pytest.mark.parametrize("name", choose.VARIANTS)
def test_every_variant_is_valid_and_trained_once(name: str) -> None:
    base = recipes.get(name)
    variants = [(base, str(MODELS[base.model]()))]
    for variant, settings in choose.VARIANTS[name].items():
        recipe = base.changed(**settings)
        net = choose.NETS.get(variant)
        variants.append((recipe, str(BatchNormNet(*net) if net else MODELS[recipe.model]())))
    assert len(set(variants)) == len(variants)
