"""Options shared by several commands, and checks on them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from cnn_mnist import shelf
from cnn_mnist.terminal import Terminal

RecipeOption = Annotated[
    str | None,
    typer.Option(
        help="reference, default, fast, best, best-bn, best-small, robust, reader, lines, "
        "lines-restart, lines-boxes, or a teacher model: teacher, teacher-affine, teacher-warped.",
        show_default="default",
    ),
]
DatasetOption = Annotated[
    str | None,
    typer.Option(
        help="mnist, digits (bundled), or auto: MNIST if it can be found. Or your own: a .npz "
        "file, or a folder of labelled pictures or of IDX files.",
        show_default="auto",
    ),
]
DataDirOption = Annotated[
    Path | None, typer.Option(help="Folder with the four MNIST .gz files; searched first.")
]
DeviceOption = Annotated[
    Literal["auto", "cpu", "cuda", "mps"], typer.Option(help="auto, cpu, cuda or mps.")
]
SPLIT = typer.Option(
    help="test, or val: a sixth of the training images, held out for choosing.", show_default="test"
)
TeacherOption = Annotated[
    str | None,
    typer.Option(help="Teacher: a run folder, a folder of several, or a model."),
]
EpochsOption = Annotated[int | None, typer.Option(help="Passes over the training images.")]
ModelOption = Annotated[
    str | None, typer.Option(help="Exported .onnx file, or a model's name.", show_default="reader")
]
RunArgument = Annotated[
    str | None,
    typer.Argument(help="Run folder, .onnx file, or a model's name.", show_default="reader"),
]
WorkersOption = Annotated[
    int | None, typer.Option(help="Processes on this machine.", min=1, max=4096)
]
SchedulerOption = Annotated[
    str | None, typer.Option(help="Dask scheduler whose workers to use: tcp://HOST:PORT.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]


@contextmanager
def extra(name: str) -> Iterator[None]:
    """Name the extra to install if a command's libraries are missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise ValueError(
            f"this command needs {error.name}, which is not installed; install it with: "
            f"pip install 'cnn-mnist[{name}]'"
        ) from error


def with_labels_alone(recipe: Any, teacher: object, say: Terminal) -> Any:
    """The recipe, without distillation if no teacher is given."""
    if teacher or not recipe.distil:
        return recipe
    say.notice(f"No --teacher given: {recipe.name} learns from labels only, and less well.")
    return recipe.changed(distil=0.0)


def fitting(recipe: Any, splits: Any, say: Terminal) -> Any:
    """The recipe, without drawn digits if the data are not digits.

    Raises:
        ValueError: the recipe trains the line network, which needs digits.
    """
    from cnn_mnist.training.data import DIGITS

    if splits.classes == DIGITS:
        return recipe
    if recipe.model == "lines":
        raise ValueError(f"the recipe lines needs the ten digits; {splits.name} has other classes")
    if recipe.drawn:
        say.notice(f"{splits.name} has other classes than the ten digits: none are drawn.")
    return recipe.changed(drawn=0)


def run_folder(run: str | None) -> Path:
    """The folder of a run or of a released model; `reader` by default."""
    return shelf.get(shelf.DIGITS).folder if run is None else shelf.find(run)


def refuse_lines(model: str, folder: Path) -> None:
    """Raise a ValueError if a run is of the line network."""
    if model == "lines":
        name = "card.json" if shelf.holds(folder) else "metrics.json"
        raise ValueError(
            f"{folder} is a run of the line network, which is not a digit classifier; its "
            f"accuracy is in {name} there"
        )


def refuse(why: str, options: dict[str, Any]) -> None:
    """Reject options that cannot be used here; None and False mean that they were not given."""
    given = [name for name, value in options.items() if value is not None and value is not False]
    if given:
        raise typer.BadParameter(f"{why} {', '.join(given)} out")
