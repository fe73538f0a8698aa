"""The command line: one module per command. Parse, call, print.

Heavy imports happen inside the commands, so `--help` answers at once.
"""

import sys
from typing import Annotated

import typer

from cnn_mnist import __version__, process
from cnn_mnist.cli.adapt import adapt
from cnn_mnist.cli.evaluate import evaluate
from cnn_mnist.cli.export import export
from cnn_mnist.cli.label import label
from cnn_mnist.cli.models import models
from cnn_mnist.cli.predict import predict
from cnn_mnist.cli.serve import serve
from cnn_mnist.cli.study import study
from cnn_mnist.cli.summary import summary
from cnn_mnist.cli.train import train

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,  # with rich, --help takes twice as long
    pretty_exceptions_enable=False,
)


def print_version(asked: bool) -> None:
    """Handle --version."""
    if asked:
        print(f"cnn-mnist {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=print_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Read handwritten digits, and train networks on MNIST to do it."""


for command in (train, adapt, evaluate, export, predict, serve, label, models, summary, study):
    app.command()(command)


def main() -> None:
    """Run the command line; errors that the user can fix become one line and exit code 1."""
    process.tune()
    try:
        app()
    except (ValueError, OSError, MemoryError) as error:
        print(f"cnn-mnist: {str(error) or type(error).__name__}", file=sys.stderr)
        sys.exit(2 if type(error).__name__ == "RecipeError" else 1)
