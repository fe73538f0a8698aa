"""A path, bytes, PIL image or array → upright RGB pages. Decodes safely.

Colour is kept, because pale blue or yellow ink differs from its paper in colour more than in
lightness. No other module handles files, alpha channels or unusual number types.
"""

import contextlib
import io
import math
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from cnn_mnist.inference.pictures.pdf import PdfError, PdfFile

Source: TypeAlias = "str | os.PathLike[str] | bytes | Image.Image | NDArray[Any] | Page"

MAX_BYTES = 64 * 2**20  # of a file, all pages together
MAX_PIXELS = 80_000_000  # of a page
MAX_PAGES = 500
MAX_ALL_PIXELS = 4_000_000_000  # of all pages of a file
WORKING_SIDE = 2048  # px; larger pictures are first reduced by an integer factor
# An explicit list, because some of Pillow's formats start other programs (EPS).
SUFFIXES = (
    ".png",
    ".jpg",
    ".jpeg",
    ".gif",
    ".bmp",
    ".ppm",
    ".pgm",
    ".webp",
    ".tif",
    ".tiff",
    ".pdf",
)
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "PPM", "WEBP", "TIFF")
PAGED, ANIMATED = ("TIFF", "PDF"), ("GIF", "PNG", "WEBP")
NO_PAGE = 0b101  # bits of TIFF's tag 254: a reduced copy of a page, or its mask
TOO_MANY_PIXELS = f"the picture has more than {MAX_PIXELS // 10**6} million pixels; save it smaller"
DAMAGED = 0, 0  # the size of a page whose header cannot be read
FIRST_FRAME = "the picture is animated; only its first frame was read"


class ImageError(ValueError):
    """The source cannot be read as a picture; the message says why and what to do."""


@dataclass(frozen=True)
class Page:
    """An upright picture. `pixels` is uint8 RGB HxWx3; `size` is the original's width, height.

    `notice` tells what the pages omit from the file, `turned` by how many degrees clockwise the
    original was rotated, and the 3×3 `matrix` maps a point on a rotated page to the original.
    """

    pixels: NDArray[np.uint8]
    size: tuple[int, int]
    number: int = 1
    num_pages: int = 1
    notice: str | None = None
    turned: int = 0
    matrix: NDArray[np.float64] | None = field(default=None, compare=False)

    def turn(self, degrees: int) -> "Page":
        """The page rotated clockwise about its centre, enlarged to keep all of it."""
        height, width = self.pixels.shape[:2]
        cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        wide = round(width * abs(cos) + height * abs(sin))
        high = round(width * abs(sin) + height * abs(cos))
        back = np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])
        back[:2, 2] = np.array([width, height]) / 2 - back[:2, :2] @ [wide / 2, high / 2]
        centres = back[:2].copy()  # OpenCV counts from the centre of the first pixel
        centres[:, 2] += back[:2, :2] @ [0.5, 0.5] - 0.5
        how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        pixels = cv2.warpAffine(
            self.pixels, centres, (wide, high), flags=how, borderMode=cv2.BORDER_REPLICATE
        )
        turned = (self.turned + degrees) % 360
        matrix = self._to_original() @ back
        return replace(self, pixels=np.asarray(pixels, np.uint8), turned=turned, matrix=matrix)

    def original_box(self, box: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
        """The visible part of a box of this page (x, y, width, height), in the original picture's
        pixels."""
        x, y, wide, high = box
        (xx, xy, x0), (yx, yy, y0), _ = self._to_original().tolist()
        corners = [(x, y), (x + wide, y), (x, y + high), (x + wide, y + high)]
        across = [min(max(xx * x + xy * y + x0, 0), self.size[0]) for x, y in corners]
        down = [min(max(yx * x + yy * y + y0, 0), self.size[1]) for x, y in corners]
        left, top = round(min(across)), round(min(down))
        return left, top, round(max(across)) - left, round(max(down)) - top

    def _to_original(self) -> NDArray[np.float64]:
        if self.matrix is not None:
            return self.matrix
        height, width = self.pixels.shape[:2]
        return np.diag([self.size[0] / width, self.size[1] / height, 1])


def load(source: Source) -> Page:
    """Decode any source into a page of at most WORKING_SIDE pixels a side.

    Args:
        source: a file's path, its bytes, a PIL image, or an array of HxW, HxWx1, HxWx3 (RGB)
            or HxWx4 (RGBA): bool, integers 0..255, uint16 0..65535, floats 0..1 or 0..255.
            The first page of a file with several is used; a page is returned unchanged.

    Raises:
        ImageError: it is missing, too large, damaged, empty, or not a picture.
    """
    return source if isinstance(source, Page) else _decode(_picture(source))


def pages(source: Source) -> Iterator[Page]:
    """Decode a TIFF or PDF lazily, page by page; any other source is one page.

    Raises:
        ImageError: as `load`; or there are too many pages or pixels in all; or a page cannot be
            decoded, raised after the pages before it.
    """
    if isinstance(source, Page):
        yield source
        return
    picture = _picture(source)
    sizes = _page_sizes(picture)
    if DAMAGED in sizes.values():  # Pillow is in disorder after a seek that failed
        picture = _picture(source)
    notice = FIRST_FRAME if _is_animated(picture) else None
    for number, frame in enumerate(sizes, start=1):
        try:
            page = _decode(picture, frame)
        except ImageError as error:
            if len(sizes) == 1:
                raise
            rest = f"page {number} of {len(sizes)} and those after it were not read"
            raise ImageError(f"{rest}: {error}") from error
        yield replace(page, number=number, num_pages=len(sizes), notice=notice)


def page_sizes(source: Source) -> list[tuple[int, int]]:
    """Width and height of each page, from the headers; nothing is decoded.

    Raises:
        ImageError: as `pages`.
    """
    if isinstance(source, Page):
        return [source.size]
    return list(_page_sizes(_picture(source)).values())


def pictures(paths: Iterable[Path]) -> Iterator[Path]:
    """The paths in order; a folder stands for the pictures below it, sorted by name."""
    for path in paths:
        if path.is_dir():
            files = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES)
            if not files:
                raise ImageError(f"{path}: no pictures in this folder ({', '.join(SUFFIXES)})")
            yield from files
        else:
            yield path


def _picture(source: Source) -> Image.Image:
    """The source, opened but not decoded."""
    if isinstance(source, np.ndarray):
        return _from_array(source)
    if isinstance(source, Image.Image):
        return source
    if isinstance(source, bytes):
        return _open(source)
    if isinstance(source, str | os.PathLike):
        return _open(_file_bytes(Path(source)))
    raise ImageError(f"cannot read a {type(source).__name__} as a picture")


def _page_sizes(picture: Image.Image) -> dict[int, tuple[int, int]]:
    """The frames that are pages, with their sizes, in order."""
    sizes = {0: picture.size}
    if picture.format not in PAGED:
        return sizes
    for frame in range(1, MAX_PAGES + 1):  # Pillow's n_frames would follow an endless chain
        try:
            picture.seek(frame)
            if not getattr(picture, "tag_v2", {}).get(254, 0) & NO_PAGE:
                sizes[frame] = picture.size
        except EOFError:
            break
        except Exception:  # a damaged header, reported when the page is decoded
            sizes[frame] = DAMAGED
            break
    else:
        raise ImageError(f"the file has more than {MAX_PAGES} pages; split it")
    if sum(width * height for width, height in sizes.values()) > MAX_ALL_PIXELS:
        limit = MAX_ALL_PIXELS // 10**6
        raise ImageError(f"the pages have more than {limit:,} million pixels together; split it")
    return sizes


def _is_animated(picture: Image.Image) -> bool:
    with contextlib.suppress(Exception):  # anything after the first frame may be damaged
        return picture.format in ANIMATED and bool(getattr(picture, "is_animated", False))
    return False


def _file_bytes(path: Path) -> bytes:
    if path.is_dir():
        raise ImageError(f"{path} is a folder, not a picture")
    if not path.is_file():  # excludes devices and pipes, which may never end
        raise ImageError(f"{path}: no such file")
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ImageError(f"{path}: {error.strerror}") from error


def _open(data: bytes) -> Image.Image:
    """Read the header only; pixels are decoded after the size has been checked."""
    if not data:
        raise ImageError("the file is empty")
    if len(data) > MAX_BYTES:
        raise ImageError(f"the file is larger than {MAX_BYTES >> 20} MiB; save it smaller")
    if data[4:8] == b"ftyp":
        raise ImageError("HEIC and AVIF pictures are not read; save it as JPEG or PNG")
    try:
        if data.startswith(b"%PDF"):
            return PdfFile(data, WORKING_SIDE, MAX_PAGES + 1)
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError as error:
        kinds = ", ".join(FORMATS)
        raise ImageError(f"not a picture that can be read; save it as one of {kinds}") from error
    except PdfError as error:
        raise ImageError(str(error)) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(TOO_MANY_PIXELS) from error
    except Exception as error:
        raise ImageError(f"the picture is damaged ({error}); save it again") from error


def _check_size(width: int, height: int) -> None:
    if width < 1 or height < 1:
        raise ImageError(f"the picture is empty ({width}x{height} pixels)")
    if width * height > MAX_PIXELS:
        raise ImageError(TOO_MANY_PIXELS)


def _decode(picture: Image.Image, frame: int | None = None) -> Page:
    """Decode a frame as a page; by default the current frame."""
    try:
        if frame is not None:
            picture.seek(frame)
        _check_size(*picture.size)
        return _page(picture)
    except ImageError:
        raise
    except PdfError as error:
        raise ImageError(str(error)) from error
    except Exception as error:  # decoders raise anything on damaged bytes
        raise ImageError(f"the picture is damaged ({error}); save it again") from error


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
    """Convert any of Pillow's modes to 8-bit RGB or RGBA."""
    if picture.mode in ("RGB", "RGBA"):
        return picture
    if picture.mode.startswith(("I", "F")):
        return _from_array(np.asarray(picture)).convert("RGB")
    return picture.convert("RGBA" if picture.has_transparency_data else "RGB")


def _opaque(picture: Image.Image) -> Image.Image:
    """Lay a transparent picture on a suitable background: the paper's own colour, or the opposite
    of the ink's if there is only ink."""
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
        raise ImageError(f"an array of shape {array.shape} is not a picture; give HxW or HxWx3")
    _check_size(array.shape[1], array.shape[0])
    return Image.fromarray(np.ascontiguousarray(to_uint8(array)))


def to_uint8(array: NDArray[Any]) -> NDArray[np.uint8]:
    """Convert brightness to bytes: bool, 0..255, uint16 0..65535, floats 0..1 or 0..255.

    Raises:
        ImageError: other types or values, or an empty array.
    """
    if array.dtype == np.uint8:
        return np.asarray(array, np.uint8)
    if array.dtype == np.bool_:
        return np.asarray(np.where(array, 255, 0), np.uint8)
    if array.dtype.kind not in "iuf":
        raise ImageError(f"an array of {array.dtype} is not a picture; give numbers")
    if not np.isfinite(array).all():
        raise ImageError("the array holds NaN or infinity")
    low, high = float(array.min()), float(array.max())
    full_scale = 1.0 if array.dtype.kind == "f" and high <= 1 else 255.0 if high <= 255 else 65535.0
    if low < 0 or high > 65535 or (high > 255 and array.dtype.kind == "f"):
        raise ImageError(f"array values {low:g} to {high:g}; give 0..1, 0..255 or 16 bit")
    scaled = np.rint(array.astype(np.float32) * (255.0 / full_scale))
    return np.asarray(scaled.astype(np.uint8), np.uint8)
