"""An exported .onnx file → what it says of itself, and its weights, to continue from in torch."""

import json
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import Tensor

PREFIX = "model."  # of the weights' names, from the module that was exported


def about(path: Path) -> dict[str, Any]:
    """Its metadata, and what a run's settings have besides.

    Raises:
        ValueError: it is no model exported by this package.
    """
    model = _load(path)
    said = {entry.key: json.loads(entry.value) for entry in model.metadata_props}
    if "recipe" not in said:
        raise ValueError("it is no model exported by cnn-mnist")
    num_params = sum(tensor.numel() for tensor in _weights(model).values())
    return {"format": 1, "device": "cpu", "precision": "float32", "num_params": num_params} | said


def weights(path: Path) -> dict[str, Tensor]:
    """The state of its network.

    Raises:
        ValueError: it has none in float32.
    """
    found = _weights(_load(path))
    if not found:
        raise ValueError("its weights are in 8 bits; give the float32 file that it was made from")
    return found


def _weights(model: onnx.ModelProto) -> dict[str, Tensor]:
    named = [tensor for tensor in model.graph.initializer if tensor.name.startswith(PREFIX)]
    kept = [tensor for tensor in named if tensor.data_type == onnx.TensorProto.FLOAT]
    return {
        tensor.name.removeprefix(PREFIX): torch.from_numpy(
            onnx.numpy_helper.to_array(tensor).copy()
        )
        for tensor in kept
    }


def _load(path: Path) -> onnx.ModelProto:
    content = path.read_bytes()
    try:
        return onnx.load_from_string(content)
    except Exception as error:  # protobuf's errors share no base class with ours
        raise ValueError("it is no ONNX file, or damaged") from error
