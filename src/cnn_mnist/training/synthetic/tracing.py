"""Digits of MNIST as strokes: lines along the middle of their ink, which any pen can draw again.

A stroke is an array of points N×2 (x, y), in pixels of MNIST's 28×28 frame.
"""

from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from cnn_mnist.training.synthetic.strokes import polylines

Stroke = NDArray[np.float64]
Image = NDArray[np.uint8]
Coverage = NDArray[np.float32]

SCALE = 6  # the digit is enlarged before thinning, so that narrow loops stay open
HALF_INK = 150
SPUR = 1.7  # MNIST px; shorter side branches are corners of a broad stroke, not writing
SMOOTHING = 9  # points; longer than the pixel steps of the thinned line
LIKENESS = 0.92  # minimum similarity of an image and strokes that show the same digit


def trace(image: Image) -> list[Stroke]:
    """The strokes of one digit, as smooth lines along the middle of its ink."""
    height, width = image.shape
    large = cv2.resize(image, (SCALE * width, SCALE * height), interpolation=cv2.INTER_CUBIC)
    soft = cv2.GaussianBlur(large, (0, 0), SCALE / 4)
    skeleton = thin((soft > HALF_INK).astype(np.uint8))
    paths = _without_spurs(_paths({(int(y), int(x)) for y, x in np.argwhere(skeleton)}))
    return [(_smooth(np.array(path, float)[:, ::-1]) + 0.5) / SCALE for path in paths]


def likeness(image: Image, strokes: list[Stroke]) -> float:
    """Cosine similarity of a digit's image and its strokes drawn with its own pen.

    If a broad pen has filled a loop, the strokes miss it: 6 becomes a hook.
    """
    lengths = [np.hypot(*np.diff(stroke, axis=0).T).sum() for stroke in strokes]
    pen = max(1.0, image.sum() / 255 / max(1.0, sum(lengths)))
    canvas = np.zeros((SCALE * image.shape[0], SCALE * image.shape[1]), np.uint8)
    lines = [stroke * SCALE - 0.5 for stroke in strokes]
    polylines(canvas, lines, pen * SCALE, kind=cv2.LINE_8)
    redrawn = averaged(canvas, *image.shape[::-1])
    norms = float(np.linalg.norm(redrawn) * np.linalg.norm(image))
    return float((redrawn * image).sum()) / max(norms, 1.0)


def averaged(canvas: Image, width: int, height: int) -> Coverage:
    """The canvas averaged to width×height, 0..1."""
    small = cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA)
    return np.divide(small, 255, dtype=np.float32)


RING = np.array([[128, 1, 2], [64, 0, 4], [32, 16, 8]], np.float32)  # a bit for each neighbour


def _removable(first: bool) -> Image:
    """For each ring of eight neighbours, clockwise from above: 1 if the pixel within can go."""
    ring = (np.arange(256)[:, None] >> np.arange(8)) & 1
    north, east, south, west = ring[:, ::2].T
    count, turns = ring.sum(axis=1), (ring < np.roll(ring, -1, axis=1)).sum(axis=1)
    if first:
        open_sides = (north & east & south == 0) & (east & south & west == 0)
    else:
        open_sides = (north & east & west == 0) & (north & south & west == 0)
    removable = (count >= 2) & (count <= 6) & (turns == 1) & open_sides
    return np.asarray(removable, np.uint8)


REMOVABLE = _removable(first=True), _removable(first=False)


def thin(mask: Image) -> Image:
    """A mask's middle lines, one pixel wide (Zhang and Suen 1984)."""
    while True:
        before = int(mask.sum())
        for removable in REMOVABLE:
            rings = cv2.filter2D(mask, -1, RING, borderType=cv2.BORDER_CONSTANT)
            mask = mask & ~removable[rings]
        if int(mask.sum()) == before:
            return mask


Pixel = tuple[int, int]


def _neighbours(pixel: Pixel, pixels: set[Pixel]) -> list[Pixel]:
    """The linked pixels; a diagonal step is dropped if two straight ones do the same."""
    y, x = pixel
    straight = [p for p in ((y - 1, x), (y, x + 1), (y + 1, x), (y, x - 1)) if p in pixels]
    diagonal = [
        (y + dy, x + dx)
        for dy in (-1, 1)
        for dx in (-1, 1)
        if (y + dy, x + dx) in pixels and (y + dy, x) not in pixels and (y, x + dx) not in pixels
    ]
    return straight + diagonal


def _paths(pixels: set[Pixel]) -> list[list[Pixel]]:
    """Lines from end or junction to end or junction, and closed loops."""
    links = {pixel: _neighbours(pixel, pixels) for pixel in pixels}
    nodes = [pixel for pixel, linked in links.items() if len(linked) != 2]
    walked: set[frozenset[Pixel]] = set()
    paths = []
    for start in sorted(nodes) + sorted(pixels):  # pixels that no node leads to form a loop
        for step in links[start]:
            if frozenset((start, step)) not in walked:
                path = _path(start, step, links)
                walked.update(map(frozenset, pairwise(path)))
                paths.append(path)
    return paths or [[pixel] for pixel in sorted(pixels)]


def _path(start: Pixel, step: Pixel, links: dict[Pixel, list[Pixel]]) -> list[Pixel]:
    """The line that begins with these two pixels and ends where it stops, forks or closes."""
    path = [start, step]
    while len(links[path[-1]]) == 2 and path[-1] != start:
        one, other = links[path[-1]]
        path.append(other if one == path[-2] else one)
    return path


def _without_spurs(paths: list[list[Pixel]]) -> list[list[Pixel]]:
    """Drop short lines with one loose end; isolated lines stay."""
    ends = [end for path in paths for end in (path[0], path[-1])]
    kept = []
    for path in paths:
        loose = [ends.count(path[0]) == 1, ends.count(path[-1]) == 1]
        if len(path) > SPUR * SCALE or sum(loose) != 1:
            kept.append(path)
    return kept or paths


def _smooth(points: Stroke) -> Stroke:
    """Moving average that keeps both ends, or the closed form of a loop."""
    reach = min(SMOOTHING // 2, (len(points) - 1) // 2)
    if reach == 0:
        return points
    closed = len(points) > 2 * SMOOTHING and np.array_equal(points[0], points[-1])
    if closed:
        padded = np.concatenate([points[-1 - reach : -1], points, points[1 : 1 + reach]])
    else:  # mirrored at its ends, a line keeps them
        before = 2 * points[0] - points[reach:0:-1]
        after = 2 * points[-1] - points[-2 : -2 - reach : -1]
        padded = np.concatenate([before, points, after])
    window = np.full(2 * reach + 1, 1 / (2 * reach + 1))
    return np.stack([np.convolve(axis, window, "valid") for axis in padded.T], axis=1)
