"""A model → one self-contained ONNX file, verified to compute the same.

Input `images`: uint8 N×28×28, light ink on black. Outputs `logits` and `probabilities`, float32
N×C. Normalisation and temperature are in the graph, everything else in the metadata.

In float32 the file must compute the same as torch. In int8 it cannot: the probabilities may shift
a little, and the accuracy hardly.
"""

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cnn_mnist import shelf
from cnn_mnist.training.augment.sampling import SIDE
from cnn_mnist.training.augment.transforms import normalize
from cnn_mnist.training.data import Split
from cnn_mnist.training.models.networks import Net
from cnn_mnist.training.models.paired import PairedNet
from cnn_mnist.training.runs import run_folder
from cnn_mnist.training.runs.quantize import quantize, quiet

FORMATS = {"onnx": shelf.ONNX, "onnx-int8": shelf.INT8}  # and the names of their files
BATCH_SIZES = (1, 2, 7, 1000)
MAX_CALIBRATION = 1000  # images used to compare on, and to determine the ranges of int8
TOLERANCE = 1e-4  # float32: maximum difference of any logit or probability
MOVED = 0.01  # int8: mean share of an image's probability that may move to other digits
Outputs = tuple[NDArray[np.float32], NDArray[np.float32]]  # logits, probabilities

ACCURACY_LOSS = {"onnx": 1e-4, "onnx-int8": 0.003}  # of the test images, beyond chance


class ExportError(ValueError):
    """The exported model differs from the trained one, or cannot be written."""


class Exported(nn.Module):
    """The computation of the file: bytes → logits and probabilities."""

    def __init__(self, model: nn.Module, norm: tuple[float, float], temperature: float) -> None:
        super().__init__()
        self.model = model
        self.norm = norm
        self.temperature = temperature
        self.side = model.seen if isinstance(model, Net) else SIDE

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images uint8 N×28×28 → logits and probabilities, float32 N×C."""
        logits = self.model(normalize(images[:, : self.side, : self.side], *self.norm))
        return logits, torch.softmax(logits / self.temperature, dim=1)


def for_onnx_runtime(exported: Exported) -> Exported:
    """A copy that computes the same, as ONNX Runtime does it fastest."""
    model = copy.deepcopy(exported.model)
    if isinstance(model, Net):
        model = PairedNet(model).eval()
    return Exported(model, exported.norm, exported.temperature)


@dataclass(frozen=True)
class Proof:
    """How much the file differs from the trained model.

    `difference` is the largest of any logit or probability over batches of several sizes, `moved`
    the mean share of an image's probability that moved to other digits. The errors, and the number
    of answers that changed, are on the test images; None if there were none to compare on.
    """

    size: int  # bytes
    difference: float
    moved: float
    error_count: int | None = None
    torch_error_count: int | None = None
    num_changed: int | None = None


def check_path(path: Path) -> None:
    """Check that a file can be created, before the work for it begins.

    Raises:
        ExportError: the path is a folder, or in a folder that does not exist.
    """
    if path.is_dir():
        raise ExportError(f"{path} is a folder; give a file name")
    if not path.parent.is_dir():
        raise ExportError(f"there is no folder {path.parent}; create it, or choose another --out")


def export(
    model: nn.Module,
    path: Path,
    norm: tuple[float, float],
    images: Tensor,
    metadata: Mapping[str, str],
    temperature: float = 1.0,
    form: str = "onnx",
    test: Split | None = None,
) -> Proof:
    """Write the model as ONNX, after verifying that it agrees with torch.

    Args:
        norm: mean and std of the model's input, a recipe's test_norm.
        images: uint8 M×28×28, M at least 1; the last MAX_CALIBRATION of them are for comparing the
            two, and for quantizing.
        metadata: the file's metadata; the reader needs a "threshold".
        form: one of FORMATS.
        test: images to compare the accuracy on.

    Raises:
        ExportError: they disagree, or the file cannot be written; what was there stays.
    """
    check_path(path)
    exported = Exported(copy.deepcopy(model).cpu().eval(), norm, temperature)
    example = torch.zeros(2, SIDE, SIDE, dtype=torch.uint8)
    names = ("images", ["logits", "probabilities"])
    content = to_onnx(for_onnx_runtime(exported), example, {0: "N"}, names, metadata)
    images = images[-MAX_CALIBRATION:].cpu()
    if form == "onnx-int8":
        _judge(_prove(exported, content, images), "onnx", path)
        content = quantize(content, [images.numpy()])
    proof = _prove(exported, content, images, test)
    _judge(proof, form, path, len(test or ()))
    write(path, content)
    return proof


def write(path: Path, content: bytes) -> None:
    """Write a model file completely, or leave the previous one.

    Raises:
        ExportError: it cannot be written.
    """
    try:
        run_folder.write(path, content)
    except OSError as error:
        raise ExportError(
            f"{path} cannot be written: {error.strerror}; no file was changed"
        ) from error


def _prove(exported: nn.Module, content: bytes, images: Tensor, test: Split | None = None) -> Proof:
    session = open_session(content)
    difference = moved = 0.0
    for size in BATCH_SIZES:
        batch = images[torch.arange(size) % len(images)]
        expected, got = _torch(exported, batch), _run(session, batch)
        worst = [np.abs(a - b).max() for a, b in zip(expected, got, strict=True)]
        difference = float(np.max([difference, *worst]))  # NaN stays NaN
        moved = float(np.abs(expected[1] - got[1]).sum(axis=1).mean() / 2)  # of the largest batch
    if test is None:
        return Proof(len(content), difference, moved)
    counts = np.zeros(3, int)
    for batch, labels in zip(test.images.cpu().split(1000), test.labels.split(1000), strict=True):
        runs = _run(session, batch), _torch(exported, batch)
        (got, expected), true = (logits.argmax(axis=1) for logits, _ in runs), labels.cpu().numpy()
        counts += [(got != true).sum(), (expected != true).sum(), (got != expected).sum()]
    return Proof(len(content), difference, moved, *counts.tolist())


def _judge(proof: Proof, form: str, path: Path, num_test: int = 0) -> None:
    end = f"{path} was not written" + ("; use --format onnx" if form == "onnx-int8" else "")
    if form == "onnx" and not proof.difference <= TOLERANCE:
        raise ExportError(
            f"the exported model differs from torch by {proof.difference:.2g}, more than "
            f"{TOLERANCE:g}; {end}"
        )
    if form == "onnx-int8" and not proof.moved <= MOVED:
        raise ExportError(
            f"8 bits move {proof.moved:.1%} of an image's probability to other digits on average, "
            f"more than {MOVED:.0%}; {end}"
        )
    if proof.error_count is None or proof.torch_error_count is None or proof.num_changed is None:
        return
    lost = proof.error_count - proof.torch_error_count
    # If answers change by chance, their number's square root is the standard error of `lost`.
    if abs(lost) > ACCURACY_LOSS[form] * num_test + 2 * math.sqrt(proof.num_changed):
        raise ExportError(
            f"the exported model makes {proof.error_count} errors in {num_test:,} test images, "
            f"the trained one {proof.torch_error_count}; {end}"
        )


def to_onnx(
    exported: nn.Module,
    example: Tensor,
    dynamic: Mapping[int, str],
    names: tuple[str, list[str]],
    metadata: Mapping[str, str],
) -> bytes:
    """Export a module with one input as ONNX.

    Args:
        example: an input. No dynamic dimension may be 1, which would be treated as constant.
        dynamic: the dynamic dimensions, with their names.
        names: of the input and of the outputs.
    """
    with quiet():
        program = torch.onnx.export(
            exported,
            (example,),
            dynamo=True,
            dynamic_shapes=({axis: torch.export.Dim(name) for axis, name in dynamic.items()},),
            input_names=[names[0]],
            output_names=names[1],
            external_data=False,
            verbose=False,
        )
    assert program is not None
    proto = program.model_proto
    _forget_origin(proto)
    onnx.helper.set_model_props(proto, dict(metadata))
    return bytes(proto.SerializeToString())


def _forget_origin(proto: onnx.ModelProto) -> None:
    """Drop each node's Python source lines, a seventh of the file."""
    graph = proto.graph
    for part in (graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        del part.metadata_props[:]
    del graph.value_info[:]  # the quantizer transposes weights, and would find their old shapes


def open_session(content: bytes) -> onnxruntime.InferenceSession:
    """An ONNX Runtime session on the CPU that reports errors only."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _run(session: onnxruntime.InferenceSession, images: Tensor) -> Outputs:
    logits, probs = session.run(["logits", "probabilities"], {"images": images.numpy()})
    return logits, probs


@torch.no_grad()
def _torch(exported: nn.Module, images: Tensor) -> Outputs:
    logits, probs = exported(images)
    return logits.numpy(), probs.numpy()
