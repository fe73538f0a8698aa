"""The files of a run folder: each written whole or not at all, and read with clear errors.

    config.json          the run's settings: recipe, data set, seed, device, versions
    history.csv          one row per epoch
    metrics.json         the metrics of the finished run
    model.safetensors    the weights to use
    resume.safetensors   everything needed to resume training exactly, and the history
    epochs/              the weights to use after each epoch
    *.png                the plots

Every file is written under another name and renamed, so readers find it complete or not at all.
After a kill, resume.safetensors is authoritative; the others are rewritten from it.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError


class RunError(ValueError):
    """A run folder cannot be created, read or resumed; the message says which file and why."""


def nothing_held_out(folder: Path) -> RunError:
    """The error of a run that cannot be calibrated."""
    return RunError(
        f"{folder} was trained on all training images, so none are left to calibrate it with; "
        "train it with --split val"
    )


def free_name(parent: Path, stem: str) -> Path:
    """The first of stem-1, stem-2, … that does not exist yet."""
    number = 1
    while (parent / f"{stem}-{number}").exists():
        number += 1
    return parent / f"{stem}-{number}"


def members(folder: Path) -> list[Path]:
    """The run folder itself; or, for a folder of several run folders, these by name."""
    if (folder / "config.json").exists():
        return [folder]
    return sorted(path.parent for path in folder.glob("*/config.json")) or [folder]


def weights_sha256(run: Path) -> str:
    """The checksum of the weights to use, of one run, an exported file or a folder of several.

    Raises:
        RunError: there are none.
    """
    digest = hashlib.sha256()
    for member in members(run):
        path = member if member.is_file() else member / "model.safetensors"
        with reading(path):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def save_metrics(folder: Path, metrics: dict[str, Any]) -> None:
    """Write the finished run's metrics."""
    write(folder / "metrics.json", to_json(metrics))


def load_metrics(folder: Path) -> dict[str, Any]:
    """The metrics of a finished run.

    Raises:
        RunError: there are none, or the file is damaged.
    """
    path = folder / "metrics.json"
    with reading(path):
        metrics = dict(json.loads(path.read_text()))
        float(metrics["test_accuracy"])
        return metrics


def read_files(folder: Path) -> dict[str, bytes]:
    """A run folder's files, by their paths within the folder."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def write_files(folder: Path, files: dict[str, bytes]) -> None:
    """Write the result of `read_files`; metrics.json, which marks a run as finished, comes last."""
    for name in sorted(files, key=lambda name: (name == "metrics.json", name)):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, files[name])


def write(path: Path, content: bytes) -> None:
    """Write a file completely, or leave the previous one."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def to_json(values: dict[str, Any]) -> bytes:
    """A JSON file of the folder, indented."""
    return (json.dumps(values, indent=2) + "\n").encode()


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what goes wrong while a file is read into a RunError that names the file."""
    try:
        yield
    except FileNotFoundError:
        if path.suffix == ".onnx":
            raise RunError(
                f"{path}: no such file; give a run folder, an exported .onnx file or a model's name"
            ) from None
        if not path.parent.exists():
            raise RunError(f"{path.parent}: no such folder; give a run folder") from None
        raise RunError(f"{path.parent} is not a run folder: there is no {path.name}") from None
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise RunError(f"{path} cannot be read: {error}".splitlines()[0]) from error
