"""cnn-mnist adapt: fine-tune the released model on one person's digits."""

from pathlib import Path
from typing import Annotated

import typer

from cnn_mnist.cli.options import DataDirOption, JsonOption, extra
from cnn_mnist.terminal import Terminal


def adapt(
    folder: Annotated[
        Path, typer.Argument(help="Labelled pictures: 7_1.png, 7/any.png or a labels.csv.")
    ],
    out: Annotated[Path, typer.Option(help="Model file to write.")] = Path("adapted.onnx"),
    force: Annotated[
        bool, typer.Option("--force", help="Write the model even if the previous one is better.")
    ] = False,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fine-tune the released model on one person's digits."""
    with extra("train"):
        from cnn_mnist.inference.recognition.classifier import Classifier
        from cnn_mnist.training.adapt import handwriting, learn
        from cnn_mnist.training.data import load
        from cnn_mnist.training.runs.export import check_path

    check_path(out)
    before, say = Classifier(out if out.exists() else None), Terminal(as_json)
    with say.progress(f"{out} is unchanged.", " pictures"):
        mine = handwriting.read(folder, lambda done: say.counted(done, 0))
    say.notice(*mine.warnings)
    with say.progress(f"{out} is unchanged.", " trainings"):
        splits = load("auto", data_dir)
        say.notice(splits.notice)
        adapted = learn.adapt(mine, splits, before, say.counted)
    problem = "" if force else adapted.comparison.problem
    if not problem:
        learn.write(adapted, out, splits)
    counts = {"num_pictures": len(mine), "num_skipped": mine.num_skipped}
    say.adapted({"out": str(out), **counts, **learn.report(adapted), "written": not problem})
    if problem:
        raise ValueError(f"{out} was not written: {problem}; use --force to write it anyway")
