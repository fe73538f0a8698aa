"""Adapting a model to a person's handwriting: inputs, evaluation, and what is reported."""

import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import Popen
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from cnn_mnist import Reader, shelf
from cnn_mnist.inference.pictures import image
from cnn_mnist.inference.recognition.classifier import NEVER, Classifier
from cnn_mnist.inference.recognition.line_reader import LineReader
from cnn_mnist.inference.sample import look
from cnn_mnist.training import evaluation
from cnn_mnist.training.adapt import finetuning, handwriting, held_out, learn, overruling
from cnn_mnist.training.adapt.finetuning import FineTuning
from cnn_mnist.training.adapt.handwriting import Handwriting
from cnn_mnist.training.adapt.learn import Adapted
from cnn_mnist.training.adapt.overruling import LOW, Overruling
from cnn_mnist.training.adapt.score import Comparison, Score
from cnn_mnist.training.data import NOT_A_DIGIT, DataError, Split, Splits
from cnn_mnist.training.data.labelled import Labelled, labelled
from cnn_mnist.training.runs import checkpoint
from cnn_mnist.training.runs.config import load_config
from cnn_mnist.training.runs.run_folder import RunError
from cnn_mnist.training.synthetic import unusual_writer
from cnn_mnist.training.synthetic.examples import extend
from shell import Outcome, Shell

FIELDS = {
    "out", "num_pictures", "num_skipped", "own", "test", "decides", "temperature", "threshold",
    "suspects", "written",
}  # fmt: skip

Adapt = Callable[..., Outcome]
Pair = tuple[tuple[int, int], tuple[int, int]]  # errors and images, before and after


def write_odd(folder: Path, count: int, seed: int = 0, only: int | None = None) -> Path:
    """Pictures of the writer with unusual forms, named by their digits."""
    folder.mkdir(exist_ok=True)
    for number, (digit, picture) in enumerate(unusual_writer.pictures(count, seed)):
        if only in (None, digit):
            Image.fromarray(picture).save(folder / f"{digit}_{seed}-{number}.png")
    return folder


def odd_images(count: int) -> np.ndarray:
    reader, pictures = LineReader(), unusual_writer.pictures(count, seed=4)
    return np.stack([look(reader, image.load(picture)).frame for _, picture in pictures])


def shorten(patch: pytest.MonkeyPatch) -> None:
    """Make fine-tuning fast; it teaches little."""
    recipe = finetuning.RECIPE.changed(epochs=1)
    for module in (finetuning, learn, held_out):
        patch.setattr(module, "RECIPE", recipe)
    for module in (finetuning, learn):
        patch.setattr(module, "NUM_OLD", 300)
    for module in (finetuning, overruling):
        patch.setattr(module, "NUM_DRAWN", 40)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    shorten(monkeypatch)


@pytest.fixture(scope="module")
def adapted(digits: Splits, tmp_path_factory: pytest.TempPathFactory) -> Adapted:
    """A model after such a fine-tuning on ten pictures."""
    mine = handwriting.read(write_odd(tmp_path_factory.mktemp("adapted"), 10))
    with pytest.MonkeyPatch.context() as patch:
        shorten(patch)
        return learn.adapt(mine, digits, Classifier(), lambda *_: None)


@pytest.fixture(scope="module")
def model_file(adapted: Adapted, digits: Splits, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("adapted") / "mine.onnx"
    learn.write(adapted, path, digits)
    return path


# --- learning ---


@pytest.mark.slow  # tests/serving/test_circle.py proves it by default, on fewer drawings
def test_a_two_that_is_read_as_a_seven_is_one_after_a_few_corrections(
    few_old_images: None, digits: Splits, tmp_path: Path
) -> None:
    mine = handwriting.read(write_odd(tmp_path / "mine", 40, only=2))
    assert len(mine) == 4
    adapted = learn.adapt(mine, digits, Classifier(), lambda *_: None)
    learn.write(adapted, tmp_path / "mine.onnx", digits)
    new = [picture for digit, picture in unusual_writer.pictures(100, seed=9) if digit == 2]
    before, after = Reader(threads=1), Reader(tmp_path / "mine.onnx", threads=1)
    assert [reading.text for reading in before.read_many(new, single=True)].count("7") >= 8
    assert [reading.text for reading in after.read_many(new, single=True)].count("2") >= 8
    assert adapted.comparison.problem == ""


def test_the_file_is_a_whole_model(adapted: Adapted, model_file: Path, digits: Splits) -> None:
    images, model = digits.test.images[:50], Classifier(model_file)
    found = held_out.predictor(adapted.model, adapted.card["temperature"])(images.numpy())
    np.testing.assert_allclose(model.probs(images.numpy()), found, atol=1e-4)
    assert (model.decides, model.threshold) == (adapted.card["decides"], adapted.card["threshold"])
    assert model.about("own")["num_images"] == 10
    kept = checkpoint.load_model(model_file).state_dict()
    assert all(torch.equal(kept[k], v) for k, v in adapted.model.state_dict().items())
    assert load_config(model_file).recipe.name == "adapted"


def test_each_picture_is_held_out_once_and_no_digit_misses_from_a_part(tmp_path: Path) -> None:
    mine = handwriting.read(write_odd(tmp_path / "mine", 40))
    parts = [held_out._rows(mine, part) for part in range(4)]
    assert sorted(np.concatenate(parts)) == list(range(40))
    assert all({mine.labels[r] for r in rows} == set(range(10)) for rows in parts)


def test_too_few_pictures_are_all_learned_from(short: None, digits: Splits, tmp_path: Path) -> None:
    mine = handwriting.read(write_odd(tmp_path / "mine", 7))
    assert learn.adapt(mine, digits, Classifier(), lambda *_: None).comparison.own is None
    assert any("too few to hold any out" in warning for warning in mine.warnings)


def test_handwriting_that_is_read_well_costs_nothing(
    short: None, digits: Splits, tmp_path: Path
) -> None:
    for number, label in enumerate(digits.test.labels[:10].tolist()):
        large = Image.fromarray(255 - digits.test.images[number].numpy()).resize((112, 112))
        large.save(tmp_path / f"{label}_{number}.png")
    mine = handwriting.read(tmp_path)
    assert mine.warnings == ["The released model reads all of these pictures: nothing is learned"]
    adapted = learn.adapt(mine, digits, Classifier(), lambda *_: None)
    released = checkpoint.load_model(shelf.get("reader").folder).state_dict()
    assert all(torch.equal(released[k], v) for k, v in adapted.model.state_dict().items())
    assert adapted.card["decides"] == NEVER


def test_what_is_no_digit_may_be_learned(short: None, digits: Splits, tmp_path: Path) -> None:
    folder = write_odd(tmp_path / "mine", 10)
    (folder / "4_0-4.png").rename(folder / "none_1.png")
    mine = handwriting.read(folder)
    assert mine.labels.count(NOT_A_DIGIT) == 1
    assert learn.adapt(mine, digits, Classifier(), lambda *_: None).card["own"]["num_images"] == 10


def test_labels_that_the_others_speak_against_are_doubted_the_clearest_first() -> None:
    probs = np.full((4, 10), 0.01, np.float32)
    probs[[0, 1, 2, 3], [1, 2, 3, 4]] = 0.85, 0.95, 0.6, 0.99
    mine = Handwriting([], [7, 1, 5, NOT_A_DIGIT], [Path(name) for name in "abcd"])
    doubts = [(str(d.path), d.label, d.answer) for d in held_out.suspects(mine, probs)]
    assert doubts == [("b", 1, 2), ("a", 7, 1)]


def test_the_non_digits_are_drawn_once_and_look_different_in_every_epoch(
    short: None, digits: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finetuning, "RECIPE", finetuning.RECIPE.changed(epochs=2, num_views=2))
    calls = []

    def counted(train: Split, count: int) -> Split:
        calls.append(count)
        return extend(train, count)

    monkeypatch.setattr(finetuning, "extend", counted)
    released = checkpoint.load_model(shelf.get("reader").folder)
    first, second = FineTuning(released, digits.train)._old
    assert calls == [40]
    assert (first.labels[-40:] == NOT_A_DIGIT).all()
    assert torch.equal(first.labels[-80:], second.labels[-80:])
    assert not torch.equal(first.images[-40:], second.images[-40:])


def test_non_digits_are_learned_from_too_as_the_released_model_answers_them(
    short: None, digits: Splits
) -> None:
    released = checkpoint.load_model(shelf.get("reader").folder)
    (old,) = FineTuning(released, digits.train)._old
    own = Split(digits.train.images[:2], torch.tensor([7, NOT_A_DIGIT]))
    joined = finetuning._joined(old, finetuning._shown(own, len(old), epoch=1))
    others = slice(len(old) - 40, len(old))
    found = evaluation.predict_logits(
        released, Split(joined.images[others], joined.labels[others]), finetuning.RECIPE.test_norm
    )
    assert joined.targets is not None
    torch.testing.assert_close(joined.targets[others], found)
    assert (joined.labels != NOT_A_DIGIT).all()  # the training would leave them out
    mine = joined.targets[len(old) :].softmax(dim=1).amax(dim=1)
    assert sorted(set(mine.tolist())) == pytest.approx([0.1, finetuning.TRUST])


@pytest.mark.parametrize(("sure", "bar"), [(0.5, LOW), (0.97, 0.97)])
def test_a_classifier_decides_about_what_the_released_reader_misreads(
    short: None, digits: Splits, tmp_path: Path, sure: float, bar: float
) -> None:
    mine = handwriting.read(write_odd(tmp_path / "mine", 10))

    def predict(images: np.ndarray) -> np.ndarray:  # says 2 of every other one, and 3 of the rest
        probs = np.zeros((len(images), 10), np.float32)
        probs[::2, 2], probs[1::2, 3] = sure, 0.999
        return probs

    thresholds = Overruling(digits.train).thresholds(mine, predict)
    assert thresholds[2] == pytest.approx(bar)  # read as 7
    assert thresholds[3] == NEVER[3]


@pytest.mark.slow
def test_flipped_labels_are_found(digits: Splits, tmp_path: Path) -> None:
    folder = write_odd(tmp_path / "mine", 100)
    flipped = set()
    for row in range(10):
        wrong = folder / f"{(row + 1 + row % 9) % 10}_flipped-{row}.png"
        flipped.add((folder / f"{row}_0-{10 * row + row}.png").rename(wrong))
    mine = handwriting.read(folder)
    adapted = learn.adapt(mine, digits, Classifier(), lambda *_: None)
    found = {doubt.path for doubt in adapted.suspects}
    assert len(found & flipped) >= 8
    assert len(found) <= 15


def scores(pair: Pair) -> tuple[Score, Score]:
    before, after = pair
    return Score(*before), Score(*after)


@pytest.mark.parametrize(
    ("own", "test", "problem"),
    [
        (((5, 50), (2, 50)), ((40, 10_000), (50, 10_000)), ""),
        (((5, 50), (5, 50)), ((40, 10_000), (40, 10_000)), ""),
        (((5, 50), (6, 50)), ((40, 10_000), (40, 10_000)), ""),
        (((5, 50), (7, 50)), ((40, 10_000), (40, 10_000)), "it reads fewer of your pictures"),
        (((10, 100), (7, 50)), ((40, 10_000), (40, 10_000)), "it reads fewer of your pictures"),
        (((5, 50), (2, 50)), ((40, 10_000), (51, 10_000)), "it makes 11 more errors"),
        (None, ((40, 360), (43, 360)), ""),
        (None, ((40, 360), (44, 360)), "it makes 4 more errors"),
        (None, ((40, 10_000), (51, 10_000)), "it makes 11 more errors"),
    ],
)
def test_a_model_that_is_worse_is_told(own: Pair | None, test: Pair, problem: str) -> None:
    found = Comparison(own and scores(own), scores(test)).problem
    assert found.startswith(problem)
    assert bool(found) == bool(problem)


def test_a_score_has_wilsons_interval() -> None:
    found = Score(0, 20).to_dict()
    assert (found["error_rate"], found["interval"][0]) == (0, 0)
    assert found["interval"][1] == pytest.approx(1.96**2 / (20 + 1.96**2), abs=1e-3)


# --- pictures ---


def test_what_cannot_be_learned_from_is_skipped_named_and_counted(tmp_path: Path) -> None:
    folder = write_odd(tmp_path / "mine", 10)
    (folder / "3_bad.png").write_bytes(b"no picture")
    Image.new("L", (90, 90), 255).save(folder / "5_blank.png")
    for label in ("number", "x0", "x1", "x2"):
        (folder / f"{label}_1.png").touch()
    mine = handwriting.read(folder)
    assert (len(mine), mine.num_skipped) == (10, 6)
    told = "\n".join(mine.warnings)
    assert "number_1.png was skipped: it shows several signs" in told
    assert "x0_1.png was skipped: its label 'x0' is neither a digit nor 'none'" in told
    assert mine.warnings[-1] == "1 more pictures were skipped"
    assert len(mine.problems) == 5


def test_one_class_only_is_learned_and_told(tmp_path: Path) -> None:
    mine = handwriting.read(write_odd(tmp_path / "mine", 10, only=7))
    assert "All pictures show a 7; the other digits are not learned" in mine.warnings


def test_a_picture_that_vanishes_meanwhile_is_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_odd(tmp_path / "mine", 10)
    listed = list(labelled(folder))
    (folder / "9_0-9.png").unlink()
    monkeypatch.setattr("cnn_mnist.training.adapt.handwriting.labelled", lambda _: listed)
    mine = handwriting.read(folder)
    assert (len(mine), mine.num_skipped) == (9, 1)
    assert "9_0-9.png was skipped: " in mine.problems[0]


def test_nothing_but_rubbish_is_refused_with_a_reason(tmp_path: Path) -> None:
    (tmp_path / "IMG_1.png").touch()
    with pytest.raises(DataError, match=r"has no pictures of digits; name them 7_1.*'IMG'"):
        handwriting.read(tmp_path)


def test_of_very_many_some_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handwriting, "MAX_PICTURES", 100)
    many = (Labelled(Path(str(number)), "1") for number in range(1000))
    kept = [int(str(one.path)) for one in handwriting._chosen(many)]
    assert len(set(kept)) == 100
    assert kept == sorted(kept)
    assert 350 < np.mean(kept) < 650


# --- the command ---


def test_a_better_model_is_replaced_only_when_told(
    short: None, adapt: Adapt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_odd(tmp_path / "mine", 12)
    (tmp_path / "a.onnx").write_bytes(old := shelf.file("reader", shelf.ONNX).read_bytes())
    monkeypatch.setattr(learn, "_own_score", lambda *_: Score(0, 12))
    code, out, err = adapt("mine", "--out", "a.onnx")
    assert code == 1
    assert "MNIST could not be found" in err
    assert (
        "not written: it reads fewer of your pictures than the previous model; use --force" in err
    )
    assert out.count(" wrong (") == 4
    assert "a.onnx: written" not in out
    assert (tmp_path / "a.onnx").read_bytes() == old
    code, out, _ = adapt("mine", "--out", "a.onnx", "--force", "--json")
    report = json.loads(out)
    assert code == 0
    assert set(report) == FIELDS
    assert report["own"]["before"]["num_images"] == report["own"]["after"]["num_images"] == 12
    assert report["test"]["after"]["num_images"] == 360
    assert Classifier("a.onnx").decides == tuple(report["decides"])
    assert Classifier("a.onnx").threshold == report["threshold"]
    assert (tmp_path / "a.onnx").read_bytes() != old


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("missing",), "missing does not exist; name a folder of labelled pictures"),
        (("file.png",), "file.png is a file; name a folder of labelled pictures"),
        (("empty",), "empty has no labelled pictures; name them 7_1.png"),
        (
            ("empty", "--out", "no/a.onnx"),
            "there is no folder no; create it, or choose another --out",
        ),
        (("missing", "--out", "empty"), "empty is a folder; give a file name"),
        (
            ("empty", "--out", "file.png"),
            "file.png is not a digit classifier exported by cnn-mnist",
        ),
    ],
)
def test_bad_input_ends_in_one_line(
    adapt: Adapt, tmp_path: Path, arguments: tuple[str, ...], problem: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.png").touch()
    code, out, err = adapt(*arguments)
    assert (code, out) == (1, "")
    assert err.startswith(f"cnn-mnist: {problem}")
    assert err.count("\n") == 1


def test_pictures_and_trainings_have_their_own_bars(
    adapted: Adapted, adapt: Adapt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def learned(*arguments: Any) -> Adapted:
        arguments[-1](1, 5)
        return adapted

    write_odd(tmp_path / "mine", 10)
    monkeypatch.setattr(learn, "adapt", learned)
    monkeypatch.setattr(learn, "write", lambda *_: None)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    bars = adapt("mine", "--force").err.split("\r")
    assert any(" pictures" in bar for bar in bars)
    assert all(" trainings" in bar for bar in bars if "/5 [" in bar)
    assert any("/5 [" in bar for bar in bars)


def test_a_kill_leaves_the_old_model(
    cnn_mnist: Callable[..., "Popen[str]"], mnist_folder: Path, tmp_path: Path
) -> None:
    write_odd(tmp_path / "mine", 10, only=7)
    (tmp_path / "a.onnx").write_bytes(old := shelf.file("reader", shelf.ONNX).read_bytes())
    running = cnn_mnist("adapt", "mine", "--out", "a.onnx", "--data-dir", mnist_folder)
    assert running.stderr is not None
    assert "too few" in running.stderr.readline()  # the pictures are read, and it learns
    running.send_signal(signal.SIGKILL)
    running.communicate()
    assert (tmp_path / "a.onnx").read_bytes() == old


# --- the file in other commands ---


def test_an_adapted_file_is_exported_with_all_that_it_says(
    model_file: Path, shell: Shell, no_mnist: None
) -> None:
    assert shell("export --out b.onnx", model_file).code == 0
    one, two = Classifier(model_file), Classifier("b.onnx")
    assert all(one.about(name) == two.about(name) is not None for name in ("own", "decides"))
    images = odd_images(10)
    np.testing.assert_allclose(one.probs(images), two.probs(images), atol=1e-5)


def test_a_page_is_not_made_from_a_model_file(shell: Shell) -> None:
    outcome = shell("export --format web", shelf.file("reader", shelf.ONNX))
    assert outcome.code == 1
    assert outcome.err.endswith("--format web needs a run folder\n")


@pytest.mark.parametrize(
    ("content", "problem"),
    [(b"", "it is not a model exported"), (b"none", "it is not an ONNX file, or is damaged")],
)
def test_a_file_that_is_no_model_is_told(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "a.onnx"
    path.write_bytes(content)
    with pytest.raises(RunError, match=problem):
        load_config(path)


@pytest.mark.parametrize(
    ("name", "file", "problem"),
    [
        ("reader", shelf.INT8, "its weights are in 8 bits; give the float32 file"),
        ("lines", shelf.ONNX, "it is a line network, but this needs a digit classifier"),
        ("lines", shelf.INT8, "it is a line network, but this needs a digit classifier"),
    ],
)
def test_a_file_of_another_kind_is_told(name: str, file: str, problem: str) -> None:
    with pytest.raises(RunError, match=rf"{file} cannot be read: {problem}"):
        load_config(shelf.file(name, file))


def test_evaluate_takes_a_model_file(shell: Shell) -> None:
    line = "evaluate --dataset digits --device cpu --json"
    ours, released = shell(line, shelf.file("reader", shelf.ONNX)), shell(line)
    assert ours.code == 0
    assert ours == released
