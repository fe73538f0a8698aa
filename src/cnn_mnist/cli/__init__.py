"""The command line: a module a command. Parse, call, print.

Nothing heavy is imported before a command needs it, so `--help` answers at once.
"""

import sys

import typer

from cnn_mnist import process
from cnn_mnist.cli.evaluate import evaluate
from cnn_mnist.cli.export import export
from cnn_mnist.cli.models import models
from cnn_mnist.cli.predict import predict
from cnn_mnist.cli.serve import serve
from cnn_mnist.cli.study import study
from cnn_mnist.cli.summary import summary
from cnn_mnist.cli.train import train

app = typer.Typer(
    help="Handwritten digits: read your own, and learn them from MNIST.",
    no_args_is_help=True,
    rich_markup_mode=None,  # with rich, --help takes twice as long
    pretty_exceptions_enable=False,
)
for command in (train, evaluate, export, predict, serve, models, summary, study):
    app.command()(command)


def main() -> None:
    """Run the command line; an error the user can mend ends in one line and exit code 1."""
    process.tune()
    try:
        app()
    except (ValueError, OSError, MemoryError) as error:
        print(f"cnn-mnist: {str(error) or type(error).__name__}", file=sys.stderr)
        sys.exit(2 if type(error).__name__ == "RecipeError" else 1)
