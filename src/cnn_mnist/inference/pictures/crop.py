"""A sign's box on a page → a page, or a file, of the sign alone."""

import io
import math
from dataclasses import replace

import numpy as np
from PIL import Image

from cnn_mnist.inference.pictures.page import Box, ImageError, Page

MARGIN = 0.1  # of a box's longer side; ink is found by its contrast with the paper around it


def crop(page: Page, box: Box, margin: float = MARGIN) -> Page:
    """What the part of a box inside the picture contains, with a margin of paper around it.

    Args:
        page: the picture as given.
        box: in the original picture's pixels.
        margin: width of the margin, as a share of that part's longer side.

    Raises:
        ImageError: the box lies outside the picture.
    """
    (height, width), (wide, high) = page.pixels.shape[:2], page.size
    x, y, across, down = box
    x0, x1, y0, y1 = max(0, x), min(wide, x + across), max(0, y), min(high, y + down)
    if x0 >= x1 or y0 >= y1:
        raise ImageError(f"the box {box} lies outside the picture of {wide}×{high} pixels")
    more = margin * max(x1 - x0, y1 - y0)
    left, right = max(0, x0 - more) * width / wide, (x1 + more) * width / wide
    top, bottom = max(0, y0 - more) * height / high, (y1 + more) * height / high
    pixels = page.pixels[int(top) : math.ceil(bottom), int(left) : math.ceil(right)]
    return replace(page, pixels=pixels, size=pixels.shape[1::-1])


def png(page: Page, box: Box, turned: int = 0, largest: int | None = None) -> bytes:
    """The result of `crop` as a PNG file.

    Args:
        page: the picture as given.
        box: as for `crop`.
        turned: rotate clockwise by these degrees, rounded to quarter turns.
        largest: reduce to at most this many pixels a side.
    """
    pixels = np.rot90(crop(page, box).pixels, -round(turned / 90))
    picture, content = Image.fromarray(pixels), io.BytesIO()
    if largest:
        picture.thumbnail((largest, largest))
    picture.save(content, "PNG")
    return content.getvalue()


def is_centred_in(box: Box, other: Box) -> bool:
    """Whether the centre of a box is in another."""
    return all(0 <= box[i] + box[i + 2] / 2 - other[i] <= other[i + 2] for i in (0, 1))
