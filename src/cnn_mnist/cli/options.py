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
        help="reference, default, fast, best, best-bn, best-small, best-tiny, robust, reader, "
        "lines, lines-finetune, or a teacher: teacher, teacher-affine, teacher-warped.",
        show_default="default",
    ),
]
DatasetOption = Annotated[
    str | None,
    typer.Option(
        help="mnist; digits (bundled); auto, MNIST if it can be found, otherwise digits; or your "
        "own: a .npz file, or a folder of labelled pictures or IDX files.",
        show_default="auto",
    ),
]
DataDirOption = Annotated[
    Path | None,
    typer.Option(
        help="Folder with the four MNIST .gz files, searched first; for a run on your own data, "
        "where that is now."
    ),
]
DeviceOption = Annotated[
    Literal["auto", "cpu", "cuda", "mps"],
    typer.Option(help="Device to compute on; auto takes the best one that works correctly."),
]
SPLIT = typer.Option(
    help="Images to evaluate on: test, or val, a sixth of the training images, held out.",
    show_default="test",
)
TeacherOption = Annotated[
    str | None,
    typer.Option(help="Teacher model: a run folder, a folder of several, or a model's name."),
]
EpochsOption = Annotated[
    int | None,
    typer.Option(help="Passes over the training images.", show_default="the recipe's"),
]
ModelOption = Annotated[
    str | None, typer.Option(help="Exported .onnx file, or a model's name.", show_default="reader")
]
RunArgument = Annotated[
    str | None,
    typer.Argument(help="Run folder, .onnx file, or a model's name.", show_default="reader"),
]
WorkersOption = Annotated[
    int | None, typer.Option(help="Number of processes on this machine.", min=1, max=4096)
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


def without_missing_teacher(recipe: Any, teacher: object, say: Terminal) -> Any:
    """The recipe, without distillation if no teacher is given."""
    if teacher or not recipe.distil:
        return recipe
    say.notice(
        f"No --teacher given: {recipe.name} learns from the labels alone and will be less accurate."
    )
    return recipe.changed(distil=0.0)


def for_classes(recipe: Any, splits: Any, say: Terminal) -> Any:
    """The recipe, without drawn digits if the data set's classes are not the ten digits.

    Raises:
        ValueError: the recipe trains the line network, which needs digits.
    """
    from cnn_mnist.training.data import DIGITS

    if splits.classes == DIGITS:
        return recipe
    if recipe.model == "lines":
        raise ValueError(
            f"the recipe {recipe.name} needs the ten digits, but {splits.name} has other classes; "
            "choose another --recipe"
        )
    if recipe.drawn:
        say.notice(
            f"The classes of {splits.name} are not the ten digits: the recipe's synthetic digits "
            "are left out."
        )
    return recipe.changed(drawn=0)


def run_folder(run: str | None) -> Path:
    """The folder of a run or of a released model; `reader` by default."""
    return shelf.get(shelf.DIGITS).folder if run is None else shelf.find(run)


def refuse(why: str, options: dict[str, Any]) -> None:
    """Reject options that cannot be used here; None and False mean that they were not given."""
    given = [name for name, value in options.items() if value is not None and value is not False]
    if given:
        raise typer.BadParameter(f"{', '.join(given)} cannot be used {why}")
