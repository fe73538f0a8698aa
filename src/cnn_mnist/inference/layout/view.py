"""The unit of reading, a page or one of its cells: its grey, its ink, and the ink's glyphs."""

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cnn_mnist.inference.layout import lines
from cnn_mnist.inference.pictures.page import Box, Page, rotated
from cnn_mnist.inference.recognition import line
from cnn_mnist.inference.recognition.normalize import SIDE, even_stroke, to_mnist
from cnn_mnist.inference.segmentation import ink, segment
from cnn_mnist.inference.segmentation.components import most
from cnn_mnist.inference.segmentation.glyph import Glyph, Ink, reduced

CLEARER = 2  # times the contrast in lightness: that in a colour which is read instead


@dataclass(frozen=True)
class View:
    """A page: `grey`, the channel that shows its ink; `ink` from 0 to 1; and its `signs`."""

    page: Page
    grey: NDArray[np.uint8]
    ink: Ink
    signs: segment.Signs
    _framed: dict[int, NDArray[np.uint8]] = field(default_factory=dict, init=False, repr=False)

    def original_box(self, box: Box) -> Box:
        """The visible part of a box, in the original's pixels."""
        return self.page.original_box(box)

    @property
    def glyphs(self) -> list[Glyph]:
        """The signs, one by one."""
        return self.signs.glyphs

    @cached_property
    def boxes(self) -> list[line.Box]:
        """The glyphs' boxes."""
        return [glyph.box for glyph in self.glyphs]

    @cached_property
    def layout(self) -> lines.Layout:
        """The arrangement of the glyphs in lines."""
        return lines.Layout.of(self.boxes)

    def frames(self, glyphs: Iterable[int] | None = None) -> NDArray[np.uint8]:
        """Some or all of the glyphs in MNIST's format, N×28×28; each is framed at most once."""
        wanted = range(len(self.glyphs)) if glyphs is None else glyphs
        frames = np.array([self._frame(glyph) for glyph in wanted], np.uint8)
        return frames.reshape(-1, SIDE, SIDE)

    def _frame(self, glyph: int) -> NDArray[np.uint8]:
        if glyph not in self._framed:
            self._framed[glyph] = to_mnist(even_stroke(self.glyphs[glyph].ink))
        return self._framed[glyph]

    def frame(self, box: line.Box) -> NDArray[np.uint8]:
        """The ink within a box in MNIST's frame; an empty frame if there is none."""
        inside = self.ink_in(box)
        if not inside.any():
            return np.zeros((SIDE, SIDE), np.uint8)
        return to_mnist(even_stroke(reduced(inside)))

    def ink_in(self, box: line.Box) -> Ink:
        """The ink within a box."""
        x, y, width, height = (max(0, round(v)) for v in box)
        return self.ink[y : y + height, x : x + width]


def of_page(page: Page, single: bool = False) -> View:
    """View a whole page; the view has no colours.

    Args:
        single: the page holds one digit.

    Raises:
        CrowdedError: there are more signs than a page of digits can have.
    """
    marks, dots = ink.find_with_dots(page.pixels)
    grey = visible(page.pixels, marks)
    if dots.any():
        grey = np.asarray(cv2.inpaint(grey, dots, 1, cv2.INPAINT_TELEA), np.uint8)
    signs = segment.single(marks) if single else segment.split(marks)
    return View(replace(page, pixels=grey), grey, marks, signs)


def without_tall(seen: View, height: float | None) -> View:
    """A view without marks much taller than its digits, if their height is known.

    Raises:
        CrowdedError: as for `of_page`.
    """
    if height is None:
        return seen
    marks = segment.without_tall(seen.ink, height)
    return replace(seen, ink=marks, signs=segment.split(marks))


def smaller(seen: View) -> View:
    """A view of the marks too small for the size of its glyphs, no more than a page may have."""
    glyphs: list[Glyph] = []
    signs = seen.signs
    with contextlib.suppress(segment.CrowdedError):
        while (signs := signs.smaller()).glyphs:
            if len(glyphs) + len(signs.glyphs) > most(seen.ink.size):
                break
            glyphs += signs.glyphs
    return replace(seen, signs=signs._replace(glyphs=glyphs))


def visible(pixels: NDArray[np.uint8], marks: NDArray[Any]) -> NDArray[np.uint8]:
    """The lightness of a picture, or the colour in which its ink can be seen much better.

    Red ink may be as light as green paper, and yellow ink nearly as light as white paper.

    Args:
        pixels: uint8 H×W×3.
        marks: its ink, H×W; 0 = none.
    """
    inked = (marks > 0).astype(np.uint8)
    x, y, wide, high = cv2.boundingRect(inked)
    part = np.s_[max(0, y - 2) : y + high + 2, max(0, x - 2) : x + wide + 2]
    inked = inked[part]
    around = cv2.dilate(inked, np.ones((5, 5), np.uint8)) - inked
    colours = pixels[part]
    differ = np.abs(np.subtract(cv2.mean(colours, inked), cv2.mean(colours, around))[:3])
    grey = lines.grey_page(pixels)
    in_grey = abs(cv2.mean(grey[part], inked)[0] - cv2.mean(grey[part], around)[0])
    if in_grey >= differ.max() / CLEARER:
        return grey
    return np.ascontiguousarray(pixels[..., int(differ.argmax())])


def rotate(seen: View, degrees: int) -> View:
    """A page rotated clockwise. Its ink is rotated, too, instead of being found again.

    Raises:
        CrowdedError: as for `of_page`.
    """
    page = seen.page.turn(degrees)
    marks = rotated(seen.ink, degrees, cv2.BORDER_CONSTANT)
    return View(page, page.pixels, marks, segment.split(marks))
