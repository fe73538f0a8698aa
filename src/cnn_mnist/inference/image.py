"""A path, bytes, PIL image or array → one upright RGB page. All decoding safety lives here.

Colour is kept, because pale blue ink and yellow on blue differ from their paper in colour more
than in lightness. Nothing downstream meets a file, an alpha channel or an odd number type.
"""

import io
import math
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

Source: TypeAlias = str | os.PathLike[str] | bytes | Image.Image | NDArray[Any]

MAX_BYTES = 64 * 2**20
MAX_PIXELS = 80_000_000
WORKING_SIDE = 2048  # px; a larger picture is reduced by a whole factor before anything else
# Named one by one: Pillow also knows formats that start other programs (EPS).
SUFFIXES = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".ppm", ".pgm", ".webp", ".tif", ".tiff")
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "PPM", "WEBP", "TIFF")


class ImageError(ValueError):
    """The source is no picture that can be read; the message says why and what to do."""


@dataclass(frozen=True)
class Page:
    """An upright picture. `pixels` is uint8 RGB HxWx3; `size` is the original's width, height."""

    pixels: NDArray[np.uint8]
    size: tuple[int, int]

    def original_box(self, box: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
        """A box of this page (x, y, width, height) in the original picture's pixels."""
        across = self.size[0] / self.pixels.shape[1]
        down = self.size[1] / self.pixels.shape[0]
        left, top = round(box[0] * across), round(box[1] * down)
        right, bottom = round((box[0] + box[2]) * across), round((box[1] + box[3]) * down)
        return left, top, right - left, bottom - top


def load(source: Source) -> Page:
    """Decode any source into a page of at most WORKING_SIDE pixels a side.

    Args:
        source: a file's path, its bytes, a PIL image, or an array of HxW, HxWx1, HxWx3 (RGB)
            or HxWx4 (RGBA): bool, integers 0..255, uint16 0..65535, floats 0..1 or 0..255.

    Raises:
        ImageError: missing, too large, damaged, empty, or not a picture.
    """
    if isinstance(source, np.ndarray):
        picture = _from_array(source)
    elif isinstance(source, Image.Image):
        picture = source
    elif isinstance(source, bytes):
        picture = _open(source)
    elif isinstance(source, str | os.PathLike):
        picture = _open(_file_bytes(Path(source)))
    else:
        raise ImageError(f"cannot read a {type(source).__name__} as a picture")
    _check_size(*picture.size)
    try:
        return _page(picture)
    except ImageError:
        raise
    except Exception as error:  # decoders raise whatever they meet in damaged bytes
        raise ImageError(f"the picture is damaged ({error}); save it again") from error


def pictures(paths: Iterable[Path]) -> Iterator[Path]:
    """The paths in their order; a folder stands for the pictures below it, sorted by name."""
    for path in paths:
        if path.is_dir():
            files = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES)
            if not files:
                raise ImageError(f"{path}: no pictures in this folder ({', '.join(SUFFIXES)})")
            yield from files
        else:
            yield path


def _file_bytes(path: Path) -> bytes:
    if path.is_dir():
        raise ImageError(f"{path} is a folder, not a picture")
    if not path.is_file():  # also keeps devices and pipes out, which may never end
        raise ImageError(f"{path}: no such file")
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ImageError(f"{path}: {error.strerror}") from error


def _open(data: bytes) -> Image.Image:
    """Read the header only; the pixels are decoded once the size is known to be harmless."""
    if not data:
        raise ImageError("the file is empty")
    if len(data) > MAX_BYTES:
        raise ImageError(f"the file is larger than {MAX_BYTES >> 20} MiB; save it smaller")
    if data[4:8] == b"ftyp":
        raise ImageError("HEIC and AVIF pictures are not read; save it as JPEG or PNG")
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError as error:
        kinds = ", ".join(FORMATS)
        raise ImageError(f"not a picture that can be read; save it as one of {kinds}") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(f"the picture has too many pixels: {error}") from error
    except Exception as error:
        raise ImageError(f"the picture is damaged ({error}); save it again") from error


def _check_size(width: int, height: int) -> None:
    if width < 1 or height < 1:
        raise ImageError(f"the picture is empty ({width}x{height} pixels)")
    if width * height > MAX_PIXELS:
        limit = MAX_PIXELS // 10**6
        raise ImageError(f"the picture has more than {limit} million pixels; save it smaller")


def _page(picture: Image.Image) -> Page:
    factor = math.ceil(max(picture.size) / WORKING_SIDE)
    width, height = picture.size
    if factor > 1:  # JPEG can decode at 1/2, 1/4 or 1/8 in a fraction of the time
        picture.draft("RGB", (math.ceil(width / factor), math.ceil(height / factor)))
    orientation = picture.getexif().get(0x0112, 1)
    if orientation != 1:
        picture = ImageOps.exif_transpose(picture)
    upright = _opaque(_eight_bit(picture))
    factor = math.ceil(max(upright.size) / WORKING_SIDE)
    if factor > 1:
        upright = upright.reduce(factor)
    size = (height, width) if orientation in (5, 6, 7, 8) else (width, height)
    return Page(np.asarray(upright, np.uint8), size)


def _eight_bit(picture: Image.Image) -> Image.Image:
    """RGB or RGBA of 8 bits, from any of Pillow's modes."""
    if picture.mode in ("RGB", "RGBA"):
        return picture
    if picture.mode.startswith(("I", "F")):
        return _from_array(np.asarray(picture)).convert("RGB")
    return picture.convert("RGBA" if picture.has_transparency_data else "RGB")


def _opaque(picture: Image.Image) -> Image.Image:
    """Lay a transparent picture on what its drawing needs: the paper's own colour, or the
    opposite of the ink when ink is all there is."""
    if picture.mode != "RGBA":
        return picture
    pixels = np.asarray(picture)
    visible = pixels[..., 3] > 127
    if visible.all():
        return picture.convert("RGB")
    if visible.mean() > 0.5:
        backdrop = tuple(int(v) for v in np.median(pixels[visible][:, :3], axis=0))
    else:
        light_ink = visible.any() and pixels[visible][:, :3].mean() > 127
        backdrop = (0, 0, 0) if light_ink else (255, 255, 255)
    page = Image.new("RGBA", picture.size, (*backdrop, 255))
    return Image.alpha_composite(page, picture).convert("RGB")


def _from_array(array: NDArray[Any]) -> Image.Image:
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)):
        raise ImageError(f"an array of shape {array.shape} is no picture; give HxW or HxWx3")
    _check_size(array.shape[1], array.shape[0])
    return Image.fromarray(np.ascontiguousarray(_to_uint8(array)))


def _to_uint8(array: NDArray[Any]) -> NDArray[np.uint8]:
    if array.dtype == np.uint8:
        return np.asarray(array, np.uint8)
    if array.dtype == np.bool_:
        return np.asarray(np.where(array, 255, 0), np.uint8)
    if array.dtype.kind not in "iuf":
        raise ImageError(f"an array of {array.dtype} is no picture; give numbers")
    if not np.isfinite(array).all():
        raise ImageError("the array holds NaN or infinity")
    low, high = float(array.min()), float(array.max())
    full_scale = 1.0 if array.dtype.kind == "f" and high <= 1 else 255.0 if high <= 255 else 65535.0
    if low < 0 or high > 65535 or (high > 255 and array.dtype.kind == "f"):
        raise ImageError(f"array values {low:g} to {high:g}; give 0..1, 0..255 or 16 bit")
    scaled = np.rint(array.astype(np.float32) * (255.0 / full_scale))
    return np.asarray(scaled.astype(np.uint8), np.uint8)
