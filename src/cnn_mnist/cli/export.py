"""cnn-mnist export: export a run as a model file or a web page."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from cnn_mnist import shelf
from cnn_mnist.cli.options import (
    DataDirOption,
    JsonOption,
    RunArgument,
    extra,
    refuse_lines,
    run_folder,
)
from cnn_mnist.terminal import Terminal


def export(
    run: RunArgument = None,
    form: Annotated[
        Literal["onnx", "onnx-int8", "web"],
        typer.Option("--format", help="onnx; onnx-int8, a third of the size; web, a web page."),
    ] = "onnx",
    out: Annotated[
        Path | None, typer.Option(help="File or folder to write.", show_default="RUN/model.onnx")
    ] = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Export a trained run as a model file, or as a web page that shows the network at work."""
    with extra("train"):
        from cnn_mnist.training.data import load
        from cnn_mnist.training.lines.calibrate import fit_temperature, held_out_answers
        from cnn_mnist.training.lines.export import export_lines, typical_lines
        from cnn_mnist.training.runs import checkpoint, model_card, model_file, web
        from cnn_mnist.training.runs.config import load_config
        from cnn_mnist.training.runs.export import export as export_model

    say, folder = Terminal(as_json), run_folder(run)
    is_released = shelf.holds(folder)
    beside = folder if folder.is_dir() and not is_released else Path()
    config = load_config(folder)
    if form == "web" or is_released:
        refuse_lines(config.recipe.model, folder)
    if form == "web" and model_file.is_model_file(folder):
        raise ValueError(f"{folder} is a model file; a web page needs a run folder")
    splits = load("auto", data_dir) if is_released else config.data(data_dir)
    if form == "web":
        say.notice(splits.notice)
        path = out or beside / "explore"
        say.page(str(path), asdict(web.export(folder, splits, path)))
        return
    name = "model-int8.onnx" if form == "onnx-int8" else "model.onnx"
    path = out or beside / name
    if config.recipe.model == "lines":
        temperature = fit_temperature(held_out_answers(folder, splits))
        typical = typical_lines(splits.train)
        proof = export_lines(folder, path, temperature, typical, form == "onnx-int8")
        say.exported(str(path), form, asdict(proof))
        return
    about = model_card.released(folder) if is_released else model_card.of_run(folder, splits)
    same = splits.name == config.dataset
    say.notice("" if same else f"The accuracy was not compared. {splits.notice}")
    proof = export_model(
        checkpoint.load_model(folder),
        path,
        config.recipe.test_norm,
        splits.train.images[-model_card.NUM_VAL :],
        model_card.metadata(about),
        about["temperature"],
        form,
        splits.test if same else None,
    )
    say.exported(str(path), form, asdict(proof))
