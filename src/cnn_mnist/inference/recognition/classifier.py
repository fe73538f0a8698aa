"""ONNX session: uint8 N×28×28 → calibrated probabilities, and the "not a digit" rule.

The model file is complete: input normalisation and softmax temperature are in its graph; the
rule's threshold and the probabilities from which it decides alone are in its metadata.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from cnn_mnist import process, shelf

Probs = NDArray[np.float32]
Predict = Callable[[NDArray[np.uint8]], Probs]  # images N×28×28 → probabilities N×10
Thresholds = tuple[float, ...]  # of each digit: from this probability the classifier decides alone

INPUT = "images"  # the name of a model's only input
DIGITS = json.dumps(list("0123456789"))  # the classes in a model's metadata; older models lack them
SHIFTS = (1, 1), (0, 1), (2, 1), (1, 0), (1, 2)  # rows and columns; the first is no shift
CHUNK = 64  # images; larger batches leave the processor's cache
NEVER: Thresholds = (2.0,) * 10  # probabilities that are never reached
MANY = 8 * CHUNK  # images from which several threads pay off


class Classifier:
    """The network behind `Reader`, also usable alone on MNIST images."""

    def __init__(self, model: str | os.PathLike[str] | None = None, threads: int = 0) -> None:
        """Load a model exported by this package.

        Args:
            model: its file, or a model's name; None means the released `reader`.
            threads: for many images at once; 0 uses all cores.

        Raises:
            ValueError: the file is missing, damaged, or another kind of model.
        """
        if model is None:
            path = shelf.file(shelf.DIGITS, shelf.ONNX)
        else:
            path = shelf.find(model, shelf.ONNX)
        self._threads = threads or process.num_cores()
        try:
            data = path.read_bytes()
            self._session = onnxruntime.InferenceSession(
                data, session_options(), providers=["CPUExecutionProvider"]
            )
            self.threshold = float(self._metadata()["threshold"])
            thresholds = self.about("decides") or NEVER  # older files have one for all digits
            self.decides: Thresholds = tuple(np.broadcast_to(thresholds, 10).tolist())
        except OSError as error:
            raise ValueError(f"{path}: {error.strerror}; give an exported .onnx file") from error
        except Exception as error:  # ONNX Runtime's errors share no base class
            raise ValueError(
                f"{path} is not a digit classifier exported by cnn-mnist, or is damaged"
            ) from error
        self._check(path)

    def probs(self, images: NDArray[np.uint8]) -> Probs:
        """Calibrated probabilities N×10 of uint8 images N×28×28, light ink on black.

        Raises:
            ValueError: the shape or type is different.
        """
        return self._run("probabilities", images)

    def logits(self, images: NDArray[np.uint8]) -> Probs:
        """Logits N×10, for checks against the trained network."""
        return self._run("logits", images)

    def is_digit(self, probs: Probs) -> NDArray[np.bool_]:
        """Whether each image is a digit at all.

        The network was trained to answer letters and scribbles with equal probabilities, so a low
        top probability means "none of the ten" (Hendrycks et al., ICLR 2019).
        """
        return np.asarray(probs.max(axis=1) >= self.threshold)

    def _run(self, output: str, images: NDArray[np.uint8]) -> Probs:
        if images.dtype != np.uint8 or images.shape[1:] != (28, 28):
            raise ValueError(f"images must be uint8 N×28×28, not {images.dtype} {images.shape}")
        if len(images) == 0:
            return np.zeros((0, 10), np.float32)

        def answer(part: NDArray[np.uint8]) -> Probs:
            chunks = (part[i : i + CHUNK] for i in range(0, len(part), CHUNK))
            return np.concatenate([self._session.run([output], {INPUT: c})[0] for c in chunks])

        if self._threads == 1 or len(images) < MANY:
            return answer(images)
        from concurrent.futures import ThreadPoolExecutor

        num_parts = min(self._threads, len(images) // CHUNK)
        # Our own threads, one part each, are faster than ONNX Runtime's, which share operators.
        with ThreadPoolExecutor(num_parts) as pool:
            return np.concatenate(list(pool.map(answer, np.array_split(images, num_parts))))

    def about(self, name: str) -> Any:
        """An entry of the file's metadata; None if it is missing."""
        return json.loads(self._metadata().get(name, "null"))

    def _metadata(self) -> dict[str, str]:
        return dict(self._session.get_modelmeta().custom_metadata_map)

    def _check(self, path: Path) -> None:
        inputs = [(i.name, i.type, i.shape[1:]) for i in self._session.get_inputs()]
        outputs = {o.name for o in self._session.get_outputs()}
        if (
            inputs != [(INPUT, "tensor(uint8)", [28, 28])]
            or not {"logits", "probabilities"} <= outputs
        ):
            raise ValueError(
                f"{path} is not a digit classifier exported by cnn-mnist: its inputs are {inputs}"
            )
        if self._metadata().get("classes", DIGITS) != DIGITS:
            raise ValueError(
                f"{path} was trained on other classes than the ten digits; pictures are read with "
                "a digit model. Use this file with ONNX Runtime, or its run with cnn-mnist evaluate"
            )


def tta_probs(predict: Predict, images: NDArray[np.uint8]) -> Probs:
    """Test-time augmentation: the mean over each image and its four shifts by one pixel.

    It evens out small errors of the frame that we put around a sign.
    """
    padded = np.zeros((len(images), 30, 30), np.uint8)  # np.pad takes ten times as long
    padded[:, 1:-1, 1:-1] = images
    moves = [padded[:, y : y + 28, x : x + 28] for y, x in SHIFTS]
    probs = predict(np.concatenate(moves)).reshape(len(SHIFTS), -1, 10)
    return np.asarray(probs.mean(axis=0), np.float32)


def session_options() -> onnxruntime.SessionOptions:
    """Session options: one thread, nothing on standard error."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4  # our own message reports a damaged model
    return options
