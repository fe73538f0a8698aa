"""Arrays and images in any of Pillow's modes, also transparent ones → 8-bit RGB.

Colour is kept, because pale blue or yellow ink differs from its paper in colour more than in
lightness.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cnn_mnist.inference.percentiles import median
from cnn_mnist.inference.pictures.page import ImageError

MAX_PIXELS = 80_000_000  # of a page
TOO_MANY_PIXELS = f"the picture has more than {MAX_PIXELS // 10**6} million pixels; reduce its size"


def to_rgb(picture: Image.Image) -> Image.Image:
    """Convert any of Pillow's modes to 8-bit RGB."""
    return _opaque(_eight_bit(picture))


def _eight_bit(picture: Image.Image) -> Image.Image:
    """Convert any of Pillow's modes to 8-bit RGB or RGBA."""
    if picture.mode in ("RGB", "RGBA"):
        return picture
    if picture.mode.startswith(("I", "F")):
        return from_array(np.asarray(picture)).convert("RGB")
    return picture.convert("RGBA" if picture.has_transparency_data else "RGB")


def _opaque(picture: Image.Image) -> Image.Image:
    """Put a transparent picture on a suitable background.

    If most of it is opaque, that is the paper's own colour; otherwise it is white for dark ink and
    black for light ink.
    """
    if picture.mode != "RGBA":
        return picture
    if np.asarray(picture.getchannel("A")).min() > 127:
        return picture.convert("RGB")
    pixels = np.asarray(picture)
    visible = pixels[..., 3] > 127
    if visible.mean() > 0.5:
        backdrop = tuple(int(v) for v in median(pixels[visible][:, :3], axis=0))
    else:
        light_ink = visible.any() and pixels[visible][:, :3].mean() > 127
        backdrop = (0, 0, 0) if light_ink else (255, 255, 255)
    page = Image.new("RGBA", picture.size, (*backdrop, 255))
    return Image.alpha_composite(page, picture).convert("RGB")


def from_array(array: NDArray[Any]) -> Image.Image:
    """An array of H×W, H×W×1, H×W×3 or H×W×4 as a picture; values as in `to_uint8`."""
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)):
        raise ImageError(f"an array of shape {array.shape} is not a picture; give H×W or H×W×3")
    check_size(array.shape[1], array.shape[0])
    return Image.fromarray(np.ascontiguousarray(to_uint8(array)))


def to_uint8(array: NDArray[Any]) -> NDArray[np.uint8]:
    """Convert brightness to bytes: bool, integers 0..255 or 0..65535, floats 0..1 or 0..255.

    Integers are 0..65535 if any is larger than 255.

    Raises:
        ImageError: other types or values.
    """
    if array.dtype == np.uint8:
        return np.asarray(array, np.uint8)
    if array.dtype == np.bool_:
        return np.asarray(np.where(array, 255, 0), np.uint8)
    if array.dtype.kind not in "iuf":
        raise ImageError(f"an array of {array.dtype} is not a picture; give integers or floats")
    if not np.isfinite(array).all():
        raise ImageError("the array contains NaN or infinity; give finite values")
    low, high = float(array.min()), float(array.max())
    full_scale = 1.0 if array.dtype.kind == "f" and high <= 1 else 255.0 if high <= 255 else 65535.0
    if low < 0 or high > 65535 or (high > 255 and array.dtype.kind == "f"):
        raise ImageError(
            f"the array's values are {low:g} to {high:g}; give 0..1, 0..255 or unsigned 16 bits"
        )
    return np.asarray(np.rint(array.astype(np.float32) * (255.0 / full_scale)), np.uint8)


def check_size(width: int, height: int) -> None:
    """Refuse an empty picture, and one of more than MAX_PIXELS."""
    if width < 1 or height < 1:
        raise ImageError(f"the picture is empty ({width}×{height} pixels)")
    if width * height > MAX_PIXELS:
        raise ImageError(TOO_MANY_PIXELS)
