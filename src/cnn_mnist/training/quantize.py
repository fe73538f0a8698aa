"""An ONNX model in float32 → the same in 8-bit integers, about a third of the size."""

import contextlib
import io
import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantType,
    quantize_static,
)

Images = NDArray[np.uint8]  # N×28×28

LAYERS = ["Conv", "Gemm", "MaxPool", "Relu", "Reshape"]  # the softmax stays in float32
MAX_IMAGES = 1000  # that the ranges are taken from


def quantize(content: bytes, images: Images) -> bytes:
    """Weights and activations of an ONNX file as uint8, the activations' ranges from images.

    uint8 times uint8, because int8 weights overflow on processors without VNNI.

    Args:
        content: the ONNX file; its metadata are kept.
        images: what the model takes, typical of its work; the first 1,000 are taken.
    """
    with tempfile.TemporaryDirectory() as folder, _quiet():
        path = Path(folder) / "int8.onnx"
        quantize_static(
            onnx.load_from_string(content),
            path,
            _OneBatch(images[:MAX_IMAGES]),
            op_types_to_quantize=LAYERS,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QUInt8,
            calibrate_method=CalibrationMethod.Percentile,
        )
        return path.read_bytes()


class _OneBatch(CalibrationDataReader):  # type: ignore[misc]
    """The images as ONNX Runtime asks for them: a batch, then None."""

    def __init__(self, images: Images) -> None:
        self._batches = iter([{"images": images}])

    def get_next(self) -> dict[str, Images] | None:
        return next(self._batches, None)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep ONNX Runtime's progress and advice from the user, who can't act on them."""
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(logging.NOTSET)
