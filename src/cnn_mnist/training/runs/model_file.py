"""An exported .onnx file → its metadata, and its weights, to resume from in torch."""

import json
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import Tensor

from cnn_mnist.training.models.paired import unpaired

PREFIX = "model."  # prefix of the weights' names, from the exported module
METADATA = (
    "recipe", "dataset", "images_sha256", "classes", "seed", "versions", "num_train", "temperature",
    "threshold", "val_in_train", "val", "test", "decides", "own",
)  # fmt: skip


def is_model_file(run: Path) -> bool:
    """Whether a run is given as its exported file only."""
    return run.suffix == ".onnx"


def about(path: Path) -> dict[str, Any]:
    """The metadata, completed with the remaining settings of a run.

    Raises:
        ValueError: the file is not a digit classifier exported by this package, in float32.
    """
    model = _load(path)
    props = {entry.key: entry.value for entry in model.metadata_props}
    said = {key: json.loads(props[key]) for key in METADATA if key in props}
    if "recipe" not in said:
        raise ValueError("it is not a model exported by cnn-mnist")
    num_params = sum(tensor.numel() for tensor in _weights(model).values())
    return {"format": 1, "device": "cpu", "precision": "float32", "num_params": num_params} | said


def weights(path: Path) -> dict[str, Tensor]:
    """The network's state.

    Raises:
        ValueError: as for `about`.
    """
    return _weights(_load(path))


def _weights(model: onnx.ModelProto) -> dict[str, Tensor]:
    named = [tensor for tensor in model.graph.initializer if tensor.name.startswith(PREFIX)]
    state = {
        tensor.name.removeprefix(PREFIX): torch.from_numpy(
            onnx.numpy_helper.to_array(tensor).copy()
        )
        for tensor in named
        if tensor.data_type == onnx.TensorProto.FLOAT
    }
    return unpaired(state)


def _load(path: Path) -> onnx.ModelProto:
    content = path.read_bytes()
    try:
        model = onnx.load_from_string(content)
    except Exception as error:  # protobuf's errors share no base class with ours
        raise ValueError("it is not an ONNX file, or is damaged") from error
    if any(entry.name == "lines" for entry in model.graph.input):
        raise ValueError("it is a line network, but this needs a digit classifier")
    if any(node.op_type == "QuantizeLinear" for node in model.graph.node):
        raise ValueError("its weights are in 8 bits; give the float32 file that it was made from")
    return model
