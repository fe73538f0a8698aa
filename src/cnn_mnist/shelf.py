"""The models inside the package, by name. weights/registry.json says what they are and worth.

A name stands wherever a model's file or run folder may. What is opened by its name is verified.
"""

import difflib
import functools
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WEIGHTS = Path(__file__).parent / "weights"
TORCH, ONNX, INT8 = "model.safetensors", "model.onnx", "model-int8.onnx"
DIGITS, LINES = "reader", "lines"  # the two that a Reader takes unless told otherwise


class ShelfError(ValueError):
    """There is no such model, or it is damaged; the message says which there are."""


@dataclass(frozen=True)
class Model:
    """An entry of the registry; where `files` is empty no weights are released yet."""

    name: str
    aliases: list[str]
    about: str
    architecture: str
    recipe: str
    licence: str
    num_params: int
    chosen: str  # how and when the released seed was
    files: dict[str, dict[str, Any]]  # of each its size in bytes and its sha256
    test: dict[str, Any]  # the released model's own figures; empty where there are no weights
    study: dict[str, Any]  # the recipe's mean over seeds; empty where there is no study

    @property
    def folder(self) -> Path:
        return WEIGHTS / self.name


@functools.cache
def models() -> dict[str, Model]:
    """All entries of the registry by name."""
    entries = json.loads((WEIGHTS / "registry.json").read_text())
    return {name: Model(name, **entry) for name, entry in entries.items()}


def list_models() -> list[str]:
    """The names of the released models."""
    return [name for name, model in models().items() if model.files]


def entry(name: str) -> Model:
    """The model of a name or an alias, with released weights or without.

    Raises:
        ShelfError: there is none; the message lists those that there are.
    """
    if name in _by_any_name():
        return _by_any_name()[name]
    near = difflib.get_close_matches(name, _by_any_name(), n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise ShelfError(f"there is no model {name!r}; {hint}{_released()}")


def get(name: str) -> Model:
    """The released model of a name or an alias.

    Raises:
        ShelfError: there is none, or its weights are not released.
    """
    found = entry(name)
    if not found.files:
        raise ShelfError(f"{name} has no released weights; {_released()}")
    return found


def file(name: str, part: str) -> Path:
    """A file of a released model, verified.

    Raises:
        ShelfError: as `get`; or the model has no such file, or it is not the released one.
    """
    model = get(name)
    if part not in model.files:
        raise ShelfError(f"{model.name} is released without {part}")
    path = model.folder / part
    if not path.exists() or sha256(path) != model.files[part]["sha256"]:
        raise ShelfError(f"{path} is damaged or missing; install the package again")
    return path


def find(given: str | os.PathLike[str], part: str = "") -> Path:
    """What a user means by a name of the shelf, or by a path, which comes back as it is.

    Args:
        part: the model's file that is wanted; without it, its folder.

    Raises:
        ShelfError: the name is a model's and a path's, or neither's; or as `file`.
    """
    text = os.fspath(given)
    here = Path(text)
    if not is_name(text):
        if here.name == text and not here.suffix and not here.exists():
            raise ShelfError(f"{text} is neither a file or folder here nor a model; {_released()}")
        return here
    if here.exists():
        raise ShelfError(
            f"{text} is a model and a file or folder here; for that write ./{text}, for the model "
            "work in another folder"
        )
    if part:
        return file(text, part)
    for name in get(text).files:
        file(text, name)
    return get(text).folder


def is_name(text: str) -> bool:
    """Whether that is a name or an alias, released or not."""
    return text in _by_any_name()


def holds(folder: Path) -> bool:
    """Whether a folder is that of a model on the shelf."""
    return folder.resolve().parent == WEIGHTS.resolve()


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _by_any_name() -> dict[str, Model]:
    return {name: model for model in models().values() for name in (model.name, *model.aliases)}


def _released() -> str:
    named = [" or ".join([name, *models()[name].aliases]) for name in list_models()]
    return f"the released models are {', '.join(named)}"
