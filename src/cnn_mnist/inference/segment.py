"""An ink map → single digits in reading order. Knows shapes and places, not what they mean."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cnn_mnist.inference.components import Components, components

Ink = NDArray[np.float32]
Box = tuple[int, int, int, int]

INK = 0.35  # of full ink; above it, neighbouring pixels belong together


@dataclass(frozen=True)
class Glyph:
    """One written sign: its box (x, y, width, height) in the ink map and only its own ink."""

    ink: Ink
    box: Box


def single(ink: Ink) -> list[Glyph]:
    """The one digit of a picture: its main part and the parts that belong to it.

    Returns a list of one glyph, or of none on blank paper.
    """
    parts = _parts(ink)
    if not parts:
        return []
    main = max(parts, key=lambda part: _prominence(part, ink.shape))
    side = max(main.box[2:])
    rest = [
        part
        for part in parts
        if part is not main
        and max(part.box[2:]) >= 0.2 * side
        and not _cut_off(part, main, ink.shape)
    ]
    glyph = main
    while near := [part for part in rest if _gap(part.box, glyph.box) <= 0.4 * side]:
        rest = [part for part in rest if all(part is not other for other in near)]
        glyph = _union([glyph, *near])
    return [glyph]


def split(ink: Ink) -> list[Glyph]:
    """All signs of a picture, line by line from the top, each line from the left."""
    parts = _parts(ink)
    if not parts:
        return []
    height = _typical_height(parts)
    whole = [part for part in parts if part.box[3] >= 0.5 * height or part.box[2] >= height]
    loose = [part for part in parts if all(part is not other for other in whole)]
    joined = _join_fragments(whole, height)
    return _reading_order(_attach(joined, loose, height))


def _parts(ink: Ink) -> list[Glyph]:
    """Connected components, each with the soft ink of its rim."""
    mask = (ink > INK).astype(np.uint8)
    x, y, wide, high = cv2.boundingRect(mask)
    top, left = max(0, y - 1), max(0, x - 1)
    inked = np.s_[top : y + high + 1, left : x + wide + 1]
    marks = components(mask[inked])
    return [_part(marks, index, ink[inked], (left, top)) for index in range(1, len(marks.stats))]


def _part(marks: Components, index: int, ink: Ink, corner: tuple[int, int]) -> Glyph:
    x, y, width, height = (int(v) for v in marks.stats[index][:4])
    left, top = max(0, x - 1), max(0, y - 1)
    region = np.s_[top : y + height + 1, left : x + width + 1]
    own = (marks.labels[region] == index).astype(np.uint8)
    others = marks.mask[region] > own
    rim = cv2.dilate(own, np.ones((3, 3), np.uint8))
    piece = np.where((rim > 0) & ~others, ink[region], 0).astype(np.float32)
    return Glyph(piece, (corner[0] + left, corner[1] + top, piece.shape[1], piece.shape[0]))


def _prominence(part: Glyph, shape: tuple[int, ...]) -> float:
    """How likely a part is what the picture is about: size, weight and nearness to the middle."""
    x, y, width, height = part.box
    across = abs((x + width / 2) / shape[1] - 0.5)
    down = abs((y + height / 2) / shape[0] - 0.5)
    extent = float(np.hypot(width, height) * np.sqrt(part.ink.sum()))
    return extent * (1 - max(across, down)) * (0.5 if _touches_border(part, shape) else 1.0)


def _touches_border(part: Glyph, shape: tuple[int, ...]) -> bool:
    x, y, width, height = part.box
    ink = part.ink > INK
    return bool(
        (x == 0 and ink[:, 0].any())
        or (y == 0 and ink[0].any())
        or (x + width == shape[1] and ink[:, -1].any())
        or (y + height == shape[0] and ink[-1].any())
    )


def _cut_off(part: Glyph, main: Glyph, shape: tuple[int, ...]) -> bool:
    """A neighbour that the picture's border cuts, beside a digit that lies wholly inside."""
    apart = _gap(part.box, main.box) > 0.12 * max(main.box[2:])
    return apart and _touches_border(part, shape) and not _touches_border(main, shape)


def _gap(a: Box, b: Box) -> float:
    """Distance between two boxes, 0 where they overlap."""
    across = max(a[0] - b[0] - b[2], b[0] - a[0] - a[2], 0)
    down = max(a[1] - b[1] - b[3], b[1] - a[1] - a[3], 0)
    return float(np.hypot(across, down))


def _union(parts: list[Glyph]) -> Glyph:
    left, top = min(p.box[0] for p in parts), min(p.box[1] for p in parts)
    right = max(p.box[0] + p.box[2] for p in parts)
    bottom = max(p.box[1] + p.box[3] for p in parts)
    ink = np.zeros((bottom - top, right - left), np.float32)
    for part in parts:
        x, y = part.box[0] - left, part.box[1] - top
        region = ink[y : y + part.box[3], x : x + part.box[2]]
        np.maximum(region, part.ink, out=region)
    return Glyph(ink, (left, top, right - left, bottom - top))


def _typical_height(parts: list[Glyph]) -> float:
    """The height of a digit: the median, each part weighing what it covers of the page."""
    heights = np.array([part.box[3] for part in parts])
    weights = np.array([float(np.hypot(*part.box[2:])) ** 2 for part in parts])
    order = np.argsort(heights)
    middle = np.searchsorted(np.cumsum(weights[order]), weights.sum() / 2)
    return float(heights[order][middle])


def _join_fragments(whole: list[Glyph], height: float) -> list[Glyph]:
    """Join parts that stand on top of each other and are together no taller than a digit."""
    glyphs = sorted(whole, key=lambda g: g.box[0])
    joined: list[Glyph] = []
    for glyph in glyphs:
        partner = next((g for g in joined if _one_digit(g.box, glyph.box, height)), None)
        if partner is None:
            joined.append(glyph)
        else:
            joined[next(i for i, g in enumerate(joined) if g is partner)] = _union([partner, glyph])
    return joined


def _one_digit(a: Box, b: Box, height: float) -> bool:
    """Stacked parts, or a stroke inside the other's width (the stem of an open 4)."""
    across = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    down = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    taller = max(a[1] + a[3], b[1] + b[3]) - min(a[1], b[1])
    stacked = down < 0.3 * min(a[3], b[3])
    return across > (0.5 if stacked else 0.85) * min(a[2], b[2]) and taller <= 1.25 * height


def _attach(glyphs: list[Glyph], loose: list[Glyph], height: float) -> list[Glyph]:
    """Give each small part to the digit that it is near; drop what is near to none."""
    for part in sorted(loose, key=lambda p: -max(p.box[2:])):
        distance = [_gap(part.box, glyph.box) for glyph in glyphs]
        nearest = int(np.argmin(distance))
        if distance[nearest] <= 0.25 * height:
            glyphs[nearest] = _union([glyphs[nearest], part])
    return glyphs


def _reading_order(glyphs: list[Glyph]) -> list[Glyph]:
    """Lines are what overlaps vertically; a line may slope."""
    lines: list[list[Glyph]] = []
    for glyph in sorted(glyphs, key=lambda g: g.box[0]):
        line = next((line for line in lines if _same_line(line[-1].box, glyph.box)), None)
        if line is None:
            lines.append([glyph])
        else:
            line.append(glyph)
    lines.sort(key=lambda line: float(np.mean([g.box[1] + g.box[3] / 2 for g in line])))
    return [glyph for line in lines for glyph in line]


def _same_line(a: Box, b: Box) -> bool:
    overlap = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    return overlap > 0.4 * min(a[3], b[3])
