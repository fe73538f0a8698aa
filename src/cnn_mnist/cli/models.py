"""cnn-mnist models: list the released models."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from cnn_mnist import shelf
from cnn_mnist.cli.options import JsonOption
from cnn_mnist.terminal import Terminal, share


def models(as_json: JsonOption = False) -> None:
    """List the released models. Their names can be used as RUN or --model."""
    released = [shelf.get(name) for name in shelf.list_models()]
    listed = [{**asdict(model), "folder": str(model.folder)} for model in released]
    Terminal(as_json).result({"models": listed}, _rows(listed))


def _rows(models: list[dict[str, Any]]) -> Iterator[str]:
    yield "name    recipe      parameters      kB     test    clean   n  mean of n  description"
    for model in models:
        test, study, names = model["test"], model["study"], [model["name"], *model["aliases"]]
        size = sum(file["size"] for file in model["files"].values()) / 1000
        clean = test.get("clean_label_accuracy")
        yield (
            f"{names[0]:7} {names[-1]:10}  {model['num_params']:10,}  {size:6,.0f}  "
            f"{test['accuracy']:7.2%}  {share(clean, 2):>7}  {study.get('num_seeds', ''):>2}  "
            f"{share(study.get('mean'), 2):>9}  {model['about']}"
        )
