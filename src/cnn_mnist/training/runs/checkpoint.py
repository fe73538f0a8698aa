"""A run's folder, from which the run can be rebuilt: settings, metrics, weights, resume state.

    config.json          the run's settings: recipe, data set, seed, device, versions
    history.csv          one row per epoch
    metrics.json         the metrics of the finished run
    model.safetensors    the weights to use
    resume.safetensors   everything needed to resume training exactly, and the history
    epochs/              the weights to use after each epoch, 100 KB each

Every file is written under another name and renamed, so readers find it complete or not at all.
A .safetensors file holds its own checksum, so corruption is detected.
After a kill, resume.safetensors is authoritative; the others are rewritten from it.
"""

import csv
import hashlib
import io
import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

import cnn_mnist
from cnn_mnist import shelf
from cnn_mnist.training.data import DIGITS, DataError, Splits, load
from cnn_mnist.training.loop import Epoch, Run, check_seed, start
from cnn_mnist.training.models.networks import MODELS, count_params
from cnn_mnist.training.recipes import Recipe
from cnn_mnist.training.runs import model_file

FORMAT = 1
NO_SHA256 = "0" * 64


class RunError(ValueError):
    """A run folder cannot be created, read or resumed; the message says which file and why."""


@dataclass(frozen=True)
class Config:
    """A run's settings, as in config.json (or a released model's card.json)."""

    recipe: Recipe
    dataset: str
    seed: int
    device: str
    precision: str
    num_params: int
    num_train: int  # training images, without drawn ones
    versions: dict[str, str]
    teacher: str = ""  # the run, or the folder of runs, used as teacher
    teacher_sha256: str = ""  # of the teacher's weights
    init: str = ""  # the run whose weights this one started from
    init_sha256: str = ""
    data_source: str = ""  # the folder or folders of the data set's files
    classes: tuple[str, ...] = DIGITS
    images_sha256: str = ""  # of your own data set, with its labels
    format: int = FORMAT

    @classmethod
    def of(
        cls, run: Run, splits: Splits, teacher: Path | None = None, init: Path | None = None
    ) -> "Config":
        return cls(
            recipe=run.recipe,
            dataset=splits.name,
            data_source=splits.source,
            classes=splits.classes,
            images_sha256=splits.sha256,
            num_train=len(splits.train),
            teacher=str(teacher) if teacher else "",
            teacher_sha256=weights_sha256(teacher) if teacher else "",
            init=str(init) if init else "",
            init_sha256=weights_sha256(init) if init else "",
            seed=run.seed,
            device=str(run.device),
            precision=str(run.precision).removeprefix("torch."),
            num_params=count_params(run.net),
            versions={
                "cnn_mnist": cnn_mnist.__version__,
                "torch": str(torch.__version__),
                "python": platform.python_version(),
                "machine": platform.machine(),
            },
        )

    def data(self, data_dir: Path | None = None) -> Splits:
        """The data set that the run is trained on, as found by `load`.

        Args:
            data_dir: where your own data set is now, if it has been moved.

        Raises:
            DataError: it cannot be loaded, or has changed since the run began.
        """
        if not self.images_sha256:
            return load(self.dataset, data_dir)
        splits = load(str(data_dir or self.data_source))
        if splits.sha256 != self.images_sha256:
            raise DataError(
                f"{splits.source} is not what the run was trained on: images or labels have "
                "changed; put the old ones back, or train a new run"
            )
        return splits


def create(folder: Path, config: Config) -> None:
    """Create the run's folder, with config.json in it.

    Raises:
        RunError: the folder exists already, or cannot be created.
    """
    try:
        folder.mkdir(parents=True)
        save_config(folder, config)
    except FileExistsError:
        raise RunError(
            f"{folder} exists already; choose another --out, or resume it with --resume {folder}"
        ) from None
    except OSError as error:
        raise RunError(f"cannot create the run folder {folder}: {error.strerror}") from error


def save_config(folder: Path, config: Config) -> None:
    """Write the run's settings."""
    write(folder / "config.json", _json(asdict(config)))


def free_name(parent: Path, stem: str) -> Path:
    """The first of stem-1, stem-2, … that does not exist yet."""
    number = 1
    while (parent / f"{stem}-{number}").exists():
        number += 1
    return parent / f"{stem}-{number}"


def save(folder: Path, run: Run) -> None:
    """Write the run's state after an epoch, or leave the previous state.

    Raises:
        RunError: it could not be written, for example because the disk is full.
    """
    tensors = {f"net.{k}": v for k, v in run.net.state_dict().items()}
    if run.averaged is not None:
        tensors |= {f"averaged.{k}": v for k, v in run.averaged.state_dict().items()}
    tensors |= {f"optimizer.{k}": v for k, v in run.optimizer.state[run.params].items()}
    history = json.dumps([asdict(row) for row in run.history])
    model = _pack(dict(run.model.state_dict()))
    try:
        (folder / "epochs").mkdir(exist_ok=True)
        write(_epoch_path(folder, len(run.history)), model)  # first: the state refers to it
        write(folder / "resume.safetensors", _pack(tensors, {"history": history}))
        write(folder / "model.safetensors", model)
        write(folder / "history.csv", _csv(run.history))
    except OSError as error:
        epoch = len(run.history)
        raise RunError(
            f"epoch {epoch} could not be saved in {folder}: {error.strerror}; free some space "
            f"and resume from epoch {epoch} or the one before with --resume {folder}"
        ) from error


def save_metrics(folder: Path, metrics: dict[str, Any]) -> None:
    """Write the finished run's metrics."""
    write(folder / "metrics.json", _json(metrics))


def load_config(folder: Path) -> Config:
    """Read config.json, card.json of a released model, or the metadata of an .onnx file.

    Raises:
        RunError: there is none, or it is damaged or has another format.
    """
    path = folder / ("card.json" if shelf.holds(folder) else "config.json")
    if is_model_file(folder):
        path = folder
    with _reading(path):
        values = model_file.about(path) if path is folder else json.loads(path.read_text())
        if values["format"] != FORMAT:
            raise ValueError(f"format {values['format']}, but this version reads {FORMAT}")
        known = {f.name: values[f.name] for f in fields(Config) if f.name in values}
        check_seed(known["seed"])
        classes = tuple(map(str, values.get("classes", DIGITS)))
        if len(classes) < 2:
            raise ValueError(f"{len(classes)} classes, but two or more are needed")
        return Config(**known | {"recipe": Recipe.from_dict(values["recipe"]), "classes": classes})


def is_model_file(run: Path) -> bool:
    """Whether a run is given as its exported file only."""
    return run.suffix == ".onnx"


def load_metrics(folder: Path) -> dict[str, Any]:
    """The metrics of a finished run.

    Raises:
        RunError: there are none, or the file is damaged.
    """
    path = folder / "metrics.json"
    with _reading(path):
        metrics = dict(json.loads(path.read_text()))
        float(metrics["test_accuracy"])
        return metrics


def load_model(folder: Path) -> nn.Module:
    """Load the weights to use into a model of the run's architecture, on the CPU.

    Raises:
        RunError: a file is missing or damaged.
    """
    if is_model_file(folder):
        return _load_weights(folder, folder)
    return _load_weights(folder, folder / "model.safetensors")


def load_epochs(folder: Path) -> dict[int, nn.Module]:
    """Like `load_model`, for each saved epoch whose weights are in the folder, in order.

    Folders of earlier versions, and the released models, have none.

    Raises:
        RunError: a file is damaged.
    """
    numbers = range(1, len(load_history(folder)) + 1)
    paths = {number: _epoch_path(folder, number) for number in numbers}
    return {n: _load_weights(folder, path) for n, path in paths.items() if path.exists()}


def members(folder: Path) -> list[Path]:
    """The run folder itself; or, for a folder of several run folders, these by name."""
    if (folder / "config.json").exists():
        return [folder]
    return sorted(path.parent for path in folder.glob("*/config.json")) or [folder]


def weights_sha256(folder: Path) -> str:
    """The checksum of the weights to use, of one run or of a folder of several.

    Raises:
        RunError: there are none.
    """
    digest = hashlib.sha256()
    for member in members(folder):
        path = member / "model.safetensors"
        with _reading(path):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def load_history(folder: Path) -> list[Epoch]:
    """The rows of all saved epochs; empty if none was saved.

    Raises:
        RunError: the file is damaged.
    """
    path = folder / "resume.safetensors"
    if not path.exists():
        return []
    with _reading(path):
        _, metadata = _unpack(path.read_bytes())
        return [Epoch(**row) for row in json.loads(metadata["history"])]


def load_run(folder: Path, recipe: Recipe, device: torch.device, precision: torch.dtype) -> Run:
    """The run after its last saved epoch, or as it started.

    Raises:
        RunError: a file is missing or damaged.
    """
    config = load_config(folder)
    run = start(recipe, config.seed, device, precision, len(config.classes))
    path = folder / "resume.safetensors"
    if not path.exists():
        return run
    with _reading(path):
        tensors, _ = _unpack(path.read_bytes())
        run.history = load_history(folder)
        run.net.load_state_dict(_part(tensors, "net."))
        if run.averaged is not None:
            run.averaged.load_state_dict(_part(tensors, "averaged."))
        saved = _part(tensors, "optimizer.")
        means = {k: torch.empty_like(run.params).copy_(saved[k]) for k in ("exp_avg", "exp_avg_sq")}
        state = {0: {"step": saved["step"], **means}}
        run.optimizer.load_state_dict(run.optimizer.state_dict() | {"state": state})
    return run


def pack(folder: Path) -> dict[str, bytes]:
    """A run folder's files, by their paths within the folder."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def unpack(folder: Path, files: dict[str, bytes]) -> None:
    """Write the result of `pack`; metrics.json, which marks a run as finished, comes last."""
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


def _epoch_path(folder: Path, number: int) -> Path:
    return folder / "epochs" / f"{number:02}.safetensors"


def _load_weights(folder: Path, path: Path) -> nn.Module:
    config = load_config(folder)
    model = MODELS[config.recipe.model](len(config.classes))
    with _reading(path):
        is_file = is_model_file(path)
        model.load_state_dict(
            model_file.weights(path) if is_file else _unpack(path.read_bytes())[0]
        )
    return model.eval()


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise RunError(f"{path.parent} is not a run folder: there is no {path.name}") from None
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise RunError(f"{path} cannot be read: {error}".splitlines()[0]) from error


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _pack(tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> bytes:
    """A .safetensors file; its metadata holds the file's SHA-256 with zeros in that place."""
    plain = {k: v.detach().cpu().contiguous() for k, v in tensors.items()}
    content = safetensors.torch.save(plain, {**(metadata or {}), "sha256": NO_SHA256})
    return _with_sha256(content, NO_SHA256, hashlib.sha256(content).hexdigest())


def _unpack(content: bytes) -> tuple[dict[str, Tensor], dict[str, str]]:
    """A file's tensors and metadata; its checksum is verified, or missing in old files."""
    tensors = safetensors.torch.load(content)
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    metadata = dict(header.get("__metadata__", {}))
    if metadata.keys() - {"history"}:
        found = metadata.get("sha256", "")
        if hashlib.sha256(_with_sha256(content, found, NO_SHA256)).hexdigest() != found:
            raise ValueError(
                "its checksum is wrong; restore it from a copy, or train the run again"
            )
    return tensors, metadata


def _with_sha256(content: bytes, old: str, new: str) -> bytes:
    return content.replace(f'"sha256":"{old}"'.encode(), f'"sha256":"{new}"'.encode(), 1)


def _json(values: dict[str, Any]) -> bytes:
    return (json.dumps(values, indent=2) + "\n").encode()


def _csv(history: list[Epoch]) -> bytes:
    text = io.StringIO()
    table = csv.DictWriter(text, [f.name for f in fields(Epoch)], lineterminator="\n")
    table.writeheader()
    table.writerows(asdict(row) for row in history)
    return text.getvalue().encode()
