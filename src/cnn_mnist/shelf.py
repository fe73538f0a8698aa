"""The released models, by name; weights/registry.json describes them.

A name can be used in place of a model file or a run folder. Files are verified when opened.
"""

import functools
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WEIGHTS = Path(__file__).parent / "weights"
TORCH, ONNX, INT8 = "model.safetensors", "model.onnx", "model-int8.onnx"
DIGITS, LINES = "reader", "lines"  # the two that a Reader uses by default


class ShelfError(ValueError):
    """The model does not exist or is damaged; the message says what to do."""


@dataclass(frozen=True)
class Model:
    """An entry of the registry; `files` is empty if no weights are released yet."""

    name: str
    aliases: list[str]
    about: str
    architecture: str
    recipe: str
    licence: str
    num_params: int
    chosen: str  # how and when the released seed was chosen
    files: dict[str, dict[str, Any]]  # size in bytes and sha256 of each
    test: dict[str, Any]  # the released model's own figures; empty without weights
    study: dict[str, Any]  # the recipe's mean over seeds; empty without a study

    @property
    def folder(self) -> Path:
        """Where the model's files are."""
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
    """The model with a name or alias, with or without released weights.

    Raises:
        ShelfError: there is no such model; the message lists the available ones.
    """
    if name in _by_any_name():
        return _by_any_name()[name]
    raise ShelfError(f"there is no model {name!r}; {_suggestions(name)}")


def get(name: str) -> Model:
    """The released model with a name or alias.

    Raises:
        ShelfError: there is no such model, or its weights are not released.
    """
    found = entry(name)
    if not found.files:
        raise ShelfError(f"{name} has no released weights; {_suggestions()}")
    return found


def file(name: str, part: str) -> Path:
    """A verified file of a released model.

    Raises:
        ShelfError: as `get`; or the model has no such file, or the file was changed.
    """
    model = get(name)
    if part not in model.files:
        raise ShelfError(
            f"{model.name} is released without {part}; it has {', '.join(model.files)}"
        )
    path = model.folder / part
    if not path.exists() or sha256(path) != model.files[part]["sha256"]:
        raise ShelfError(f"{path} is damaged or missing; install the package again")
    return path


def find(given: str | os.PathLike[str], part: str = "") -> Path:
    """The path behind a model's name; a path is returned unchanged.

    Args:
        part: the model's file to find; without it, its folder.

    Raises:
        ShelfError: it is both a model's name and a path, or neither; a folder, though a file is to
            be found; or as `file`.
    """
    text = os.fspath(given)
    here = Path(text)
    if not is_name(text):
        if here.name == text and not here.suffix and not here.exists():
            raise ShelfError(f"no file, folder or model is named {text!r}; {_suggestions(text)}")
        if part and here.is_dir():
            raise ShelfError(
                f"{text} is a folder; give an exported file. If it is a run folder, "
                f"cnn-mnist export {text} writes {here / part}"
            )
        return here
    if here.exists():
        raise ShelfError(
            f"{text} is the name of a model and also of a file or folder here; write ./{text} for "
            "the file or folder, or change to another folder for the model"
        )
    if part:
        return file(text, part)
    for name in get(text).files:
        file(text, name)
    return get(text).folder


def is_name(text: str) -> bool:
    """Whether this is a model's name or alias, released or not."""
    return text in _by_any_name()


def holds(folder: Path) -> bool:
    """Whether a folder belongs to a model on the shelf."""
    return folder.resolve().parent == WEIGHTS.resolve()


def sha256(path: Path) -> str:
    """A file's checksum."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _by_any_name() -> dict[str, Model]:
    return {name: model for model in models().values() for name in (model.name, *model.aliases)}


def _suggestions(name: str = "") -> str:
    """The closest name, if one is close, and all released models."""
    import difflib

    near = difflib.get_close_matches(name, _by_any_name(), n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    named = [" or ".join([name, *models()[name].aliases]) for name in list_models()]
    return f"{hint}the released models are {', '.join(named)}"
