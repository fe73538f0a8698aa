"""cnn-mnist models: list the released models."""

from dataclasses import asdict

from cnn_mnist import shelf
from cnn_mnist.cli.options import JsonOption
from cnn_mnist.terminal import Terminal


def models(as_json: JsonOption = False) -> None:
    """List the released models. Their names can be used as RUN or --model."""
    released = [shelf.get(name) for name in shelf.list_models()]
    Terminal(as_json).models([{**asdict(model), "folder": str(model.folder)} for model in released])
