"""The command line: output streams, exit codes and error messages."""

import io
import json
import math
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from PIL import Image

import cnn_mnist
import collected
from cnn_mnist import cli, shelf
from cnn_mnist.cli.predict import _rows as rows
from cnn_mnist.inference.reading import NO_INK
from cnn_mnist.terminal import count
from cnn_mnist.training import data
from drawn import page
from gridded import grid
from paged import encoded
from shell import Outcome, Shell

TRAIN_FIELDS = {
    "run", "recipe", "dataset", "data_source", "split", "seed", "epochs", "num_params",
    "test_accuracy", "test_error_count", "test_nll", "seconds_train", "device",
}  # fmt: skip
EVALUATE_FIELDS = {
    "split", "data_source", "num_images", "accuracy", "error_count", "nll", "ece",
    "clean_label_accuracy", "per_class", "confusion", "classes",
}  # fmt: skip


EXPORT_FIELDS = {
    "path", "format", "size", "difference", "moved", "error_count", "torch_error_count",
    "num_changed",
}  # fmt: skip

READING_FIELDS = {
    "path", "page", "num_pages", "text", "digits", "ok", "reason", "lines", "turned", "notice",
}  # fmt: skip

SHORT = "--recipe reference --dataset digits --epochs 1 --batch-size 100 --device cpu"


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> tuple[Outcome, Path]:
    """What `cnn-mnist train` prints, and the folder that it ran in."""
    folder = tmp_path_factory.mktemp("cli")
    return run_here(folder, f"train {SHORT}"), folder


def run_here(folder: Path, line: str) -> Outcome:
    """What a command prints that succeeds, for fixtures of the module."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.chdir(folder)
        patch.delenv("CNN_MNIST_DATA", raising=False)
        patch.setattr(sys, "argv", ["cnn-mnist", *line.split()])
        with pytest.raises(SystemExit) as end:
            cli.main()
    assert not end.value.code
    return Outcome(0, out.getvalue(), err.getvalue())


@pytest.fixture(scope="module")
def trained(training: tuple[Outcome, Path]) -> Path:
    """A finished run, made with the command line."""
    return training[1] / "runs" / "reference-1"


@pytest.fixture(scope="module")
def exported(trained: Path) -> Outcome:
    """What `cnn-mnist export` prints; the file is in the run folder."""
    return run_here(trained, f"export {trained}")


@pytest.fixture
def no_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    """For trainings that take less time than their plots."""
    monkeypatch.setattr("cnn_mnist.training.train.save_plots", lambda *_: [])


def strict_json(text: str) -> Any:
    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.fixture
def sheets() -> None:
    """A page of two lines, a file of two pages, and a page without a number."""
    lines = [page("12", 60, 6), page("405", 60, 6)]
    sheet = np.full((240, 200, 3), 255, np.uint8)
    for index, line in enumerate(lines):
        sheet[120 * index : 120 * (index + 1), : line.shape[1]] = line
    Image.fromarray(sheet).save("sheet.png")
    Path("two.tif").write_bytes(encoded(("7", "3"), "TIFF"))
    Image.new("L", (90, 90), 255).save("blank.png")


# --- results ---


def test_a_line_of_a_page_is_a_row_that_names_its_file(shell: Shell, sheets: None) -> None:
    rows = shell("predict sheet.png two.tif blank.png").out.splitlines()
    assert [row.partition(" (")[0] for row in rows] == [
        "sheet.png: 12",
        "sheet.png: 405",
        "two.tif#1: 7",
        "two.tif#2: 3",
        f"blank.png: {NO_INK}",
    ]


def test_only_a_row_with_a_number_shows_a_confidence() -> None:
    reading = grid(["", ""], ["4", ""])
    assert list(rows("sheet.png", reading)) == ["sheet.png: _ _", "sheet.png: 4 _ (90%)"]


def test_a_page_as_a_table_is_its_numbers_alone(shell: Shell, sheets: None) -> None:
    assert shell("predict sheet.png --csv") == Outcome(0, "12\r\n405\r\n", "")
    assert shell("predict blank.png --csv") == Outcome(0, "", f"blank.png: {NO_INK}\n")


def test_a_name_that_is_no_text_does_not_stop_the_others(shell: Shell, sheets: None) -> None:
    Path("two.tif").rename(os.fsdecode(b"\xff.tif"))
    outcome = shell("predict sheet.png", os.fsdecode(b"\xff.tif"), "blank.png")
    assert [row.partition(" (")[0] for row in outcome.out.splitlines()[2:]] == [
        "?.tif#1: 7",
        "?.tif#2: 3",
        f"blank.png: {NO_INK}",
    ]


def test_an_empty_folder_does_not_stop_the_others(shell: Shell, sheets: None) -> None:
    Path("empty").mkdir()
    outcome = shell("predict empty two.tif")
    assert outcome.code == 1
    assert outcome.err.startswith("empty: no pictures in this folder; supported formats: .png,")
    assert [row.partition(" (")[0] for row in outcome.out.splitlines()] == [
        "two.tif#1: 7",
        "two.tif#2: 3",
    ]


def test_a_table_of_several_pages_tells_them_apart(shell: Shell, sheets: None) -> None:
    Path("none.png").write_bytes(b"no picture")
    outcome = shell("predict sheet.png two.tif blank.png none.png --csv")
    assert outcome.code == 1
    assert outcome.out.split("\r\n") == [
        "path,page,line,number_1",
        "sheet.png,1,1,12",
        "sheet.png,1,2,405",
        "two.tif,1,1,7",
        "two.tif,2,1,3",
        "blank.png,1,,",
        "none.png,1,,",
        "",
    ]
    assert len(outcome.err.splitlines()) == 2
    assert shell("predict two.tif --csv").out.startswith("path,page,line,")
    Path("folder").mkdir()
    Path("sheet.png").rename("folder/sheet.png")
    assert shell("predict folder --csv").out.startswith("path,page,line,")


def test_the_results_file_of_a_table_is_named_so(shell: Shell, sheets: None) -> None:
    outcome = shell("predict sheet.png --csv --out r.jsonl")
    assert outcome.code == 2
    assert "with --csv, the name of --out must end in .csv: r.jsonl" in outcome.err
    assert shell("predict sheet.png --csv --json").code == 2
    pytest.importorskip("fsspec")
    assert shell("predict sheet.png --csv --out r.csv --workers 1").code == 0
    rows = Path("r.csv").read_bytes().decode().split("\r\n")
    assert rows == ["path,page,line,number_1", "sheet.png,1,1,12", "sheet.png,1,2,405", ""]


def test_training_prints_rows_and_leaves_a_run(training: tuple[Outcome, Path]) -> None:
    outcome, folder = training
    assert outcome.out.splitlines()[0].startswith("recipe reference, digits, seed 0, cpu")
    assert outcome.out.splitlines()[1].split()[:2] == ["epoch", "train"]
    assert outcome.out.splitlines()[2].split()[0] == "1"
    assert "24,488 parameters" in outcome.out
    assert "run folder runs/reference-1" in outcome.out
    assert outcome.err == ""
    assert (folder / "runs/reference-1/metrics.json").exists()
    assert (folder / "runs/reference-1/mistakes.png").exists()


def test_training_with_json_prints_one_object_and_the_rows_elsewhere(
    shell: Shell, no_plots: None
) -> None:
    outcome = shell(f"train {SHORT} --json --seed 7 --out here")
    figures = strict_json(outcome.out)
    assert outcome.code == 0
    assert set(figures) == TRAIN_FIELDS
    assert figures["run"] == "here"
    assert (figures["recipe"], figures["dataset"]) == ("reference", "digits")
    assert (figures["seed"], figures["epochs"], figures["num_params"]) == (7, 1, 24_488)
    config = json.loads(Path("here/config.json").read_text())
    assert figures["data_source"] == config["data_source"] == "scikit-learn"
    assert 0 <= figures["test_accuracy"] <= 1
    assert "epoch  train loss" in outcome.err


def test_a_training_says_that_it_is_measured_on_held_out_images(
    shell: Shell, no_plots: None
) -> None:
    outcome = shell(f"train {SHORT} --split val --out here")
    assert outcome.code == 0
    assert "\ndigits val: " in outcome.out
    assert json.loads(Path("here/metrics.json").read_text())["split"] == "val"


def test_too_few_images_to_hold_any_out_are_refused(shell: Shell) -> None:
    images, labels = np.zeros((5, 28, 28), np.uint8), np.array([0, 1, 0, 1, 0])
    np.savez("few.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
    outcome = shell("train --dataset few.npz --split val --device cpu")
    assert outcome.code == 1
    assert "cannot hold out 0 of 5 training images; --split val needs at least 6" in outcome.err


def test_evaluating_gives_the_figures_of_the_training(shell: Shell, trained: Path) -> None:
    outcome = shell("evaluate --device cpu --json", trained)
    figures, metrics = strict_json(outcome.out), json.loads((trained / "metrics.json").read_text())
    assert (outcome.code, outcome.err) == (0, "")
    assert set(figures) == EVALUATE_FIELDS
    assert (figures["split"], figures["num_images"]) == ("test", 360)
    assert figures["error_count"] == metrics["test_error_count"]
    assert figures["nll"] == pytest.approx(metrics["test_nll"], rel=1e-5)
    assert len(figures["per_class"]) == len(figures["confusion"]) == 10


def test_a_result_says_where_the_data_came_from(
    mnist: data.Splits, shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    whole = Path(mnist.source)
    monkeypatch.setenv("CNN_MNIST_DATA", mnist.source)
    (tmp_path / "mine").mkdir()
    for name in data.SHA256:
        (tmp_path / "mine" / name).write_bytes((whole / name).read_bytes())
    line = "evaluate --dataset mnist --data-dir mine --device cpu --json"
    outcome = shell(line)
    assert outcome.err == ""
    assert strict_json(outcome.out)["data_source"] == str(tmp_path / "mine")
    (tmp_path / "mine" / "t10k-labels-idx1-ubyte.gz").write_bytes(b"damaged")
    outcome = shell(line)
    source = ", ".join(sorted([str(tmp_path / "mine"), mnist.source]))
    assert strict_json(outcome.out)["data_source"] == source
    assert "t10k-labels-idx1-ubyte.gz is damaged" in outcome.err
    assert outcome.err.endswith(f"; MNIST was read from {source}\n")
    assert outcome.err.count("\n") == 1


def test_evaluating_another_split_measures_it(shell: Shell, trained: Path) -> None:
    outcome = shell("evaluate --split train --device cpu", trained)
    assert outcome.code == 0
    assert outcome.out.startswith("train: 1,437 images")


def test_a_data_set_of_ones_own_goes_through_every_command(shell: Shell, no_plots: None) -> None:
    collected.keras(Path("things.npz"), 3, 30, 4)
    line = "--recipe reader --dataset things.npz --epochs 1 --device cpu"
    outcome = shell(f"train {line} --out run")
    assert outcome.code == 0
    assert "the recipe's synthetic digits are left out" in outcome.err
    assert "things.npz test: " in outcome.out
    outcome = shell("evaluate run --errors seen --device cpu")
    assert outcome.code == 0
    assert "true class down" in outcome.out
    assert "MNIST" not in outcome.out + outcome.err
    assert {path.name for path in Path("seen").iterdir()} == {"errors.png", "errors.csv"}
    assert shell("export run --out things.onnx").code == 0
    outcome = shell("evaluate things.onnx --device cpu")
    assert (
        "it was trained on the data set things.npz; say where that is with --data-dir"
        in outcome.err
    )
    Path("things.npz").rename("moved.npz")
    outcome = shell("evaluate things.onnx --data-dir moved.npz --device cpu --json")
    assert (outcome.code, strict_json(outcome.out)["num_images"]) == (0, 12)
    collected.keras(Path("moved.npz"), 3, 31, 4)
    outcome = shell("export things.onnx --data-dir moved.npz --out again.onnx")
    assert "images or labels have changed" in outcome.err
    collected.keras(Path("things.npz"), 3, 30, 4)
    outcome = shell("evaluate run --dataset digits --device cpu")
    assert (outcome.code, outcome.err.count("\n")) == (1, 1)
    assert "digits has digits, and the model knows 0, 1, 2" in outcome.err
    assert shell(f"study {line} --seeds 2 --split val --out study").code == 0
    assert "lines needs the ten digits" in shell("train --recipe lines --dataset things.npz").err
    for epochs, is_finished in ((2, False), (2, True)):
        outcome = shell(f"train --resume run --epochs {epochs} --device cpu")
        assert outcome.code == 0, outcome.err
        assert ("run is finished; --epochs N trains it further." in outcome.err) == is_finished
    collected.keras(Path("things.npz"), 3, 31, 4)
    outcome = shell("train --resume run --epochs 3 --device cpu")
    assert "images or labels have changed" in outcome.err


def test_the_reader_is_measured_on_ones_own_pictures(shell: Shell) -> None:
    for digit in "0347":
        Path(digit).mkdir()
        Image.fromarray(page(digit, 90, 9)).save(f"{digit}/a.png")
    Image.fromarray(page("1", 90, 9)).save("7/b.png")  # wrongly labelled
    outcome = shell("evaluate --dataset . --errors .seen --json --device cpu")
    figures = strict_json(outcome.out)
    assert (figures["num_images"], figures["error_count"]) == (5, 1)
    assert figures["per_class"][:4] == [1, None, None, 1]
    assert Path(".seen/errors.csv").read_text().splitlines()[1].endswith(",7/b.png")
    assert "errors.csv show the mistakes." in outcome.err
    Path("7/b.png").unlink()
    outcome = shell("evaluate --dataset . --errors .seen --device cpu")
    assert "errors.csv show the least confident answers." in outcome.err


def test_one_picture_is_in_the_singular() -> None:
    assert [count(number, "picture") for number in (0, 1, 2000)] == [
        "0 pictures",
        "1 picture",
        "2,000 pictures",
    ]


def test_an_exported_run_reads_pictures(shell: Shell, trained: Path) -> None:
    outcome = shell("export --format onnx-int8 --out small.onnx --json", trained)
    figures = strict_json(outcome.out)
    assert (outcome.code, outcome.err) == (0, "")
    assert set(figures) == EXPORT_FIELDS
    assert figures["size"] == Path("small.onnx").stat().st_size
    assert (figures["path"], figures["format"]) == ("small.onnx", "onnx-int8")
    Image.fromarray(page("7")).save("seven.png")
    outcome = shell("predict --model small.onnx --json seven.png")
    assert outcome.code == 0
    assert set(strict_json(outcome.out)) == READING_FIELDS


def test_an_export_lands_in_the_run_and_says_how_far_it_is_from_torch(
    shell: Shell, trained: Path, exported: Outcome
) -> None:
    assert exported.out.startswith(f"{trained / 'model.onnx'}: onnx, 1")
    assert "largest difference from torch" in exported.out
    Image.fromarray(page("7")).save("seven.png")
    assert shell("predict seven.png --model", trained / "model.onnx").code == 0


def test_a_training_starts_from_an_exported_file(
    shell: Shell, trained: Path, exported: Outcome, no_plots: None
) -> None:
    model = trained / "model.onnx"
    assert shell(f"train {SHORT} --init {model} --out run").code == 0
    config = json.loads(Path("run/config.json").read_text())
    assert config["init_sha256"] == shelf.sha256(model)


def test_a_run_is_exported_as_a_page(shell: Shell, trained: Path) -> None:
    outcome = shell("export --format web", trained)
    assert outcome.out.startswith(f"{trained / 'explore'}/index.html: ")
    assert (trained / "explore" / "index.html").exists()
    again = shell("export --format web", trained)
    assert again.code == 1
    assert "explore exists already; choose another --out" in again.err
    figures = strict_json(shell("export --format web --out page --json", trained).out)
    assert set(figures) == {"path", "format", "size", "accuracies", "num_mistakes"}
    assert (figures["path"], figures["format"]) == ("page", "web")


def test_the_released_weights_are_exported_too(shell: Shell, no_mnist: None) -> None:
    outcome = shell("export --out again.onnx")
    assert outcome.code == 0
    assert "accuracy was not compared" in outcome.err
    made, shipped = (onnx.load(path) for path in ("again.onnx", shelf.file("reader", shelf.ONNX)))
    values = [{p.key: p.value for p in model.metadata_props} for model in (made, shipped)]
    assert values[0]["threshold"] == values[1]["threshold"]


def test_the_summary_is_a_table(shell: Shell) -> None:
    outcome = shell("summary")
    assert (outcome.code, outcome.err) == (0, "")
    assert "24,488" in outcome.out


STUDY = "study --recipe reference --dataset things.npz --epochs 1 --device cpu --seeds"


@pytest.fixture
def things(shell: Shell) -> None:
    """A small data set, things.npz."""
    collected.keras(Path("things.npz"), 3, 60, 4)


@pytest.mark.parametrize("seeds", [1, 2])
def test_a_study_prints_one_object(seeds: int, shell: Shell, things: None) -> None:
    outcome = shell(STUDY, seeds, "--json")
    figures = strict_json(outcome.out)
    assert outcome.code == 0
    assert figures["num_seeds"] == len(figures["accuracies"]) == seeds
    assert figures["mean"] == pytest.approx(math.fsum(figures["accuracies"]) / seeds)
    assert outcome.err.count("errors") == seeds


def test_a_study_trains_as_one_training_does(shell: Shell, things: None, no_plots: None) -> None:
    line = "--recipe reference --dataset things.npz --epochs 1 --device cpu --split val --out"
    assert shell(f"train {line} run").code == shell(f"study {line} study --seeds 1").code == 0
    runs = [json.loads(Path(path, "config.json").read_text()) for path in ("run", "study/seed-0")]
    assert runs[0] == runs[1]


def test_a_study_is_compared_with_another(shell: Shell, things: None, tmp_path: Path) -> None:
    line = f"{STUDY} 2 --out"
    assert shell(line, tmp_path / "one").code == 0
    outcome = shell(line, tmp_path / "two", "--against", tmp_path / "one")
    assert outcome.code == 0
    assert "+0.000 points, 95% interval" in outcome.out
    assert ": not significant" in outcome.out
    missing = shell(line, tmp_path / "three", "--against", tmp_path)
    assert (missing.code, missing.out) == (1, "")
    assert "is not a study" in missing.err


def test_a_study_of_one_prints_no_interval(shell: Shell, things: None) -> None:
    outcome = shell(STUDY, 1)
    assert outcome.code == 0
    assert "95% interval" not in outcome.out


# --- wrong usage: exit code 2, with the near match ---


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("trian", "train"),
        ("train --epoch 3", "--epochs"),
        ("train --recipe refrence", "did you mean 'reference'"),
        ("train --device gpu", "cuda"),
        ("evaluate --split tests", "test"),
        ("study --split train", "val"),
        ("export --format onx", "onnx-int8"),
        ("serve --workers 0", "--workers"),
        ("serve --port 70000", "--port"),
        ("serve --cors-origin that.site", "--cors-origin that.site: give https://that.site, with"),
        ("serve --cors-origin https://that.site/", "--cors-origin https://that.site/: give"),
        ("study --seeds 0", "--seeds"),
        ("train --epochs 0", "epochs is 0"),
        ("train --epochs -3", "epochs is -3"),
        ("train --epochs 99999999999999999999", "epochs is 9999"),
        ("train --epochs ten", "--epochs"),
        ("train --batch-size 0", "batch_size is 0"),
        ("train --batch-size 70000", "batch_size is 70000"),
        ("train --lr 0", "lr is 0"),
        ("train --lr -0.1", "lr is -0.1"),
        ("train --lr 1e9", "lr is 1"),
        ("train --lr nan", "lr is nan"),
        ("train --lr inf", "lr is inf"),
        ("train --seed -1", "--seed"),
        ("train --seed 99999999999999999999999", "--seed"),
        ("train --resume x --lr 0.1 --seed 3", "--lr, --seed cannot be used with --resume"),
        ("predict scans/*.png", "scans/*.png: addresses and patterns need --out"),
        ("predict http://localhost/7.png", "http://localhost/7.png: addresses and patterns need"),
        ("nothing", "nothing"),
    ],
)
def test_wrong_usage_is_told_with_what_would_be_right(line: str, hint: str, shell: Shell) -> None:
    outcome = shell(line)
    assert outcome.code == 2
    assert hint in outcome.err
    assert outcome.out == ""
    assert "Traceback" not in outcome.err
    assert not Path("runs").exists()


def test_the_version_is_told(shell: Shell) -> None:
    assert shell("--version").out == f"cnn-mnist {cnn_mnist.__version__}\n"


def test_no_command_shows_the_help(shell: Shell) -> None:
    outcome = shell("")
    assert outcome.code == 2
    assert "train" in outcome.out + outcome.err


# --- what fails: exit code 1, in one line ---


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("export nowhere", "no file, folder or model is named 'nowhere'; the released"),
        ("predict --model none.onnx taken", "none.onnx: No such file"),
        ("evaluate nowhere", "no file, folder or model is named 'nowhere'; the released"),
        ("evaluate run/nowhere", "run/nowhere: no such folder; give a run folder"),
        ("export --out taken", "taken is a folder; give a file name"),
        ("export --out no/model.onnx", "there is no folder no; create it, or choose another --out"),
        ("export lines", "lines has no torch weights to export; its .onnx files are in that"),
        ("evaluate missing.onnx", "missing.onnx: no such file; give a run folder, an exported"),
        ("evaluate lines", "is a run of the line network"),
        ("predict taken --preview taken/file", "the previews cannot be written to taken/file: "),
        ("predict --model lines taken", "is not a digit classifier exported by cnn-mnist"),
        (
            "predict --model raeder taken",
            "no file, folder or model is named 'raeder'; did you mean reader? ",
        ),
        ("train --resume nowhere", "nowhere: no such folder; give a run folder"),
        ("train --dataset digits --batch-size 1438", "only 1,437 training images"),
        ("train --dataset digits --out taken", "taken exists already"),
        ("train --dataset digits --out taken/file/run", "Not a directory"),
        ("train --dataset digits --init raeder", "'raeder'; did you mean reader? "),
        ("train --dataset digits --init reader", "was trained on other data (mnist) than this run"),
        ("train --resume taken", "taken is not a run folder: there is no config.json"),
        ("predict --model taken taken", "taken is a folder; give an exported file. If it is a run"),
        ("train --dataset mnits", "no data set 'mnits'; choose one of auto, mnist, digits, or"),
        ("study --dataset taken", "taken has no labelled pictures; name them"),
    ],
)
def test_a_failure_is_one_line_and_leaves_nothing(
    line: str, reason: str, shell: Shell, no_mnist: None
) -> None:
    Path("taken").mkdir()
    Path("taken/file").touch()
    outcome = shell(line)
    assert outcome.code == 1
    assert outcome.err.startswith("cnn-mnist: ")
    assert reason in outcome.err
    assert outcome.err.count("\n") == 1
    assert outcome.out == ""
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("command", "module"), [("train", "training.train"), ("study", "training.studies.study")]
)
def test_full_memory_is_one_line(
    command: str, module: str, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        f"cnn_mnist.{module}.finish", lambda *_, **__: torch.empty(2**50, dtype=torch.uint8)
    )
    outcome = shell(f"{command} --recipe reference --dataset digits --epochs 1 --device cpu")
    assert outcome.code == 1
    assert outcome.err.endswith(
        "cnn-mnist: out of memory; free some, or begin a training with a smaller --batch-size\n"
    )
    assert "Traceback" not in outcome.err


def test_a_damaged_run_is_one_line(shell: Shell, trained: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    for path in trained.glob("*.*"):
        (tmp_path / "run" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "run" / "model.safetensors").write_bytes(b"damaged")
    outcome = shell("evaluate run")
    assert outcome.code == 1
    assert outcome.err.startswith("cnn-mnist: run/model.safetensors cannot be read")
    assert outcome.err.count("\n") == 1


# --- the process itself ---


def run(environment: dict[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


HEAVY = ("torch", "numpy", "cv2", "sklearn", "onnxruntime", "PIL", "rich", "pydantic")


def test_help_loads_nothing_heavy(environment: dict[str, str]) -> None:
    program = (
        "import sys; from cnn_mnist.cli import main; sys.argv = ['cnn-mnist', '--help']\n"
        "try: main()\n"
        f"finally: print([m for m in {HEAVY} if m in sys.modules])"
    )
    result = run(environment, "-c", program)
    assert result.returncode == 0
    assert "Commands:" in result.stdout
    assert result.stdout.endswith("[]\n")


def test_a_command_does_not_load_the_others(environment: dict[str, str]) -> None:
    program = (
        "import sys; from cnn_mnist.cli import main; sys.argv = ['cnn-mnist', 'models']\n"
        "try: main()\n"
        "finally: print(sorted(m for m in sys.modules if m.startswith('cnn_mnist.cli.')))"
    )
    result = run(environment, "-c", program)
    assert result.stdout.endswith("['cnn_mnist.cli.models', 'cnn_mnist.cli.options']\n")


def test_a_picture_that_is_too_large_is_one_line(
    environment: dict[str, str], tmp_path: Path
) -> None:
    huge = tmp_path / "huge.png"
    Image.new("1", (10_000, 9_500), 1).save(huge)  # Pillow warns, but opens it
    command = ["-m", "cnn_mnist", "predict", str(huge)]
    expected = f"{huge}: the picture has more than 80 million pixels; reduce its size\n"
    for options in ([], ["--out", str(tmp_path / "r.jsonl"), "--workers", "1"]):
        refused = run(environment, *command, *options)
        assert (refused.returncode, refused.stderr) == (1, expected)


def test_an_unknown_command_gets_a_similar_name(shell: Shell) -> None:
    outcome = shell("predct")
    assert outcome.code == 2
    assert "No such command 'predct'. Did you mean 'predict'?" in outcome.err


@pytest.mark.parametrize("command", ["train", "evaluate", "export", "serve", "summary", "study"])
def test_every_command_explains_its_options(command: str, shell: Shell) -> None:
    outcome = shell(f"{command} --help")
    assert outcome.code == 0
    assert f"cnn-mnist {command}" in outcome.out.replace("\n", " ")


@pytest.mark.parametrize("command", ["train", "evaluate x", "export", "summary", "study"])
def test_a_base_install_says_which_extra_is_missing(
    command: str, environment: dict[str, str]
) -> None:
    program = (
        "import sys; sys.modules['torch'] = None\n"
        f"from cnn_mnist.cli import main; sys.argv = 'cnn-mnist {command}'.split(); main()"
    )
    result = run(environment, "-c", program)
    assert result.returncode == 1
    assert "needs torch, which is not installed" in result.stderr
    assert "pip install 'cnn-mnist[train]'" in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_reader_who_leaves_early_gets_no_traceback(
    environment: dict[str, str], tmp_path: Path
) -> None:
    command = f"{sys.executable} -m cnn_mnist summary | head -1"
    result = subprocess.run(
        command, shell=True, env=environment, capture_output=True, text=True, cwd=tmp_path
    )
    assert result.stdout.startswith("layer")
    assert "Traceback" not in result.stderr


def test_the_process_is_tuned(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OMP_PROC_BIND", "OMP_NUM_THREADS"):
        monkeypatch.setenv(name, "to be put back")
        monkeypatch.delenv(name)
    shell("summary")
    assert os.environ["OMP_PROC_BIND"] == "true"


def test_reading_loads_no_tools_for_several_processes(environment: dict[str, str]) -> None:
    program = (
        "import sys, numpy, cnn_mnist.cli.predict, cnn_mnist.inference.reader as reader\n"
        "reader.Reader().read(numpy.zeros((9, 9), 'uint8'))\n"
        "print('multiprocessing' in sys.modules)"
    )
    result = run(environment, "-c", program)
    assert (result.stdout, result.stderr) == ("False\n", "")


def test_reading_starts_no_threads_for_matrix_products(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "to be put back")
    monkeypatch.delenv("OPENBLAS_NUM_THREADS")
    shell("predict missing.png")
    assert os.environ["OPENBLAS_NUM_THREADS"] == "1"
