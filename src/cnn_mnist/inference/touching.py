"""A wide sign → the digits that touch in it, as the network likes them best.

Candidate cuts are paths of least ink from top to bottom. Among all ways to cut along some of them,
dynamic programming finds the one whose pieces are most certainly digits and of a digit's width
(recognition-based segmentation; Casey and Lecolinet, PAMI 1996).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cnn_mnist.inference.segment import INK, Glyph, Ink

Certainty = Callable[[list[Glyph]], NDArray[np.float32]]

HEIGHT = 56  # px; a large sign is cut on a copy of this height
STEP, REACH = 0.1, 0.13  # of the height: from candidate to candidate, and how far a path may bend
MOST_CANDIDATES = 14
NARROWEST, WIDEST = 0.12, 1.3  # of the height; a digit's width
USUAL, SPREAD = 0.75, 0.3  # of the height; wider digits are less likely
LOWEST = 0.5  # of the height; no digit in a row is lower
LONGEST = (MOST_CANDIDATES + 1) * WIDEST  # of the height; what is longer cannot be cut into digits
FEW, MANY = 6, 24  # signs of a picture that are cut at most: of a small one, of a large one
ROOM = 150_000  # px of the picture for each of them
CUT, CROSSED = 1.2, 0.3  # log-probability that a cut costs, and each stroke that it crosses


@dataclass(frozen=True)
class Path:
    """A cut: its column in each row of the sign, and how many strokes it crosses."""

    columns: NDArray[np.int64]
    crossed: float


def most(pixels: int) -> int:
    """How many signs of a picture are cut: each costs as much as a hundred others."""
    return min(max(pixels // ROOM, FEW), MANY)


def separate(glyph: Glyph, height: int, certainty: Certainty) -> list[Glyph]:
    """The digits of one sign from the left; the sign itself where it is best left whole.

    Args:
        height: px, of a digit.
        certainty: the network's highest probability for each of some glyphs.
    """
    if glyph.box[2] > LONGEST * height:
        return [glyph]
    scale = min(1.0, HEIGHT / height)
    small, height = _reduced(glyph, scale), max(1, round(height * scale))
    rows, width = small.ink.shape
    ends = [Path(np.zeros(rows, np.int64), 0), Path(np.full(rows, width), 0)]
    cuts = [ends[0], *paths(small.ink, height), ends[1]]
    pieces = {
        (i, j): piece
        for j in range(1, len(cuts))
        for i in range(j)
        if (piece := _between(small, cuts[i], cuts[j])) and _may_be_digit(piece, height)
    }
    whole = 0, len(cuts) - 1
    pieces[whole] = small
    likes = dict(zip(pieces, certainty(list(pieces.values())), strict=True))
    best = [0.0] + [-math.inf] * whole[1]
    came_from = [0] * len(cuts)
    for i, j in sorted(pieces, key=lambda pair: pair[1]):
        score = best[i] + math.log(max(float(likes[i, j]), 1e-6)) - _too_wide(pieces[i, j], height)
        if j < whole[1]:
            score -= CUT + CROSSED * cuts[j].crossed
        if score > best[j]:
            best[j], came_from[j] = score, i
    chain = _chain(came_from)
    if chain == [whole]:
        return [glyph]
    full = [Path(_enlarged(cut.columns, glyph.ink.shape, scale), cut.crossed) for cut in cuts]
    found = [_between(glyph, full[i], full[j]) for i, j in chain]
    return [piece for piece in found if piece]


def _reduced(glyph: Glyph, scale: float) -> Glyph:
    size = tuple(max(1, round(side * scale)) for side in glyph.ink.shape[::-1])
    ink = np.asarray(cv2.resize(glyph.ink, size, interpolation=cv2.INTER_AREA), np.float32)
    return Glyph(ink, (0, 0, *size))


def _chain(came_from: list[int]) -> list[tuple[int, int]]:
    found, j = [], len(came_from) - 1
    while j > 0:
        found.append((came_from[j], j))
        j = came_from[j]
    return found[::-1]


def _may_be_digit(piece: Glyph, height: int) -> bool:
    narrow = piece.box[2] < NARROWEST * height or piece.box[2] > WIDEST * height
    return not narrow and piece.box[3] >= LOWEST * height


def _too_wide(piece: Glyph, height: int) -> float:
    return max(0.0, piece.box[2] / height - USUAL) ** 2 / (2 * SPREAD**2)


def paths(ink: Ink, height: int) -> list[Path]:
    """Candidate cuts from the left, at most MOST_CANDIDATES of them, the cheapest."""
    edge = NARROWEST * height
    middles = np.arange(edge, ink.shape[1] - edge, STEP * height)
    if middles.size == 0:
        return []
    columns = _seams(ink, middles, REACH * height)
    rows = np.arange(ink.shape[0])
    stroke = max(1.0, float(ink.sum()) / max(1, _length(ink)))
    found = [Path(path, float(ink[rows, path].sum()) / stroke) for path in columns]
    distinct: list[Path] = []
    for path in sorted(found, key=lambda p: p.crossed):
        if all(np.abs(path.columns - p.columns).mean() > 0.05 * height for p in distinct):
            distinct.append(path)
        if len(distinct) == MOST_CANDIDATES:
            break
    return sorted(distinct, key=lambda p: p.columns.mean())


def _length(ink: Ink) -> float:
    """Roughly the strokes' length: half of their outline."""
    mask = (ink > INK).astype(np.uint8)
    outlines, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    return sum(cv2.arcLength(outline, True) for outline in outlines) / 2


def _enlarged(
    columns: NDArray[np.int64], shape: tuple[int, ...], scale: float
) -> NDArray[np.int64]:
    rows = np.minimum((np.arange(shape[0]) * scale).astype(int), columns.size - 1)
    return np.asarray(np.clip(np.rint(columns[rows] / scale), 0, shape[1]), np.int64)


def _seams(ink: Ink, middles: NDArray[np.float64], reach: float) -> NDArray[np.int64]:
    """For each middle, the column, row by row, of the path from top to bottom that crosses least
    ink (Avidan and Shamir 2007)."""
    height, width = ink.shape
    window = np.arange(-math.ceil(reach), math.ceil(reach) + 1)
    columns = np.clip(np.rint(middles[:, None]).astype(np.int64) + window, 0, width - 1)
    away = np.abs(columns - middles[:, None])
    toll = np.where(away <= reach, 0.02 * away / max(reach, 1), 1e3)
    total = np.empty((height, *columns.shape))
    total[0] = ink[0, columns] + toll
    above = np.full((len(middles), window.size + 2), np.inf)
    for row in range(1, height):
        above[:, 1:-1] = total[row - 1]
        slanted = np.minimum(above[:, :-2], above[:, 2:]) + 0.05
        total[row] = ink[row, columns] + toll + np.minimum(slanted, above[:, 1:-1])
    places = np.zeros((len(middles), height), np.int64)
    places[:, -1] = total[-1].argmin(axis=1)
    for row in range(height - 2, -1, -1):
        near = np.clip(places[:, row + 1, None] + np.array([0, -1, 1]), 0, window.size - 1)
        choice = np.take_along_axis(total[row], near, axis=1).argmin(axis=1)
        places[:, row] = np.take_along_axis(near, choice[:, None], axis=1)[:, 0]
    return np.take_along_axis(columns, places, axis=1)


def _between(glyph: Glyph, left: Path, right: Path) -> Glyph | None:
    column = np.arange(glyph.ink.shape[1])
    own = (column >= left.columns[:, None]) & (column < right.columns[:, None])
    ink = np.where(own, glyph.ink, 0)
    columns = np.flatnonzero((ink > INK).any(axis=0))
    rows = np.flatnonzero((ink > INK).any(axis=1))
    if columns.size == 0:
        return None
    x, y = int(columns[0]), int(rows[0])
    piece = ink[y : rows[-1] + 1, x : columns[-1] + 1].astype(np.float32)
    corner = glyph.box[0] + x, glyph.box[1] + y
    return Glyph(piece, (*corner, piece.shape[1], piece.shape[0]))
