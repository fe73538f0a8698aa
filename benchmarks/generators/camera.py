"""What a camera makes of a page: its view, the light, the lens and the JPEG file."""

import io

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from generators.paper import Paper, Rng

Matrix = NDArray[np.float64]  # 3×3, a homography
Points = NDArray[np.floating]  # …×2, x and y


def corners(height: int, width: int) -> Points:
    """The corners of a page, clockwise from the upper left."""
    return np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float64)


def view(page: Points, seen: Points, margin: float = 0) -> tuple[Matrix, tuple[int, int]]:
    """The homography of a page as it is seen, and the picture's width and height.

    Args:
        page: its corners.
        seen: the same in the picture; shifted, so that a margin remains around them.
        margin: in pixels.
    """
    seen = seen - (seen.min(axis=0) - margin)
    width, height = np.ceil(seen.max(axis=0) + margin).astype(int).tolist()
    matrix = cv2.getPerspectiveTransform(page.astype(np.float32), seen.astype(np.float32))
    return np.asarray(matrix, np.float64), (width, height)


def moved(points: Points, matrix: Matrix) -> Points:
    """Where points of the page are in the picture."""
    seen = cv2.perspectiveTransform(points.reshape(1, -1, 2), matrix)
    return np.asarray(seen, points.dtype).reshape(points.shape)


def shadowed(page: Paper, rng: Rng, depth: float) -> Paper:
    """A ramp, the edge of a hand's shadow, or a blot that removes `depth` of the light."""
    height, width = page.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    angle = rng.uniform(0, 2 * np.pi)
    along = (x / width - 0.5) * np.cos(angle) + (y / height - 0.5) * np.sin(angle)
    kind = rng.integers(3)
    if kind == 0:
        light = np.clip(along + 0.5, 0, 1)
    elif kind == 1:
        light = 1 / (1 + np.exp(-(along - rng.uniform(-0.2, 0.2)) * rng.uniform(10, 40)))
    else:
        across, down = x / width - rng.uniform(0, 1), y / height - rng.uniform(0, 1)
        light = 1 - np.exp(-(across**2 + down**2) / 0.08)
    return np.asarray(page * (1 - depth * (1 - light))[..., None].astype(np.float32), np.float32)


def photographed(
    page: Paper, rng: Rng, blur: float = 1.2, noise: float = 5, quality: tuple[int, int] = (50, 92)
) -> bytes:
    """A JPEG file of the page, slightly out of focus and with sensor noise."""
    seen = cv2.GaussianBlur(page, (0, 0), rng.uniform(0.3, blur))
    seen = seen + rng.normal(0, rng.uniform(1, noise), seen.shape)
    file = io.BytesIO()
    picture = Image.fromarray(np.clip(seen, 0, 255).astype(np.uint8))
    picture.save(file, "JPEG", quality=int(rng.integers(*quality)))
    return file.getvalue()


def decoded(jpeg: bytes) -> NDArray[np.uint8]:
    """The pixels of a JPEG file, RGB."""
    with Image.open(io.BytesIO(jpeg)) as picture:
        return np.asarray(picture.convert("RGB"))
