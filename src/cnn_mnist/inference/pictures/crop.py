"""A sign's box on a page → a page of the sign alone."""

import math
from dataclasses import replace

from cnn_mnist.inference.pictures.image import ImageError, Page

MARGIN = 0.1  # of the longer side of a box; ink is found by the paper around it


def crop(page: Page, box: tuple[int, int, int, int], margin: float = MARGIN) -> Page:
    """What is in a box, and some paper around it.

    Args:
        page: the picture as given.
        box: x, y, width, height in the original picture's pixels.
        margin: around it, as a share of its longer side.

    Raises:
        ImageError: the box lies outside the picture.
    """
    (height, width), (wide, high) = page.pixels.shape[:2], page.size
    x, y, across, down = box
    if x >= wide or y >= high:
        raise ImageError(f"its part {box} lies outside the picture")
    more = margin * max(across, down)
    left, right = max(0, x - more) * width / wide, (x + across + more) * width / wide
    top, bottom = max(0, y - more) * height / high, (y + down + more) * height / high
    pixels = page.pixels[int(top) : math.ceil(bottom), int(left) : math.ceil(right)]
    return replace(page, pixels=pixels, size=pixels.shape[1::-1])
