"""The cells of grids: straightened by their corners, without their lines, and the signs in them."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cnn_mnist.inference.layout import grid, lines
from cnn_mnist.inference.layout.view import View
from cnn_mnist.inference.percentiles import median, percentiles
from cnn_mnist.inference.pictures.page import Box, Page
from cnn_mnist.inference.recognition.line import normalized_width
from cnn_mnist.inference.segmentation import paper, segment
from cnn_mnist.inference.segmentation.components import Components, components

Contrast = NDArray[np.float32]

MARGIN = 0.25  # of the cell's shorter side, of paper around it
INSET = 0.01  # of the shorter side: how far a line may reach into its cell
MIN_SIDE, MAX_HEIGHT = 8, 80  # px
FIT = 500  # pixels used to estimate the paper's colour
COARSER, AROUND = 3, 0.8  # the median is taken on a copy, over a share of its shorter side
BROAD = 0.4  # of the cell's shorter side; no stroke is as broad
NOISE = 6.0  # times a cell's median contrast, which is that of its paper
WEAK = 0.35  # of a cell's strongest contrast
MIN_SIGN = 0.15  # of the cell's shorter side
CROSSED = 0.3  # of the written cells; on squared paper strokes pass through more of them
TOUCHED = 0.8  # sides of a written cell, on average; on squared paper strokes reach more of them
EDGE = 0.12  # of the cell's shorter side; marks along a border that reach no deeper are lines


@dataclass(frozen=True)
class Cell(View):
    """A straightened cell."""

    matrix: NDArray[np.float64]  # from the cell's pixels to the page's
    sides_touched: tuple[int, ...]  # by each of its marks
    margin: int  # px of paper around it

    def original_box(self, box: Box) -> Box:
        """A box of this cell in the original picture's pixels."""
        x, y, width, height = box
        corners = [[x, y], [x + width, y], [x + width, y + height], [x, y + height]]
        left, top, wide, high = cv2.boundingRect(self._on_page(corners).astype(np.float32))
        return self.page.original_box((left, top, wide, high))

    @property
    def centre(self) -> tuple[float, float]:
        """In the page's pixels."""
        height, width = self.grey.shape
        x, y = self._on_page([[width / 2, height / 2]])[0].tolist()
        return x, y

    @property
    def corners(self) -> NDArray[np.float32]:
        """In the original picture's pixels, 4×2, clockwise from the upper left."""
        margin = self.margin
        right, bottom = self.grey.shape[1] - margin, self.grey.shape[0] - margin
        inner = [[margin, margin], [right, margin], [right, bottom], [margin, bottom]]
        return self.page.original_points(self._on_page(inner))

    def _on_page(self, points: Any) -> NDArray[np.float64]:
        """Points of the cell in its page's pixels."""
        moved = cv2.perspectiveTransform(np.array([points], np.float64), self.matrix)
        return np.asarray(moved[0], np.float64)

    @property
    def columns(self) -> int:
        """How many columns the line network reads: the cell's lines, and the whole cell."""
        if not self.glyphs:
            return 0
        return self.layout.columns(self.grey.shape) + normalized_width(*self.grey.shape)

    @property
    def box(self) -> Box:
        """The whole cell in the original picture's pixels."""
        margin, (height, width) = self.margin, self.grey.shape
        return self.original_box((margin, margin, width - 2 * margin, height - 2 * margin))


def of_page(page: Page) -> list[list[Cell]]:
    """The cells of a page's grids, row by row; empty if it has no grid."""
    grey, cells = lines.grey_page(page.pixels), []
    for found in grid.find(grey):
        if grid.is_ruled_sheet(found, page.pixels):
            continue
        rows = [[straightened(page, corners) for corners in row] for row in found]
        if not on_squared_paper(rows, grid.is_cut(found, grey)):
            cells += rows
    return cells


def straightened(page: Page, corners: NDArray[Any]) -> Cell:
    """A cell of a page by its corners, 4×2, clockwise from the upper left."""
    sides = np.linalg.norm(corners - np.roll(corners, -1, axis=0), axis=1)
    wide, high = (max(MIN_SIDE, round(float(pair.mean()))) for pair in (sides[::2], sides[1::2]))
    inset = 1 + INSET * min(wide, high)
    low, (right, bottom) = -inset, (wide + inset, high + inset)
    outer = np.array([[low, low], [right, low], [right, bottom], [low, bottom]], np.float32)
    matrix = cv2.getPerspectiveTransform(outer, corners.astype(np.float32))
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    pixels = cv2.warpPerspective(page.pixels, matrix, (wide, high), flags=how)
    scale = min(1.0, MAX_HEIGHT / high)
    pixels = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    reduced = np.asarray(matrix @ np.diag([1 / scale, 1 / scale, 1]), np.float64)
    return _cell(np.asarray(pixels, np.uint8), reduced, page)


def on_squared_paper(cells: list[list[Cell]], is_cut: NDArray[np.bool_]) -> bool:
    """Whether the cells are squares of paper that was written on regardless of its lines.

    Args:
        is_cut: which cells the picture's border cuts off. If it cuts any, there may be more squares
            beyond it. Then marks need not cross squares; it is enough that they touch many sides,
            which whole cells show best.
    """
    flat = [one for row in cells for one in row]
    if is_cut.any():
        whole = [one for one, cut in zip(flat, is_cut.flat, strict=True) if not cut]
        written = [one for one in whole or flat if one.ink.any()]
        return sum(sum(one.sides_touched) for one in written) > TOUCHED * len(written)
    if len(cells) == 1:  # a row with paper above and below it; squared paper has more
        return False
    written = [one for one in flat if one.ink.any()]
    return sum(max(one.sides_touched) > 1 for one in written) > CROSSED * len(written)


def _cell(pixels: NDArray[np.uint8], matrix: NDArray[np.float64], page: Page) -> Cell:
    grey = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.uint8)
    least, most = _around(pixels)
    contrast = _contrast(pixels, least, most)
    written, rest = _marks(contrast)
    marks, touched = written.mask, tuple(written.num_borders[1:].tolist())
    blank = int(median(grey))
    darkest, lightest = (cv2.cvtColor(side, cv2.COLOR_RGB2GRAY) for side in (least, most))
    even = cv2.subtract(np.full_like(grey, blank), cv2.subtract(darkest, grey))
    even = cv2.add(even, cv2.subtract(grey, lightest))
    clean = np.where(rest, np.uint8(blank), even)
    full = float(percentiles(contrast[marks > 0], 75)[0]) if marks.any() else 1.0
    near = cv2.dilate(marks, np.ones((3, 3), np.uint8))
    ink = np.minimum(contrast * near / full, 1).astype(np.float32)
    margin = round(MARGIN * min(grey.shape))
    clean = cv2.copyMakeBorder(clean, *(margin,) * 4, cv2.BORDER_CONSTANT, value=blank)
    ink = cv2.copyMakeBorder(ink, *(margin,) * 4, cv2.BORDER_CONSTANT, value=0)
    moved = np.array([[1, 0, -margin], [0, 1, -margin], [0, 0, 1]])
    try:
        signs = segment.split(ink)
    except segment.CrowdedError:
        signs = segment.split(np.zeros_like(ink))
    clean = np.asarray(clean, np.uint8)
    return Cell(page, clean, ink, signs, matrix @ moved, touched, margin)


def _around(pixels: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The darkest and the lightest colour of the paper around each pixel.

    The medians around it have the hard edges of shadows, but round off a shadow's corners. Anything
    broader than a stroke, or continuing beyond the cell, counts as paper, too.
    """
    high, wide = pixels.shape[:2]
    size = max(1, wide // COARSER), max(1, high // COARSER)
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    usual, near = paper.median_filter(small, AROUND), np.ones((3, 3), np.uint8)
    broad = np.ones((max(1, round(BROAD * min(size))),) * 2, np.uint8)
    darker = cv2.min(usual, cv2.morphologyEx(small, cv2.MORPH_CLOSE, broad))
    lighter = cv2.max(usual, cv2.morphologyEx(small, cv2.MORPH_OPEN, broad))
    least, most = cv2.erode(darker, near), cv2.dilate(lighter, near)
    return paper.resized(least, pixels), paper.resized(most, pixels)


def _contrast(
    pixels: NDArray[np.uint8], least: NDArray[np.uint8], most: NDArray[np.uint8]
) -> Contrast:
    """The largest difference from the paper over a pixel's colours.

    Ink differs from paper that varies smoothly, and from the darkest and lightest around it.
    """
    colours = pixels.astype(np.float32)
    local = cv2.max(cv2.subtract(least, pixels), cv2.subtract(pixels, most))
    smooth = cv2.absdiff(colours, _paper(colours))
    return np.asarray(
        cv2.min(paper.largest_channel(smooth), paper.largest_channel(local).astype(np.float32))
    )


def _paper(colours: NDArray[np.float32]) -> NDArray[np.float32]:
    """The paper's colour, which varies smoothly in a cell: a parabola through its lighter half.

    Lighter than a first parabola through all of it, whose curve may be the edge of a shadow.
    """
    high, wide = colours.shape[:2]
    x, y = (np.linspace(-1, 1, side, dtype=np.float32) for side in (wide, high))
    y = y[:, None]
    terms = np.ones((high, wide, 6), np.float32)
    for place, term in enumerate((x, y, x * x, x * y, y * y), start=1):
        terms[..., place] = term
    flat = terms.reshape(-1, 6)
    luma = cv2.transform(colours, np.ones((1, 3)))
    some = np.s_[:: 1 + high * wide // FIT]
    first = np.linalg.lstsq(flat[some], luma.reshape(-1)[some])[0]
    lighter = luma - terms @ first
    light = np.flatnonzero(lighter >= median(lighter))
    some_light = light[:: 1 + len(light) // FIT]
    slopes = np.linalg.lstsq(flat[some_light], colours.reshape(-1, 3)[some_light])[0]
    return np.asarray(terms @ slopes, np.float32)


def _marks(contrast: Contrast) -> tuple[Components, NDArray[np.bool_]]:
    """The marks of writing, and the pixels of lines reaching into the cell."""
    noise, strong = percentiles(contrast, 50, 99.5).tolist()
    if strong < max(paper.MIN_CONTRAST, NOISE * noise):
        return components(np.zeros(contrast.shape, np.uint8)), np.zeros(contrast.shape, np.bool_)
    found = components((contrast > max(WEAK * strong, paper.MIN_CONTRAST)).astype(np.uint8))
    written = found.only(_written(found))
    rest = cv2.dilate((found.mask > written.mask).astype(np.uint8), np.ones((3, 3), np.uint8))
    return written, (rest > 0) & (written.mask == 0)


def _written(found: Components) -> NDArray[np.bool_]:
    """Which marks are neither lines along the border nor, unless alone, specks."""
    labels, short = found.labels, min(found.mask.shape)
    edge = max(1, round(EDGE * short))
    keep = found.num_borders == 0
    keep[labels[edge:-edge, edge:-edge]] = True
    keep[0] = False
    return np.asarray(keep & (keep & (found.sides >= MIN_SIGN * short)).any())
