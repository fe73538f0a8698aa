"""Images of any size and number type → the 28×28 bytes that the networks take."""

import cv2
import numpy as np
from numpy.typing import NDArray

from cnn_mnist.inference.pictures.page import ImageError
from cnn_mnist.inference.pictures.pixels import to_uint8
from cnn_mnist.inference.recognition.normalize import SIDE
from cnn_mnist.training.data.splits import DataError

Frames = NDArray[np.uint8]


def from_stack(images: NDArray[np.generic], source: str) -> Frames:
    """uint8 N×28×28 from N images, each H×W, H×W×1, 1×H×W or H×W×3; numbers as in `image.load`.

    Args:
        source: where the images are from, for error messages.

    Raises:
        DataError: the shape is different, there are no images, or the values are not brightness.
    """
    shape = images.shape
    if images.ndim == 4 and 1 in (shape[1], shape[3]):
        images = images[:, 0] if shape[1] == 1 else images[..., 0]
    is_stack = images.ndim == 3 or (images.ndim == 4 and images.shape[3] == 3)
    if not is_stack or not images.size:
        raise DataError(f"{source} has images {shape}; give N×height×width, N at least 1")
    try:
        pixels = to_uint8(images)
    except ImageError as error:
        raise DataError(f"{source} has invalid images: {error}") from error
    return on_black(np.stack([squeezed(one) for one in pixels]))


def squeezed(pixels: NDArray[np.uint8]) -> Frames:
    """The whole picture, grey or RGB, squeezed into 28×28."""
    grey = pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    if grey.shape == (SIDE, SIDE):
        return np.asarray(grey, np.uint8)
    how = cv2.INTER_AREA if min(grey.shape) >= SIDE else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(grey, (SIDE, SIDE), interpolation=how), np.uint8)


def on_black(frames: Frames) -> Frames:
    """Invert all images if their backgrounds are light, or none of them."""
    edges = np.concatenate([frames[:, [0, -1]].ravel(), frames[:, :, [0, -1]].ravel()])
    return 255 - frames if np.median(edges) > 127 else frames
