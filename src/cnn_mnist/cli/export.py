"""cnn-mnist export: export a run as a model file or a web page."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cnn_mnist import shelf
from cnn_mnist.cli.options import DataDirOption, JsonOption, RunArgument, extra, run_folder
from cnn_mnist.terminal import Terminal, count

if TYPE_CHECKING:
    from cnn_mnist.training.data import Splits
    from cnn_mnist.training.runs.export import Proof


def export(
    run: RunArgument = None,
    form: Annotated[
        Literal["onnx", "onnx-int8", "web"],
        typer.Option("--format", help="onnx; onnx-int8, a third of the size; or web, a web page."),
    ] = "onnx",
    out: Annotated[
        Path | None, typer.Option(help="File or folder to write.", show_default="RUN/model.onnx")
    ] = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Export a model as a file, or as a page that explains it."""
    with extra("train"):
        from cnn_mnist.training.data import load
        from cnn_mnist.training.runs import model_file, web
        from cnn_mnist.training.runs.config import load_config
        from cnn_mnist.training.runs.export import FORMATS, check_path

    say, folder = Terminal(as_json), run_folder(run)
    is_released = shelf.holds(folder)
    config = load_config(folder)
    if is_released and not (folder / shelf.TORCH).exists():
        raise ValueError(
            f"{folder} has no torch weights to export; its .onnx files are in that folder"
        )
    if form == "web" and model_file.is_model_file(folder):
        raise ValueError(f"{folder} is a model file, but --format web needs a run folder")
    beside = folder if folder.is_dir() and not is_released else Path()
    path = out or beside / ("explore" if form == "web" else FORMATS[form])
    if form != "web":
        check_path(path)
    splits = load("auto", data_dir) if is_released else config.data(data_dir)
    if form == "web":
        say.notice(splits.notice)
        facts = asdict(web.export(folder, splits, path))
        say.result({"path": str(path), "format": form, **facts}, _page_rows(path, facts))
        return
    if splits.name != config.dataset:
        say.notice(f"The accuracy was not compared. {splits.notice}")
    write = _lines if config.recipe.model == "lines" else _classifier
    proof = asdict(write(folder, splits, path, form))
    say.result({"path": str(path), "format": form, **proof}, _rows(path, form, proof))


def _classifier(folder: Path, splits: "Splits", path: Path, form: str) -> "Proof":
    """Export a digit classifier. The accuracy is compared on the data that it was trained on."""
    from cnn_mnist.training.runs import checkpoint, model_card
    from cnn_mnist.training.runs.export import export

    is_released = shelf.holds(folder)
    about = model_card.released(folder) if is_released else model_card.of_run(folder, splits)
    return export(
        checkpoint.load_model(folder),
        path,
        tuple(about["recipe"]["test_norm"]),
        splits.train.images,
        model_card.metadata(about),
        about["temperature"],
        form,
        splits.test if splits.name == about["dataset"] else None,
    )


def _lines(folder: Path, splits: "Splits", path: Path, form: str) -> "Proof":
    """Export a line network, calibrated on the digits that its run held out."""
    from cnn_mnist.training.lines.calibrate import fit_temperature, held_out_answers
    from cnn_mnist.training.lines.export import export_lines, typical_lines

    temperature = fit_temperature(held_out_answers(folder, splits))
    return export_lines(folder, path, temperature, typical_lines(splits.train), form == "onnx-int8")


def _rows(path: Path, form: str, proof: dict[str, Any]) -> Iterator[str]:
    """What was exported, and how far it differs from the trained model."""
    yield (
        f"{path}: {form}, {proof['size']:,} bytes; largest difference from torch "
        f"{proof['difference']:.2g}, {proof['moved']:.2%} of the probability moved"
    )
    if proof["error_count"] is not None:
        yield f"test images: {proof['error_count']} errors, torch {proof['torch_error_count']}"


def _page_rows(path: Path, facts: dict[str, Any]) -> Iterator[str]:
    epochs = ", ".join(f"{n}: {accuracy:.2%}" for n, accuracy in facts["accuracies"].items())
    yield f"{path}/index.html: {facts['size']:,} bytes; open it in a browser"
    yield f"{count(facts['num_mistakes'], 'mistake')}; test accuracy by epoch: {epochs}"
