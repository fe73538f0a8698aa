"""The line network: its input, its training data and its training."""

import json
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from cnn_mnist.inference.recognition.line import ALPHABET, HEIGHT, OTHER, SIGNS, normalized
from cnn_mnist.inference.recognition.line_reader import LineReader
from cnn_mnist.training import distributed, recipes
from cnn_mnist.training.data import Splits
from cnn_mnist.training.lines import export, train, typefaces
from cnn_mnist.training.lines.boxes import write_in_boxes
from cnn_mnist.training.lines.calibrate import Answers, answers, fit_temperature, held_out_answers
from cnn_mnist.training.lines.export import export_lines, typical_lines
from cnn_mnist.training.lines.loss import greedy, line_loss
from cnn_mnist.training.lines.network import BLANK, NUM_CLASSES, LineNet
from cnn_mnist.training.lines.overdrawn import write_overdrawn
from cnn_mnist.training.lines.shapes import Digits, shape
from cnn_mnist.training.lines.stream import IGNORED, Bundles, collate, example, stream
from cnn_mnist.training.lines.style import Style, any_style
from cnn_mnist.training.lines.text import field
from cnn_mnist.training.lines.train import digits_of, lay_out
from cnn_mnist.training.lines.writing import write
from cnn_mnist.training.loop import Run
from cnn_mnist.training.metrics import calibration_error
from cnn_mnist.training.recipes import Recipe
from cnn_mnist.training.runs import checkpoint, run_folder, tensors
from cnn_mnist.training.runs.config import load_config
from cnn_mnist.training.runs.run_folder import RunError
from cnn_mnist.training.train import begin, finish, resume, save_plots

TINY = recipes.get("lines").changed(epochs=2, epoch_size=8, batch_size=2)


@pytest.fixture(scope="module", autouse=True)
def handwriting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Print in place of the handwriting typefaces, which are not part of the package."""
    folder = tmp_path_factory.mktemp("fonts")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CNN_MNIST_FONTS", str(folder))
        typefaces.handwritten.cache_clear()
        for path in typefaces.files(folder):
            path.parent.mkdir(parents=True)
            path.symlink_to(typefaces.printed("DejaVuSans-Oblique"))
        # The lines are the same from another process, whose start takes longer than making them.
        patch.setattr(
            train, "stream", lambda lines, start, stop, workers: stream(lines, start, stop, 0)
        )
        patch.setattr(train, "BUNDLE", 2)
        yield
    typefaces.handwritten.cache_clear()


@pytest.fixture(scope="module")
def written(few_digits: Splits) -> Digits:
    return digits_of(few_digits.train)


def style(source: str = "strokes", **settings: float) -> Style:
    usual: dict[str, Any] = {"height": 40, "pen": 0.1, "slant": 0, "aspect": 1, "gap": 0.2}
    usual |= {"round_zero": 1, "low_zero": 1, "tall_one": 1}
    calm = {"unsteady": 0, "tremor": 0, "haste": 0, "rise": 0, "joined": 0}
    return Style(source, **usual | calm | settings)


def test_a_line_is_brought_to_the_height_with_its_ink_positive() -> None:
    grey = np.full((80, 300), 200, np.uint8)
    grey[20:60, 140:160] = 40
    line = normalized(grey)
    assert line.shape == (2, HEIGHT, 150)
    assert (line[:, 20, 75] > 0.4).all()
    assert abs(line[0, 5, 10]) < 0.05


def test_every_text_has_characters_that_can_be_written() -> None:
    rng = np.random.default_rng(0)
    texts = [field(rng) for _ in range(2000)]
    used = set("".join(texts))
    assert used >= {*ALPHABET, *" *#^"}
    assert all(letter.isalpha() for letter in used - {*ALPHABET, *" *#^"})
    assert "" in texts


@pytest.mark.parametrize("text", ["4071", "12/03:€9£", f" 2{OTHER}", ""])
def test_every_box_of_a_form_has_one_sign_or_none(written: Digits, text: str) -> None:
    for seed in range(10):
        line = write_in_boxes(text, style(), written, np.random.default_rng(seed))
        assert "".join(mark.character for mark in line.marks) == text.strip()
        assert line.ink.max() < 1.001
        middles = [(mark.box[0] + mark.box[2]) / 2 for mark in line.marks]
        assert middles == sorted(middles)
        without = line.ink.copy()
        for x0, y0, x1, y1 in (map(int, mark.box) for mark in line.marks):
            assert (line.ink[y0:y1, x0:x1] > 0.3).any()
            without[y0:y1, x0:x1] = 0
        assert without.max() > 0.2  # the boxes


@pytest.mark.parametrize("source", ["mnist", "traced", "strokes", "typeface", "print"])
@pytest.mark.parametrize("text", ["20°C", "12kg", "3 min", "(5)%"])
def test_the_letters_of_units_are_other_signs(source: str, text: str, written: Digits) -> None:
    line = write(text, any_style_of(source), written, np.random.default_rng(1))
    wanted = "".join(OTHER if c.isalpha() else c for c in text.replace(" ", ""))
    assert "".join(mark.character for mark in line.marks) == wanted


def any_style_of(source: str) -> Style:
    """A style of a source, with its typeface if it has one."""
    rng = np.random.default_rng(0)
    return next(s for s in iter(lambda: any_style(rng, 0.5), None) if s.source == source)


def test_a_number_in_a_ring_is_read_and_one_crossed_out_is_not(written: Digits) -> None:
    crossed, ringed = 0, 0
    for seed in range(40):
        line = write_overdrawn(style(), written, np.random.default_rng(seed))
        outside = line.ink.copy()
        for mark in line.marks:
            x0, y0, x1, y1 = (int(v) for v in mark.box)
            assert (line.ink[y0:y1, x0:x1] > 0.5).any()
            outside[y0:y1, x0:x1] = 0
        if all(mark.character.isdigit() for mark in line.marks):
            ringed += outside.max() > 0.4
        else:
            crossed += 1
            assert sum(mark.character == OTHER for mark in line.marks) > 1
    assert crossed > 5
    assert ringed > 10


@pytest.mark.parametrize("source", ["mnist", "traced", "strokes"])
@pytest.mark.parametrize("text", ["4071", "1.250,00", "-7", "$3+5=8", "12/03:€9£", f"2{OTHER}"])
def test_every_sign_of_a_line_has_its_ink_in_its_box(
    source: str, text: str, written: Digits
) -> None:
    line = write(text, style(source), written, np.random.default_rng(1))
    assert "".join(mark.character for mark in line.marks) == text
    for mark in line.marks:
        x0, y0, x1, y1 = (int(v) for v in mark.box)
        assert (line.ink[y0:y1, x0:x1] > 0.5).any()
    outside = line.ink.copy()
    for mark in line.marks:
        x0, y0, x1, y1 = (int(v) for v in mark.box)
        outside[y0:y1, x0:x1] = 0
    assert outside.max() < 0.3


def test_signs_keep_the_least_distance(written: Digits) -> None:
    line = write("8888", style(gap=0.25), written, np.random.default_rng(0))
    columns = (line.ink > 0.3).any(axis=0)
    assert np.count_nonzero(np.diff(columns.astype(int)) == 1) >= 3  # four separate signs
    ends, starts = [m.box[2] for m in line.marks[:-1]], [m.box[0] for m in line.marks[1:]]
    assert all(b - a >= 0.15 * line.height for a, b in zip(ends, starts, strict=True))


def test_signs_stay_in_the_order_of_the_text(written: Digits) -> None:
    """A comma may stand below the digit before it, and its middle still comes after."""
    rng = np.random.default_rng(0)
    for text in ["7,5", "4.000", "25.08.10"] * 20:
        line = write(text, any_style(rng, printed=0), written, rng)
        by_place = sorted(line.marks, key=lambda mark: mark.box[0] + mark.box[2])
        assert "".join(mark.character for mark in by_place) == text


def test_a_thick_pen_leaves_the_paper_blank(written: Digits) -> None:
    for seed in range(20):
        drawn = shape("5", style("mnist", pen=0.2), written, np.random.default_rng(seed))
        assert drawn.ink.min() < 0.02


def test_a_trace_keeps_its_proportions_and_stays_closed() -> None:
    ring, disc = np.zeros((2, 28, 28), np.uint8)
    cv2.ellipse(ring, (14, 14), (6, 9), 0, 0, 360, 255, 2)
    cv2.circle(disc, (14, 14), 8, 255, -1)
    rng = np.random.default_rng(0)
    (stroke,) = Digits.of(ring[None], np.zeros(1, np.int64)).trace(0, rng)
    assert np.array_equal(stroke[0], stroke[-1])
    assert np.ptp(stroke, axis=0) * [0.72, 1] == pytest.approx([20 / 3, 10], abs=0.4)
    assert Digits.of(disc[None], np.zeros(1, np.int64)).trace(0, rng) == []


def test_a_low_zero_stands_on_the_line(written: Digits) -> None:
    for source in ("mnist", "traced", "strokes"):
        line = write("808", style(source, low_zero=0.6), written, np.random.default_rng(0))
        tops, bottoms = ([mark.box[side] for mark in line.marks] for side in (1, 3))
        assert tops[1] > tops[0] + 0.25 * line.height
        assert bottoms[1] == pytest.approx(bottoms[0], abs=0.1 * line.height)


def test_raised_cents_are_small_and_stand_at_the_top(written: Digits) -> None:
    rng = np.random.default_rng(0)
    for text in ("^27", "^54/100"):
        line = write(f"38{text}", style(), written, rng)
        assert "".join(mark.character for mark in line.marks) == "38" + text[1:]
        whole, raised = ([mark.box for mark in part] for part in (line.marks[:2], line.marks[2:4]))
        assert max(y1 - y0 for _, y0, _, y1 in raised) < min(y1 - y0 for _, y0, _, y1 in whole)
        assert max(y1 for *_, y1 in raised) < min(y1 for *_, y1 in whole) - 5


def test_every_sign_is_marked_at_its_middle(written: Digits) -> None:
    rng = np.random.default_rng(0)
    examples = [example(written, rng) for _ in range(40)]
    batch = collate(examples)
    assert batch.targets.tolist() == [c for e in examples for c in e.classes.tolist()]
    for row, given in enumerate(examples):
        middles = batch.middles[row]
        assert (middles[given.line.shape[2] // 2 :] == IGNORED).all()
        for name, (x0, _, x1, _) in zip(given.classes, given.boxes, strict=True):
            near = middles[max(0, int(20 * x0) - 1) : int(20 * x1) + 2]
            assert name in near


def test_bundles_depend_on_seed_and_number_alone(written: Digits) -> None:
    bundles = [Bundles(written, seed, 2, 2) for seed in (0, 0, 1)]
    first, again, other = (b[3] for b in bundles)
    assert all(torch.equal(x.lines, y.lines) for x, y in zip(first, again, strict=True))
    assert not torch.equal(first[0].lines, other[0].lines)
    beside = next(iter(stream(bundles[0], 3, 4, workers=1)))
    assert all(torch.equal(x.lines, y.lines) for x, y in zip(first, beside, strict=True))


def test_every_second_column_of_a_line_is_answered() -> None:
    logits, boxes = LineNet().eval()(torch.zeros(3, 2, HEIGHT, 90))
    assert logits.shape == (3, NUM_CLASSES, 45)
    assert boxes.shape == (3, 4, 45)
    assert ((boxes > 0) & (boxes < 1)).all()


def test_the_best_path_loses_repetitions_and_blanks() -> None:
    path = torch.tensor([BLANK, 3, 3, BLANK, 3, 5, 5, BLANK, 7])
    logits = torch.nn.functional.one_hot(path, NUM_CLASSES).T[None].float()
    assert greedy(logits, torch.tensor([8])) == [[3, 3, 5]]


def test_the_right_answer_has_the_least_loss(written: Digits) -> None:
    rng = np.random.default_rng(2)
    batch = collate([example(written, rng) for _ in range(4)])
    marked = torch.where(batch.middles > BLANK, batch.middles, BLANK)
    perfect = 12 * torch.nn.functional.one_hot(marked, NUM_CLASSES).permute(0, 2, 1).float()
    right = line_loss(perfect, batch.boxes, batch)
    assert right < 0.1 * line_loss(torch.zeros_like(perfect), batch.boxes, batch)
    assert right < line_loss(perfect, 1 - batch.boxes, batch)


def test_a_network_learns_a_batch_by_heart(written: Digits) -> None:
    torch.manual_seed(0)
    rng, net = np.random.default_rng(0), LineNet()
    batch = collate([example(written, rng) for _ in range(4)])
    optimizer, losses = torch.optim.AdamW(net.parameters(), lr=3e-3), []
    for _ in range(15):
        logits, boxes = net(lay_out(batch.lines))
        loss = line_loss(logits, boxes, batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


@pytest.fixture(scope="module")
def held_out(few_digits: Splits) -> Splits:
    return few_digits.hold_out(40)


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory, held_out: Splits) -> Path:
    """A run of one epoch, whose weights others begin with."""
    folder = tmp_path_factory.mktemp("earlier") / "run"
    finish(begin(TINY.changed(epochs=1), held_out, folder), held_out, folder)
    return folder


@pytest.fixture(scope="module")
def straight(earlier: Path, held_out: Splits) -> Path:
    """A run that began with these weights and was never stopped."""
    folder = earlier.parent / "straight"
    finish(begin(TINY, held_out, folder, seed=1, init=earlier), held_out, folder)
    return folder


def test_final_weights_are_averaged_with_the_initial_ones(
    tmp_path: Path, held_out: Splits, earlier: Path, straight: Path
) -> None:
    recipe, folder = TINY.changed(init_share=0.25), tmp_path / "run"
    with pytest.raises(RunError, match=r"starts from another run; name it with --init"):
        begin(recipe, held_out, folder)
    finish(begin(recipe, held_out, folder, seed=1, init=earlier), held_out, folder)
    first, last, mixed = (
        checkpoint.load_model(run).state_dict() for run in (earlier, straight, folder)
    )
    for name, value in mixed.items():
        expected = torch.lerp(last[name].double(), first[name].double(), 0.25)
        assert not value.is_floating_point() or torch.allclose(value.double(), expected, atol=1e-6)
    finish(resume(folder), held_out, folder)  # as if stopped before it was evaluated
    again = checkpoint.load_model(folder).state_dict()
    assert all(torch.equal(again[name], value) for name, value in mixed.items())


def test_a_stopped_training_goes_on_exactly(
    tmp_path: Path, held_out: Splits, earlier: Path, straight: Path
) -> None:
    def stop(run: Run) -> None:
        raise KeyboardInterrupt

    moved, stopped = tmp_path / "moved", tmp_path / "stopped"
    shutil.copytree(earlier, moved)
    begun = begin(TINY, held_out, stopped, seed=1, init=moved)
    with pytest.raises(KeyboardInterrupt):
        finish(begun, held_out, stopped, on_epoch=stop)
    assert len(checkpoint.load_history(stopped)) == 1
    shutil.rmtree(moved)  # an epoch on, its own weights count
    got, expected = finish(resume(stopped), held_out, stopped), run_folder.load_metrics(straight)
    assert got["test_nll"] == expected["test_nll"]
    weights = [checkpoint.load_model(folder).state_dict() for folder in (straight, stopped)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert expected["num_params"] == 614_238
    assert resume(stopped, epochs=3).recipe.epochs == 3
    assert save_plots(resume(stopped), held_out, stopped) == []


def test_a_run_begins_with_the_weights_of_another_and_with_no_others(
    tmp_path: Path, held_out: Splits, earlier: Path
) -> None:
    moved, folder = tmp_path / "moved", tmp_path / "run"
    shutil.copytree(earlier, moved)
    begun, given = begin(TINY, held_out, folder, init=moved), checkpoint.load_model(earlier)
    assert load_config(folder).init_sha256 == run_folder.weights_sha256(earlier)
    for run in (begun, resume(folder)):  # stopped within its first epoch
        for net in (run.net, run.model):
            mine = net.state_dict()
            assert all(torch.equal(mine[name], v) for name, v in given.state_dict().items())
    others = tensors.pack(dict(LineNet().state_dict()))
    run_folder.write(moved / "model.safetensors", others)
    with pytest.raises(RunError, match=r"moved has changed since .*run started with it"):
        resume(folder)


def test_weights_that_do_not_fit_are_refused(
    tmp_path: Path, few_digits: Splits, earlier: Path
) -> None:
    with pytest.raises(RunError, match=r"model lines, but the recipe default trains net"):
        begin(recipes.get("default"), few_digits, tmp_path / "run", init=earlier)
    with pytest.raises(RunError, match=r"the run must not have seen the held-out images either"):
        begin(TINY, few_digits.hold_out(100), tmp_path / "run", init=earlier)
    with pytest.raises(RunError, match=r"nowhere: no such folder"):
        begin(TINY, few_digits, tmp_path / "run", init=tmp_path / "nowhere")
    assert not (tmp_path / "run").exists()


def test_several_processes_are_refused(
    tmp_path: Path, held_out: Splits, earlier: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each would train the same network."""
    monkeypatch.setattr(distributed, "world_size", lambda: 2)
    for start in (partial(begin, TINY, held_out, tmp_path / "run"), partial(resume, earlier)):
        with pytest.raises(RunError, match=r"by one process; start it without torchrun$"):
            start()
    assert not (tmp_path / "run").exists()


def test_the_exported_file_reads_lines_and_says_where_its_weights_began(
    tmp_path: Path,
    few_digits: Splits,
    earlier: Path,
    straight: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(export, "MAX_LINES", 5)
    path = tmp_path / "lines.onnx"
    export_lines(straight, path, 1.0, typical_lines(few_digits.train), int8=False)
    LineReader(path).read(np.full((60, 200), 230, np.uint8))  # no error
    about = {entry.key: json.loads(entry.value) for entry in onnx.load(path).metadata_props}
    assert Recipe.from_dict(about["recipe"]) == load_config(straight).recipe
    assert (about["seed"], about["init_sha256"]) == (1, run_folder.weights_sha256(earlier))


def test_a_line_network_is_calibrated_on_what_it_held_out(
    tmp_path: Path, few_digits: Splits, held_out: Splits
) -> None:
    for name, bias in (("silent", 200), ("eager", -200)):
        run = begin(TINY.changed(epochs=1), held_out, tmp_path / name)
        for net in (run.net, run.model):
            net.get_parameter("classes.bias").data[BLANK] = bias
        finish(run, held_out, tmp_path / name)
    with pytest.raises(RunError, match=r"reads nothing in any line; train it for more epochs"):
        held_out_answers(tmp_path / "silent", few_digits)
    given = held_out_answers(tmp_path / "eager", few_digits)
    assert len(given.lines) == len(given.exact) == 8  # a fifth of the digits
    assert 0.5 <= fit_temperature(given) <= 5
    begin(TINY, few_digits, tmp_path / "run")
    with pytest.raises(RunError, match=r"trained on all training images.*--split val"):
        held_out_answers(tmp_path / "run", few_digits)


def test_the_temperature_takes_back_doubled_logits() -> None:
    rng = torch.Generator().manual_seed(0)
    logits, exact = [], []
    for _ in range(1000):
        sure = 0.7 + 0.3 * torch.rand(int(torch.randint(1, 6, (), generator=rng)), generator=rng)
        odds = torch.stack([0 * sure, sure, 1 - sure], dim=1).double().clamp(min=1e-6)
        logits.append(list((2 * odds.log()).unsqueeze(1)))
        exact.append(float(torch.rand((), generator=rng) < sure.prod()))
    given = Answers(logits, torch.tensor(exact, dtype=torch.double))
    temperature = fit_temperature(given)
    assert temperature == pytest.approx(2, rel=0.1)
    off = [calibration_error(given.confidence(t), given.exact) for t in (1, temperature)]
    assert off[1] < 0.5 * off[0]


def test_a_line_is_exact_if_every_sign_is_right(written: Digits) -> None:
    rng = np.random.default_rng(3)
    batch = collate([example(written, rng) for _ in range(8)])
    marked = torch.where(batch.middles > BLANK, batch.middles, BLANK)
    perfect = 12.0 * F.one_hot(marked, NUM_CLASSES).movedim(2, 1)

    class Known(nn.Module):
        def forward(self, _: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return perfect, batch.boxes

    count = int((batch.num_targets > 0).sum())
    given = answers(Known(), [batch])
    assert given.exact.tolist() == [1] * count
    assert given.confidence(1).min() > 0.95
    perfect[:, -1] += 20  # now everything is the last class
    assert answers(Known(), [batch]).exact.sum() < count


def test_missing_typefaces_are_told_before_the_folder_is_created(
    tmp_path: Path, few_digits: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CNN_MNIST_FONTS", str(tmp_path))
    typefaces.handwritten.cache_clear()
    with pytest.raises(ValueError, match="make fonts"):
        begin(TINY, few_digits, tmp_path / "run")
    typefaces.handwritten.cache_clear()
    assert not (tmp_path / "run").exists()


def test_signs_are_those_of_the_alphabet() -> None:
    from cnn_mnist.training.lines.signs import SIGNS as DRAWN

    assert set(DRAWN) == set(SIGNS)
