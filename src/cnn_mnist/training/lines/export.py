"""A trained line network → one ONNX file, and the proof that it computes the same.

Input `lines`: float32 N×2×40×W, W even, as `inference.recognition.line.normalized` makes them.
Outputs, for every second column: `probabilities` N×22×W/2 and `boxes` N×4×W/2.
"""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from onnxruntime import InferenceSession
from torch import Tensor, nn

from cnn_mnist.inference.recognition.line import HEIGHT
from cnn_mnist.training.data import Split
from cnn_mnist.training.lines.stream import collate, example
from cnn_mnist.training.lines.train import digits_of
from cnn_mnist.training.runs import checkpoint
from cnn_mnist.training.runs.config import Config, load_config
from cnn_mnist.training.runs.export import (
    TOLERANCE,
    ExportError,
    Proof,
    open_session,
    to_onnx,
    write,
)
from cnn_mnist.training.runs.quantize import halve, quantize

WIDTHS = (8, 40, 322)  # px of the lines that the two are compared on
MAX_LINES = 200  # that the ranges of int8 are taken from
MOVED = 0.02  # the share of a column's probability that moves to other signs, on average


class ExportedLines(nn.Module):
    """What the file computes: normalised lines → calibrated probabilities, and boxes."""

    def __init__(self, model: nn.Module, temperature: float) -> None:
        super().__init__()
        self.model, self.temperature = model, temperature

    def forward(self, lines: Tensor) -> tuple[Tensor, Tensor]:
        """Lines N×2×40×W → probabilities and boxes."""
        logits, boxes = self.model(lines)
        return (logits / self.temperature).softmax(dim=1), boxes


def export_lines(
    folder: Path, path: Path, temperature: float, lines: list[Tensor], int8: bool
) -> Proof:
    """Write the weights of a run as ONNX once they agree with torch.

    Args:
        temperature: divides the logits.
        lines: typical ones, each 1×2×40×W.
        int8: in 8-bit integers, instead of float32 whose weights are stored in float16.

    Returns:
        The largest difference of any output in float32, over random lines; and the mean share of a
        column's probability that the smaller file moves to other signs, over the typical ones.

    Raises:
        ExportError: they do not agree, or the file cannot be written; what was there stays.
    """
    config = load_config(folder)
    exported = ExportedLines(checkpoint.load_model(folder), temperature).eval()
    example = torch.zeros(2, 2, HEIGHT, 64)
    names = ("lines", ["probabilities", "boxes"])
    content = to_onnx(exported, example, {0: "N", 3: "W"}, names, _metadata(config))
    session = open_session(content)
    difference = max(_difference(exported, session, width) for width in WIDTHS)
    inputs = [line.numpy() for line in lines]
    content = quantize(content, inputs) if int8 else halve(content)
    session = open_session(content)
    moved = float(np.mean([_moved(exported, session, line) for line in lines]))
    if not (difference <= TOLERANCE and moved <= MOVED):
        raise ExportError(
            f"the exported model differs from torch by {difference:.2g}; {moved:.2%} of the "
            "probability moved to other signs; no file was written"
        )
    write(path, content)
    return Proof(len(content), difference, moved)


def _metadata(config: Config) -> dict[str, str]:
    """The provenance of the weights, each value as JSON."""
    about = asdict(config)
    return {name: json.dumps(about[name]) for name in ("recipe", "seed", "init_sha256")}


@torch.no_grad()
def _difference(exported: nn.Module, session: InferenceSession, width: int) -> float:
    lines = torch.randn(2, 2, HEIGHT, width, generator=torch.Generator().manual_seed(0))
    got = session.run(None, {"lines": lines.numpy()})
    return max(
        float(np.abs(a - b.numpy()).max()) for a, b in zip(got, exported(lines), strict=True)
    )


@torch.no_grad()
def _moved(exported: nn.Module, session: InferenceSession, line: Tensor) -> float:
    probs = session.run(["probabilities"], {"lines": line.numpy()})[0]
    return float(np.abs(probs - exported(line)[0].numpy()).sum(axis=1).mean() / 2)


def typical_lines(train: Split) -> list[Tensor]:
    """Written with a split's digits, the same each time."""
    digits, rng = digits_of(train), np.random.default_rng(0)
    return [collate([example(digits, rng)]).lines for _ in range(MAX_LINES)]
