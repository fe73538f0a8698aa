"""A run's weights and resume state, saved after every epoch and restored exactly."""

import csv
import io
import json
from dataclasses import asdict, fields
from pathlib import Path

import torch
from torch import Tensor, nn

from cnn_mnist.training.loop import Epoch, Run, start
from cnn_mnist.training.models.networks import MODELS
from cnn_mnist.training.recipes import Recipe
from cnn_mnist.training.runs import model_file
from cnn_mnist.training.runs.config import load_config
from cnn_mnist.training.runs.run_folder import RunError, reading, write
from cnn_mnist.training.runs.tensors import pack, unpack


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
    model = pack(dict(run.model.state_dict()))
    try:
        (folder / "epochs").mkdir(exist_ok=True)
        write(_epoch_path(folder, len(run.history)), model)  # first: the state refers to it
        write(folder / "resume.safetensors", pack(tensors, {"history": history}))
        write(folder / "model.safetensors", model)
        write(folder / "history.csv", _csv(run.history))
    except OSError as error:
        epoch = len(run.history)
        raise RunError(
            f"epoch {epoch} could not be saved in {folder}: {error.strerror}; free some space "
            f"and resume from epoch {epoch} or the one before with --resume {folder}"
        ) from error


def save_model(folder: Path, model: nn.Module) -> None:
    """Write the weights to use; the resume state stays."""
    write(folder / "model.safetensors", pack(dict(model.state_dict())))


def load_model(run: Path) -> nn.Module:
    """Load the weights to use into a model of the run's architecture, on the CPU.

    Args:
        run: its folder, a released model's, or an exported .onnx file.

    Raises:
        RunError: a file is missing or damaged.
    """
    return _load_weights(run, run if model_file.is_model_file(run) else run / "model.safetensors")


def load_epochs(folder: Path) -> dict[int, nn.Module]:
    """Like `load_model`, for each saved epoch whose weights are in the folder, in order.

    Folders of earlier versions, and the released models, have none.

    Raises:
        RunError: a file is damaged.
    """
    numbers = range(1, len(load_history(folder)) + 1)
    paths = {number: _epoch_path(folder, number) for number in numbers}
    return {n: _load_weights(folder, path) for n, path in paths.items() if path.exists()}


def load_history(folder: Path) -> list[Epoch]:
    """The rows of all saved epochs; empty if none was saved.

    Raises:
        RunError: the file is damaged.
    """
    return _load_state(folder)[1]


def load_run(folder: Path, recipe: Recipe, device: torch.device, precision: torch.dtype) -> Run:
    """The run after its last saved epoch, or as it started.

    Raises:
        RunError: a file is missing or damaged.
    """
    config = load_config(folder)
    run = start(recipe, config.seed, device, precision, len(config.classes))
    tensors, run.history = _load_state(folder)
    if not tensors:
        return run
    with reading(folder / "resume.safetensors"):
        run.net.load_state_dict(_part(tensors, "net."))
        if run.averaged is not None:
            run.averaged.load_state_dict(_part(tensors, "averaged."))
        saved = _part(tensors, "optimizer.")
        means = {k: torch.empty_like(run.params).copy_(saved[k]) for k in ("exp_avg", "exp_avg_sq")}
        state = {0: {"step": saved["step"], **means}}
        run.optimizer.load_state_dict(run.optimizer.state_dict() | {"state": state})
    return run


def _load_state(folder: Path) -> tuple[dict[str, Tensor], list[Epoch]]:
    """The tensors of the resume state, and the history; both empty if no epoch was saved."""
    path = folder / "resume.safetensors"
    if not path.exists():
        return {}, []
    with reading(path):
        tensors, metadata = unpack(path.read_bytes())
        return tensors, [Epoch(**row) for row in json.loads(metadata["history"])]


def _epoch_path(folder: Path, number: int) -> Path:
    return folder / "epochs" / f"{number:02}.safetensors"


def _load_weights(run: Path, path: Path) -> nn.Module:
    config = load_config(run)
    model = MODELS[config.recipe.model](len(config.classes))
    with reading(path):
        is_file = model_file.is_model_file(path)
        model.load_state_dict(model_file.weights(path) if is_file else unpack(path.read_bytes())[0])
    return model.eval()


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _csv(history: list[Epoch]) -> bytes:
    text = io.StringIO()
    table = csv.DictWriter(text, [f.name for f in fields(Epoch)], lineterminator="\n")
    table.writeheader()
    table.writerows(asdict(row) for row in history)
    return text.getvalue().encode()
