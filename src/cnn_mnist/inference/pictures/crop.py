"""A sign's box on a page → a picture of the sign alone, upright."""

import numpy as np
from numpy.typing import NDArray

from cnn_mnist.inference.pictures.image import Page

MARGIN = 0.1  # of the longer side of a box; by the paper around it ink is found


def crop(page: Page, box: tuple[int, int, int, int], turned: int = 0) -> NDArray[np.uint8]:
    """The pixels of a box with some paper around them, uint8 RGB HxWx3.

    Args:
        page: as the picture was given.
        box: x, y, width, height in the original picture's pixels.
        turned: degrees clockwise by which the page is turned to be read; only quarters are turned.
    """
    across, down = page.pixels.shape[1] / page.size[0], page.pixels.shape[0] / page.size[1]
    x, y, width, height = box
    margin = MARGIN * max(width, height)
    left, top = max(0, (x - margin) * across), max(0, (y - margin) * down)
    right, bottom = (x + width + margin) * across, (y + height + margin) * down
    pixels = page.pixels[int(top) : int(np.ceil(bottom)), int(left) : int(np.ceil(right))]
    return np.ascontiguousarray(np.rot90(pixels, -round(turned / 90)))
