"""cnn-mnist adapt: fine-tune the released model on one person's digits."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from cnn_mnist.cli.options import DataDirOption, JsonOption, extra
from cnn_mnist.terminal import Terminal, count


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
    report = {"out": str(out), **counts, **learn.report(adapted), "written": not problem}
    say.result(report, _rows(report))
    if problem:
        raise ValueError(f"{out} was not written: {problem}; use --force to write it anyway")


def _rows(report: dict[str, Any]) -> Iterator[str]:
    """How the adapted model compares with the previous one, and whether it was written."""
    skipped = f", {report['num_skipped']:,} skipped" if report["num_skipped"] else ""
    yield f"{count(report['num_pictures'], 'picture')}{skipped}"
    for title, scores in (("yours, held out", report["own"]), ("test", report["test"])):
        for when, score in (scores or {}).items():
            low, high = score["interval"]
            yield (
                f"{title:15}  {when:6}  {score['error_rate']:7.2%} wrong "
                f"({low:.2%} to {high:.2%}), {score['error_count']} of {score['num_images']:,}"
            )
    for doubt in report["suspects"]:
        yield (
            f"{doubt['path']}: labelled {doubt['label']}, looks like {doubt['answer']} "
            f"({doubt['confidence']:.0%})"
        )
    if report["written"]:
        yield f"{report['out']}: written; use it with: predict --model {report['out']}"
