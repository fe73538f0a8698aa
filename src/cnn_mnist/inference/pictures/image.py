"""A path, bytes, PIL image or array → upright RGB pages. Decodes safely."""

import contextlib
import io
import math
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from cnn_mnist.inference.pictures.files import MAX_BYTES, file_bytes
from cnn_mnist.inference.pictures.page import ImageError, Page, UnsupportedError
from cnn_mnist.inference.pictures.pdf import PdfError, PdfFile
from cnn_mnist.inference.pictures.pixels import TOO_MANY_PIXELS, check_size, from_array, to_rgb

Source: TypeAlias = "str | os.PathLike[str] | bytes | Image.Image | NDArray[Any] | Page"

MAX_PAGES = 500
MAX_ALL_PIXELS = 4_000_000_000  # of all pages of a file
WORKING_SIDE = 2048  # px; larger pictures are first reduced by an integer factor
# An explicit list, because some of Pillow's formats start other programs (EPS).
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "PPM", "WEBP", "TIFF")
PAGED, ANIMATED = ("TIFF", "PDF"), ("GIF", "PNG", "WEBP")
NO_PAGE = 0b101  # bits of TIFF's tag 254: a reduced copy of a page, or its mask
DAMAGED = 0, 0  # the size of a page whose header cannot be read
FIRST_FRAME = "the picture is animated; only its first frame was read"


def load(source: Source) -> Page:
    """Decode any source into a page of at most WORKING_SIDE pixels a side.

    Args:
        source: a file's path, its bytes, a PIL image, or an array of H×W, H×W×1, H×W×3 (RGB)
            or H×W×4 (RGBA): bool, integers 0..255, floats 0..1 or 0..255; integers of which any
            is larger are 0..65535. The first page of a file with several is used, the current
            frame of a PIL image; a page is returned unchanged.

    Raises:
        ImageError: it is missing, too large, damaged, empty, or not a picture.
    """
    return source if isinstance(source, Page) else _decode(_picture(source), None, _is_kept(source))


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
    current = picture.tell()
    sizes = _page_sizes(picture)
    if DAMAGED in sizes.values():  # a failed seek leaves Pillow's image in an invalid state
        picture = _picture(source)
    notice = FIRST_FRAME if _is_animated(picture) else None
    try:
        for number, frame in enumerate(sizes, start=1):
            yield replace(
                _frame(picture, frame, number, len(sizes), _is_kept(source)), notice=notice
            )
    finally:
        if _is_kept(source):
            picture.seek(current)


def _frame(picture: Image.Image, frame: int, number: int, num_pages: int, keep: bool) -> Page:
    """A frame as one of several pages."""
    try:
        page = _decode(picture, frame, keep)
    except ImageError as error:
        if num_pages == 1:
            raise
        rest = f"page {number} of {num_pages} and those after it were not read"
        raise ImageError(f"{rest}: {error}") from error
    return replace(page, number=number, num_pages=num_pages)


def page_sizes(content: bytes) -> list[tuple[int, int]]:
    """Width and height of each page of a file, from the headers; nothing is decoded.

    Raises:
        ImageError: as `pages`.
    """
    return list(_page_sizes(_open(content)).values())


def _is_kept(source: Source) -> bool:
    """Whether the picture belongs to the caller, who may use it afterwards."""
    return isinstance(source, Image.Image)


def _picture(source: Source) -> Image.Image:
    """The source, opened but not decoded."""
    if isinstance(source, np.ndarray):
        return from_array(source)
    if isinstance(source, Image.Image):
        return source
    if isinstance(source, bytes):
        return _open(source)
    if isinstance(source, str | os.PathLike):
        return _open(file_bytes(Path(source)))
    kind = type(source).__name__
    raise ImageError(f"not a picture but a {kind}; give a path, bytes, a PIL image or an array")


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
        raise ImageError(f"the file has more than {MAX_PAGES} pages; split the file")
    if sum(width * height for width, height in sizes.values()) > MAX_ALL_PIXELS:
        limit = MAX_ALL_PIXELS // 10**6
        raise ImageError(
            f"the pages have more than {limit:,} million pixels in all; split the file"
        )
    return sizes


def _is_animated(picture: Image.Image) -> bool:
    with contextlib.suppress(Exception):  # anything after the first frame may be damaged
        return picture.format in ANIMATED and bool(getattr(picture, "is_animated", False))
    return False


def _open(data: bytes) -> Image.Image:
    """Read the header only; pixels are decoded after the size has been checked."""
    if not data:
        raise ImageError("the file is empty")
    if len(data) > MAX_BYTES:
        raise ImageError(f"the file is larger than {MAX_BYTES >> 20} MiB; make it smaller")
    if data[4:8] == b"ftyp":
        raise UnsupportedError("HEIC and AVIF are not supported; save the picture as JPEG or PNG")
    try:
        if data.startswith(b"%PDF"):
            return PdfFile(data, WORKING_SIDE, MAX_PAGES + 1)
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError as error:
        kinds = ", ".join((*FORMATS, "PDF"))
        raise UnsupportedError(
            f"not a picture in a supported format; save it as one of {kinds}"
        ) from error
    except PdfError as error:
        raise ImageError(str(error)) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(TOO_MANY_PIXELS) from error
    except Exception as error:
        raise ImageError(f"the picture is damaged ({error}); save it again") from error


def _decode(picture: Image.Image, frame: int | None, keep: bool) -> Page:
    """Decode a frame as a page; None is the current frame. `keep` leaves the picture's size."""
    try:
        if frame is not None:
            picture.seek(frame)
        check_size(*picture.size)
        return _page(picture, keep)
    except ImageError:
        raise
    except PdfError as error:
        raise ImageError(str(error)) from error
    except Exception as error:  # decoders raise anything on damaged bytes
        raise ImageError(f"the picture is damaged ({error}); save it again") from error


def _page(picture: Image.Image, keep: bool) -> Page:
    factor = math.ceil(max(picture.size) / WORKING_SIDE)
    width, height = picture.size
    if factor > 1 and not keep:  # JPEG can decode at 1/2, 1/4 or 1/8 in a fraction of the time
        picture.draft("RGB", (math.ceil(width / factor), math.ceil(height / factor)))
    orientation = picture.getexif().get(0x0112, 1)
    if orientation != 1:
        picture = ImageOps.exif_transpose(picture)
    upright = to_rgb(picture)
    factor = math.ceil(max(upright.size) / WORKING_SIDE)
    if factor > 1:
        upright = upright.reduce(factor)
    size = (height, width) if orientation in (5, 6, 7, 8) else (width, height)
    return Page(np.asarray(upright, np.uint8), size)
