"""Doubles: signs that two lines' crops show, or pieces of one sign that were read as two lines."""

from collections.abc import Iterator
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn_mnist.inference.recognition.line import DIGITS, OTHER, SIGNS, Sign, common

SAME = 0.5  # of a sign inside another one, which then is the same or more of it
BAND = 64  # signs whose ink is searched together


def without_doubles(pieces: list[list[Sign]], ink: list[NDArray[Any]]) -> list[list[Sign]]:
    """The signs of each line, without those that are another line's and are read there.

    What the other line does not know, such as a mark that is joined to this line's digit, may have
    been read here only. Of two signs of which one is inside the other, the more certain digit is
    right: the ink of one sign may be two pieces, one above the other, and two lines.

    Args:
        pieces: the signs of each line's crop, with boxes in the page's pixels.
        ink: the boxes of each line's own ink, N×4.
    """
    if len(pieces) < 2:
        return pieces
    signs = list(chain.from_iterable(pieces))
    lines = np.repeat(np.arange(len(pieces)), [len(piece) for piece in pieces])
    boxes = [np.reshape([sign.box for sign in piece], (-1, 4)) for piece in pieces]
    is_read = [np.array([sign.character != OTHER for sign in piece], bool) for piece in pieces]
    owners = _owners(np.concatenate(boxes), lines, ink)
    keeps = np.ones(len(signs), bool)
    for place in np.flatnonzero(owners != lines).tolist():
        sign, owner = signs[place], owners[place]
        keeps[place] = not (are_inside(np.array([sign.box]), boxes[owner]) & is_read[owner]).any()
    keeps[keeps] = ~_are_pieces(
        [sign for sign, ok in zip(signs, keeps, strict=True) if ok], lines[keeps]
    )
    left = iter(keeps.tolist())
    return [[sign for sign in piece if next(left)] for piece in pieces]


def are_inside(boxes: NDArray[Any], others: NDArray[Any]) -> NDArray[np.bool_]:
    """For each box (N) and each other one (M), whether it is mostly inside: N×M."""
    some = boxes[:, None]
    return np.asarray(common(others, some) > SAME * some[..., 2:].prod(axis=-1))


def beside(boxes: NDArray[Any], others: NDArray[Any]) -> NDArray[Any]:
    """The boxes, N×4, that are not mostly inside another one, M×4, nor that inside them."""
    meets = np.zeros(len(boxes), bool)
    for band, near in _bands(boxes, others):
        some, close = boxes[band], others[near]
        meets[band] = (are_inside(some, close) | are_inside(close, some).T).any(axis=1)
    return boxes[~meets]


def _owners(
    boxes: NDArray[Any], lines: NDArray[np.int64], ink: list[NDArray[Any]]
) -> NDArray[np.int64]:
    """For each sign the line whose ink it fits best, or where there is none, its own."""
    inked, owners = np.concatenate(ink), lines.copy()
    of = np.repeat(np.arange(len(ink)), [len(line) for line in ink])
    for band, near in _bands(boxes, inked):
        sign, mark = boxes[band, None], inked[near]
        both = common(mark, sign)
        share = both / (sign[..., 2:].prod(axis=-1) + mark[..., 2:].prod(axis=-1) - both)
        is_inked = share.max(axis=1) > 0
        owners[band[is_inked]] = of[near[share.argmax(axis=1)]][is_inked]
    return owners


def _are_pieces(signs: list[Sign], lines: NDArray[np.int64]) -> NDArray[np.bool_]:
    """For each sign, whether it is the same as a more certain digit of another line that stays."""
    boxes = np.reshape([sign.box for sign in signs], (-1, 4))
    certain = np.array([sign.confidence for sign in signs])
    is_digit = np.array([sign.character in DIGITS for sign in signs], bool)
    is_sign = np.array([sign.character in SIGNS for sign in signs], bool)
    pairs: list[tuple[int, int]] = []  # each sign with a digit that may replace it
    for band, near in _bands(boxes, boxes):
        some, others = boxes[band], boxes[near]
        same = are_inside(some, others) | are_inside(others, some).T
        better = is_digit[near] & (certain[near] > certain[band, None]) & ~is_sign[band, None]
        found = np.argwhere(same & better & (lines[near] != lines[band, None]))
        pairs += zip(band[found[:, 0]].tolist(), near[found[:, 1]].tolist(), strict=True)
    goes = np.zeros(len(signs), bool)
    for piece, digit in sorted(pairs, key=lambda pair: -certain[pair[0]]):
        goes[piece] |= not goes[digit]
    return goes


def _bands(
    boxes: NDArray[Any], others: NDArray[Any]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """The boxes in bands of the page, each with the others that reach into it, if any.

    So a page is compared without all pairs.
    """
    top, bottom = boxes[:, 1], boxes[:, 1] + boxes[:, 3]
    down = np.argsort(top)
    for start in range(0, len(boxes), BAND):
        band = down[start : start + BAND]
        reaches = others[:, 1] < bottom[band].max()
        near = np.flatnonzero(reaches & (others[:, 1] + others[:, 3] > top[band].min()))
        if len(near):
            yield band, near
