"""An upright picture, and where its pixels are in the original."""

import math
from dataclasses import dataclass, field, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Box = tuple[int, int, int, int]  # x, y, width, height, in pixels
QUARTERS = {
    90: cv2.ROTATE_90_CLOCKWISE,
    180: cv2.ROTATE_180,
    270: cv2.ROTATE_90_COUNTERCLOCKWISE,
}  # degrees clockwise


class ImageError(ValueError):
    """The source cannot be read as a picture; the message says why and what to do."""


class UnsupportedError(ImageError):
    """The source is not a picture, or has an unsupported format."""


@dataclass(frozen=True)
class Page:
    """An upright picture. `pixels` is uint8 RGB H×W×3; `size` is the original's width, height.

    In a view, `pixels` is grey, H×W. `notice` tells what the pages omit from the file, `turned` by
    how many degrees clockwise the original was rotated, and the 3×3 `matrix` maps a point on a
    rotated page to the original.
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
        back, _ = _rotation(self.pixels.shape, degrees)
        pixels = rotated(self.pixels, degrees, cv2.BORDER_REPLICATE)
        turned = (self.turned + degrees) % 360
        matrix = self._to_original() @ back
        return replace(self, pixels=pixels, turned=turned, matrix=matrix)

    def original_box(self, box: Box) -> Box:
        """The visible part of a box, in the original picture's pixels."""
        x, y, wide, high = box
        (xx, xy, x0), (yx, yy, y0), _ = self._to_original().tolist()
        corners = [(x, y), (x + wide, y), (x, y + high), (x + wide, y + high)]
        across = [min(max(xx * x + xy * y + x0, 0), self.size[0]) for x, y in corners]
        down = [min(max(yx * x + yy * y + y0, 0), self.size[1]) for x, y in corners]
        left, top = round(min(across)), round(min(down))
        return left, top, round(max(across)) - left, round(max(down)) - top

    def original_points(self, points: NDArray[Any]) -> NDArray[np.float32]:
        """Points, N×2, in the original picture's pixels."""
        moved = cv2.perspectiveTransform(points[None].astype(np.float64), self._to_original())
        return np.asarray(moved[0], np.float32)

    def _to_original(self) -> NDArray[np.float64]:
        if self.matrix is not None:
            return self.matrix
        height, width = self.pixels.shape[:2]
        return np.diag([self.size[0] / width, self.size[1] / height, 1])


def rotated(picture: NDArray[Any], degrees: int, border: int) -> NDArray[Any]:
    """Pixels rotated clockwise about their centre, enlarged to keep all of them.

    Args:
        picture: H×W or H×W×3.
        degrees: clockwise.
        border: OpenCV's constant for what lies outside.
    """
    if degrees % 360 in QUARTERS:  # OpenCV is several times as fast as numpy
        return np.asarray(cv2.rotate(picture, QUARTERS[degrees % 360]))
    back, size = _rotation(picture.shape, degrees)
    centres = back[:2].copy()  # OpenCV counts from the centre of the first pixel
    centres[:, 2] += back[:2, :2] @ [0.5, 0.5] - 0.5
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(picture, centres, size, flags=how, borderMode=border))


def _rotation(shape: tuple[int, ...], degrees: int) -> tuple[NDArray[np.float64], tuple[int, int]]:
    """The matrix from a rotated picture to the original, and the rotated one's width and height."""
    height, width = shape[:2]
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    wide = round(width * abs(cos) + height * abs(sin))
    high = round(width * abs(sin) + height * abs(cos))
    back = np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])
    back[:2, 2] = np.array([width, height]) / 2 - back[:2, :2] @ [wide / 2, high / 2]
    return back, (wide, high)
