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
    CalibrationMethod,
    QuantType,
    quantize_static,
)

LAYERS = ["Add", "Conv", "Gemm", "MaxPool", "Relu", "Reshape"]  # the softmax stays in float32


def quantize(
    content: bytes,
    batches: Iterable[NDArray[np.generic]],
    ranges: CalibrationMethod = CalibrationMethod.Percentile,
) -> bytes:
    """Quantize an ONNX file's weights and activations to uint8, with ranges from examples.

    uint8 times uint8, because int8 weights overflow on processors without VNNI.

    Args:
        content: the ONNX file of a model with one input; its metadata is kept.
        batches: typical inputs of the model.
        ranges: how an activation's range is computed from its values.
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
            weight_type=QuantType.QUInt8,
            calibrate_method=ranges,
        )
        return path.read_bytes()


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
