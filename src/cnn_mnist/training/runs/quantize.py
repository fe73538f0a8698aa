"""An ONNX model in float32 → the same model in 8-bit integers, or with weights in 16 bits."""

import contextlib
import io
import logging
import tempfile
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantType,
    quantize_static,
)

WEIGHTED = ["Conv", "Gemm"]
LAYERS = ["Add", *WEIGHTED, "MaxPool", "Relu", "Reshape"]  # the softmax stays in float32


def quantize(content: bytes, batches: Iterable[NDArray[np.generic]]) -> bytes:
    """Quantize an ONNX file: activations in 8 bits, weights in 7, with ranges from examples.

    The first layer and the last ones stay in float32: they have few weights, and their errors
    matter most. Processors with VNNI multiply uint8 by int8 several times as fast as uint8 by
    uint8. The others add two such products in 16 bits, which would overflow with weights of 8 bits.

    Args:
        content: the ONNX file of a model with one input; its metadata is kept.
        batches: typical inputs of the model.
    """
    model = onnx.load_from_string(content)
    with tempfile.TemporaryDirectory() as folder, quiet():
        path = Path(folder) / "int8.onnx"
        quantize_static(
            model,
            path,
            _Batches(model.graph.input[0].name, batches),
            op_types_to_quantize=LAYERS,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            reduce_range=True,
            nodes_to_exclude=_ends(model.graph),
        )
        return path.read_bytes()


def _ends(graph: onnx.GraphProto) -> list[str]:
    """The names of the first layer with weights and of those behind the last activation."""
    last = max(place for place, node in enumerate(graph.node) if node.op_type == "Relu")
    with_weights = {n: node.name for n, node in enumerate(graph.node) if node.op_type in WEIGHTED}
    first = min(with_weights)
    return [name for n, name in with_weights.items() if n == first or n > last]


def halve(content: bytes) -> bytes:
    """Store an ONNX file's weights in float16; they become float32 when it is loaded."""
    model = onnx.load_from_string(content)
    graph = model.graph
    for weights in list(graph.initializer):
        if weights.data_type != onnx.TensorProto.FLOAT or len(weights.dims) < 2:
            continue
        half = numpy_helper.to_array(weights).astype(np.float16)
        stored = numpy_helper.from_array(half, f"{weights.name}.half")
        cast = helper.make_node("Cast", [stored.name], [weights.name], to=onnx.TensorProto.FLOAT)
        graph.initializer.remove(weights)
        graph.initializer.append(stored)
        graph.node.insert(0, cast)
    return bytes(model.SerializeToString())


class _Batches(CalibrationDataReader):  # type: ignore[misc]
    """An iterator of batches with ONNX Runtime's interface: None marks the end."""

    def __init__(self, name: str, batches: Iterable[NDArray[np.generic]]) -> None:
        self._inputs = ({name: batch} for batch in batches)

    def get_next(self) -> dict[str, NDArray[np.generic]] | None:
        return next(self._inputs, None)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hide progress, advice and deprecations of ONNX's tools, which users cannot act on."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)
