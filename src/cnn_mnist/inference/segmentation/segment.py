"""An ink map → its glyphs, the written signs. Knows shapes and places, not meanings.

Boxes alone decide which parts form a sign. Pixels are read only afterwards, and only for as many
signs as fit on a page of digits.
"""

import math
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from cnn_mnist.inference.percentiles import median, weighted_median
from cnn_mnist.inference.segmentation.components import Components, components, crowded, most
from cnn_mnist.inference.segmentation.glyph import Corners, Glyph, Ink, Marks, Owners

INK = 0.35  # of full ink; neighbouring pixels above it are connected
TALLEST = 1.25  # times a digit's height; parts that are taller together are several signs
TALL = 2  # times a digit's height; taller marks are drawn around or beside numbers
FLAT = 2  # times as wide as high: a dash
BESIDE = 0.75  # of a digit's height from its number
NOBODY = -1  # owns the parts that belong to no sign


class CrowdedError(ValueError):
    """The picture has more signs than a page of digits can have."""


class _Parts(NamedTuple):
    """Connected components, and the corners of each including its soft edge."""

    page: tuple[int, ...]  # height and width
    ink: Ink  # the part of the page that has any
    offset: NDArray[Any]  # x and y of that part
    marks: Components
    corners: Corners

    @property
    def sizes(self) -> NDArray[Any]:
        """Width and height of each component."""
        return np.asarray(self.corners[:, 2:] - self.corners[:, :2])

    @property
    def weights(self) -> NDArray[np.float64]:
        """The amount of ink of each component."""
        labels, count = self.marks.labels.ravel(), len(self.marks.stats)
        return np.asarray(np.bincount(labels, self.ink.ravel(), count)[1:], np.float64)

    def only(self, keep: NDArray[np.bool_]) -> "_Parts":
        """Some of the components."""
        marks = self.marks.only(np.append(False, keep))
        return self._replace(marks=marks, corners=self.corners[keep])

    @property
    def at_border(self) -> NDArray[np.bool_]:
        """Which components are cut off by the picture's border."""
        return np.asarray(self.marks.num_borders[1:] > 0)


class Signs(NamedTuple):
    """The signs of a picture, and the parts of which some are theirs."""

    glyphs: list[Glyph]
    parts: _Parts
    owners: Owners

    @classmethod
    def of(cls, parts: _Parts, owners: Owners, signs: Corners) -> "Signs":
        """The signs that own some parts."""
        of_labels = np.append(NOBODY, owners).astype(np.int32)
        boxes = np.hstack([signs[:, :2] + parts.offset, signs[:, 2:] - signs[:, :2]]).tolist()
        marks = Marks(parts.ink, parts.marks.labels)
        glyphs = [
            Glyph(tuple(box), number, of_labels, corners, marks)
            for number, (box, corners) in enumerate(zip(boxes, signs, strict=True))
        ]
        return cls(glyphs, parts, owners)

    def smaller(self) -> "Signs":
        """The signs among the marks that are too small for these.

        Raises:
            CrowdedError: there are more than a page of digits can have.
        """
        small = self.owners == NOBODY
        return _split(self.parts.only(small)) if small.any() else Signs([], *self[1:])

    def left_out(self, read: float | None) -> float | None:
        """The height of a digit by which to look again, if these are few of the marks; else None.

        One tall mark, such as a tick or a ring, may be taken for the measure of all others.

        Args:
            read: the height of the digits read so far; None to take the typical height of the
                marks that are left out.
        """
        sizes = self.parts.sizes
        if not len(sizes):
            return None
        high = sizes[:, 1]
        low = high < 0.5 * _typical_height(sizes)
        if not low.any():
            return None
        height = _typical_height(sizes[low]) if read is None else read
        dropped = np.count_nonzero(low & (high >= 0.5 * height))
        return height if dropped > np.count_nonzero(~low) else None


def single(ink: Ink) -> Signs:
    """The one digit of a picture: its main part and the parts that belong to it.

    There is one glyph, or none on blank paper.
    """
    parts = _parts(ink)
    if not len(parts.corners):
        return _split(parts)
    at_border, longer = parts.at_border, parts.sizes.max(axis=1)
    main = int(_prominence(parts).argmax())
    side, sign = longer[main], parts.corners[main]
    rest = longer >= 0.2 * side
    if not at_border[main]:  # otherwise a part cut off by the border belongs to a neighbour
        rest &= ~at_border | (_gaps(parts.corners, sign) <= 0.12 * side)
    own = np.arange(len(longer)) == main
    while (near := rest & ~own & (_gaps(parts.corners, sign) <= 0.4 * side)).any():
        own |= near
        joined = parts.corners[own]
        sign = np.append(joined[:, :2].min(axis=0), joined[:, 2:].max(axis=0))
    return Signs.of(parts, np.where(own, 0, NOBODY), sign[None])


def split(ink: Ink) -> Signs:
    """All signs of a picture, from left to right; among too many, only the much taller ones.

    Raises:
        CrowdedError: there are more than a page of digits can have.
    """
    return _split(_parts(ink))


def _split(parts: _Parts) -> Signs:
    if not len(parts.corners):
        return Signs([], parts, np.zeros(0, np.int64))
    pixels = math.prod(parts.page)
    wide, high = parts.sizes.T
    height = _typical_height(parts.sizes)
    whole = (high >= 0.5 * height) | (wide >= height)
    loose = np.flatnonzero(~whole)
    if np.count_nonzero(whole) > most(pixels):
        height = _height_over(parts.sizes, float(median(high[whole])), most(pixels))
        whole, loose = high >= 0.5 * height, loose[:0]
    owners = np.full(len(parts.corners), NOBODY)
    owners[whole], signs = _join_fragments(parts.corners[whole], height)
    largest = loose[np.argsort(-parts.sizes[loose].max(axis=1), kind="stable")][: most(pixels)]
    owners[largest] = _attach(signs, parts.corners[largest], height)
    apart = largest[owners[largest] == NOBODY]
    dashes = apart[_are_dashes(signs, parts.corners[apart], height)]
    owners[dashes] = len(signs) + np.arange(len(dashes))
    signs = np.vstack([signs, parts.corners[dashes]])
    if crowded(signs[:, 2:] - signs[:, :2], pixels):
        raise CrowdedError
    return Signs.of(parts, owners, signs)


def without_tall(ink: Ink, height: float) -> Ink:
    """The ink without the marks that are more than twice as tall as a digit of that height."""
    marks = components((ink > INK).astype(np.uint8))
    tall = marks.stats[:, cv2.CC_STAT_HEIGHT] > TALL * height
    own = marks.pixels(tall)
    erased = cv2.dilate(own, np.ones((3, 3), np.uint8))  # with their soft edges
    return np.where(erased > marks.mask - own, np.float32(0), ink)


def _parts(ink: Ink) -> _Parts:
    mask = (ink > INK).astype(np.uint8)
    x, y, wide, high = cv2.boundingRect(mask)
    left, top = max(0, x - 1), max(0, y - 1)
    inked = np.s_[top : y + high + 1, left : x + wide + 1]
    marks = components(mask[inked])
    corners = marks.stats[1:, :4] + [-1, -1, 1, 1]
    corners[:, 2:] += marks.stats[1:, :2]
    corners = np.clip(corners, 0, [*marks.mask.shape[::-1]] * 2)
    return _Parts(ink.shape, ink[inked], np.array([left, top]), marks, corners)


def _prominence(parts: _Parts) -> NDArray[np.float64]:
    """How likely each part is the main one: by size, weight and distance from the centre."""
    middles = (parts.corners[:, :2] + parts.corners[:, 2:]) / 2 + parts.offset
    away = np.abs(middles / parts.page[::-1] - 0.5).max(axis=1)
    extent = np.hypot(*parts.sizes.T) * np.sqrt(parts.weights)
    return np.asarray(extent * (1 - away) * 0.5 ** parts.marks.num_borders[1:])


def _gaps(many: Corners, one: Corners) -> NDArray[np.float64]:
    """The distance of each box to one box; 0 if they overlap."""
    apart = np.maximum(many[:, :2] - one[2:], one[:2] - many[:, 2:])
    return np.asarray(np.hypot(*np.maximum(apart, 0).T))


def _union(one: Corners, other: Corners) -> Corners:
    return np.append(np.minimum(one[:2], other[:2]), np.maximum(one[2:], other[2:]))


def _typical_height(sizes: NDArray[Any]) -> float:
    """The typical height of a digit: the median, weighted by the area of each part."""
    return weighted_median(sizes[:, 1], (sizes.astype(np.float64) ** 2).sum(axis=1))


def _height_over(sizes: NDArray[Any], crowd: float, count: int) -> float:
    """The typical height of at most `count` digits over a crowd of marks of another height.

    Raises:
        CrowdedError: there are none, or more; or the heights do not differ clearly, as in noise.
    """
    tall = sizes[sizes[:, 1] > TALL * crowd]
    if not 0 < len(tall) <= count:
        raise CrowdedError
    height = _typical_height(tall)
    if 0.5 * height < TALL * crowd:
        raise CrowdedError
    return height


def _join_fragments(corners: Corners, height: float) -> tuple[Owners, Corners]:
    """Join stacked parts that together are no taller than a digit.

    Returns the sign of each part, and the signs' corners.
    """
    owners, signs, count = np.empty(len(corners), np.int64), corners.copy(), 0
    beside = np.empty(0, np.int64)  # the signs that reach as far to the right as the part
    for part in np.argsort(corners[:, 0], kind="stable"):
        beside = beside[signs[beside, 2] > corners[part, 0]]
        near = beside[_height_together(signs[beside], corners[part]) <= TALLEST * height]
        fits = near[_one_digit(signs[near], corners[part])] if len(near) else near
        if len(fits):
            owners[part] = fits[0]
            signs[fits[0]] = _union(signs[fits[0]], corners[part])
        else:
            owners[part], signs[count] = count, corners[part]
            beside, count = np.append(beside, count), count + 1
    return owners, signs[:count]


def _height_together(many: Corners, one: Corners) -> NDArray[Any]:
    return np.asarray(np.maximum(many[:, 3], one[3]) - np.minimum(many[:, 1], one[1]))


def _one_digit(many: Corners, one: Corners) -> NDArray[np.bool_]:
    """Whether parts are stacked, or a stroke is in the other's width (the stem of an open 4)."""
    across, down = (np.minimum(many[:, 2:], one[2:]) - np.maximum(many[:, :2], one[:2])).T
    narrow, low = np.minimum(many[:, 2:] - many[:, :2], one[2:] - one[:2]).T
    share = np.where(down < 0.3 * low, 0.5, 0.85)
    return np.asarray(across > share * narrow)


def _attach(signs: Corners, loose: Corners, height: float) -> Owners:
    """Assign each small part to a nearby sign, which grows.

    Parts far from all signs get none, and neither do the letters of a word above or below a digit.
    """
    owners = np.full(len(loose), NOBODY)
    tallest = TALLEST * np.maximum(height, signs[:, 3] - signs[:, 1])
    for number, part in enumerate(loose):
        gaps = _gaps(signs, part)
        nearest = int(gaps.argmin())
        whole = _union(signs[nearest], part)
        fits = whole[3] - whole[1] <= tallest[nearest] or not _in_word(loose, part)
        if gaps[nearest] <= 0.25 * height and fits:
            owners[number] = nearest
            signs[nearest] = whole
    return owners


def _are_dashes(signs: Corners, loose: Corners, height: float) -> NDArray[np.bool_]:
    """Which small parts are flat and beside the middle of a sign, as the minus of a number."""
    wide, high = (loose[:, 2:] - loose[:, :2]).T
    found = (wide >= FLAT * high) & (wide <= height)
    for number in np.flatnonzero(found):
        part = loose[number]
        level = np.abs((part[1] + part[3] - signs[:, 1] - signs[:, 3]) / 2) < 0.25 * height
        found[number] = (level & (_gaps(signs, part) <= BESIDE * height)).any()
    return np.asarray(found)


def _in_word(loose: Corners, part: Corners) -> bool:
    """Whether a small part has others close beside it, as a letter has."""
    beside = _gaps(loose[_same_line(loose, part)], part) <= part[3] - part[1]
    return bool(np.count_nonzero(beside) > 1)  # one is the part itself


def _same_line(many: Corners, one: Corners) -> NDArray[np.bool_]:
    overlap = np.minimum(many[:, 3], one[3]) - np.maximum(many[:, 1], one[1])
    return np.asarray(overlap > 0.4 * np.minimum(many[:, 3] - many[:, 1], one[3] - one[1]))
