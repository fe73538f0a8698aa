"""A sign's box on a page → an upright picture of the sign alone."""

import numpy as np
from numpy.typing import NDArray

from cnn_mnist.inference.pictures.image import Page

MARGIN = 0.1  # of the longer side of a box; ink is found by the paper around it


def crop(page: Page, box: tuple[int, int, int, int], turned: int = 0) -> NDArray[np.uint8]:
    """The pixels of a box with some paper around them, uint8 RGB HxWx3.

    Args:
        page: the picture as given.
        box: x, y, width, height in the original picture's pixels.
        turned: degrees clockwise to rotate the page for reading; only quarter turns are applied.
    """
    across, down = page.pixels.shape[1] / page.size[0], page.pixels.shape[0] / page.size[1]
    x, y, width, height = box
    margin = MARGIN * max(width, height)
    left, top = max(0, (x - margin) * across), max(0, (y - margin) * down)
    right, bottom = (x + width + margin) * across, (y + height + margin) * down
    pixels = page.pixels[int(top) : int(np.ceil(bottom)), int(left) : int(np.ceil(right))]
    return np.ascontiguousarray(np.rot90(pixels, -round(turned / 90)))
