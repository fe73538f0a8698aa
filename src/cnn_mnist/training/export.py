"""A model → one ONNX file that needs nothing else, and the proof that it computes the same.

Input `images`: uint8 N×28×28, light ink on black. Outputs `logits` and `probabilities`, float32
N×10. Normalisation and temperature are in the graph, all else in the metadata.
"""

import contextlib
import copy
import io
import logging
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn

from cnn_mnist.training import checkpoint
from cnn_mnist.training.augment import SIDE, normalize

TOLERANCE = 1e-4
BATCH_SIZES = (1, 2, 7, 1000)


class ExportError(ValueError):
    """The exported model does not compute what the trained one does."""


class Exported(nn.Module):
    """What the file computes: bytes → logits and probabilities."""

    def __init__(self, model: nn.Module, norm: tuple[float, float], temperature: float) -> None:
        super().__init__()
        self.model = model
        self.norm = norm
        self.temperature = temperature

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images uint8 N×28×28 → logits and probabilities, float32 N×10."""
        logits = self.model(normalize(images, *self.norm))
        return logits, torch.softmax(logits / self.temperature, dim=1)


def export(
    model: nn.Module,
    path: Path,
    norm: tuple[float, float],
    images: Tensor,
    metadata: Mapping[str, str],
    temperature: float = 1.0,
) -> float:
    """Write the model as ONNX, once it has proved to agree with torch.

    Args:
        norm: mean and std of the model's input, a recipe's test_norm.
        images: uint8 M×28×28, M at least 1, to compare the two on.
        metadata: what the file says of itself; the reader wants a "threshold".

    Returns:
        The largest difference of any logit or probability, over batches of several sizes.

    Raises:
        ExportError: a difference above TOLERANCE; no file is written.
    """
    exported = Exported(copy.deepcopy(model).cpu().eval(), norm, temperature)
    content = _to_onnx(exported, metadata)
    difference = largest_difference(exported, content, images.cpu())
    if not difference <= TOLERANCE:
        raise ExportError(
            f"the exported model differs from torch by {difference:.2g}, "
            f"more than {TOLERANCE:g}; {path} was not written"
        )
    checkpoint.write(path, content)
    return difference


def _to_onnx(exported: nn.Module, metadata: Mapping[str, str]) -> bytes:
    # A batch of one would be taken for a constant.
    example = (torch.zeros(2, SIDE, SIDE, dtype=torch.uint8),)
    with _quiet():
        program = torch.onnx.export(
            exported,
            example,
            dynamo=True,
            dynamic_shapes=({0: torch.export.Dim("N")},),
            input_names=["images"],
            output_names=["logits", "probabilities"],
            external_data=False,
            verbose=False,
        )
    assert program is not None
    proto = program.model_proto
    onnx.helper.set_model_props(proto, dict(metadata))
    return bytes(proto.SerializeToString())


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's progress, log and deprecations from the user, who can't act on them."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def largest_difference(exported: nn.Module, content: bytes, images: Tensor) -> float:
    """Between torch and ONNX Runtime, over all outputs, on batches of several sizes."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    worst = 0.0
    for size in BATCH_SIZES:
        batch = images[torch.arange(size) % len(images)]
        with torch.no_grad():
            expected = [output.numpy() for output in exported(batch)]
        got = session.run(["logits", "probabilities"], {"images": batch.numpy()})
        differences = [np.abs(a - b).max() for a, b in zip(expected, got, strict=True)]
        worst = float(np.max([worst, *differences]))  # NaN stays NaN
    return worst
