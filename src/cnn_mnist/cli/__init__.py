"""The command line: one module per command. Parse, call, print.

Heavy imports happen inside the commands, so `--help` answers at once.
"""

import sys
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from cnn_mnist import __version__, process

NAMES = [
    "train",
    "adapt",
    "evaluate",
    "export",
    "predict",
    "serve",
    "label",
    "models",
    "summary",
    "study",
]


class Commands(TyperGroup):
    """The commands by name; a command's module is imported when it is used."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings | {"commands": dict.fromkeys(NAMES)})

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command with a name; None if there is none."""
        if cmd_name not in NAMES:
            return None
        app = typer.Typer(add_completion=False, rich_markup_mode=None)
        app.command()(getattr(import_module(f"{__name__}.{cmd_name}"), cmd_name))
        return typer.main.get_command(app)


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    rich_markup_mode=None,  # with rich, --help takes twice as long
    pretty_exceptions_enable=False,
)


def print_version(is_given: bool) -> None:
    """Print the version and exit, if the option is given."""
    if is_given:
        print(f"cnn-mnist {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=print_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Read handwritten digits, and train the networks that read them."""


def main() -> None:
    """Run the command line; errors that the user can fix become one line and exit code 1."""
    process.tune()
    process.ignore_large_pictures()
    try:
        app()
    except (ValueError, OSError, MemoryError) as error:
        from cnn_mnist.training.recipes import RecipeError

        print(f"cnn-mnist: {str(error) or type(error).__name__}", file=sys.stderr)
        sys.exit(2 if isinstance(error, RecipeError) else 1)  # an option's value is out of range
