"""Doubles: signs that two lines' crops show, of which only one line has their ink."""

from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn_mnist.inference.recognition.line import OTHER, Sign, common

SAME = 0.5  # of a sign inside another one, which then is the same or more of it
BAND = 64  # signs whose ink is searched together


def without_doubles(pieces: list[list[Sign]], ink: list[NDArray[Any]]) -> list[list[Sign]]:
    """The signs of each line, without those that are another line's and are read there.

    What the other line does not know, such as a mark that is joined to this line's digit, may have
    been read here only.

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
    left = iter(keeps.tolist())
    return [[sign for sign in piece if next(left)] for piece in pieces]


def are_inside(boxes: NDArray[Any], others: NDArray[Any]) -> NDArray[np.bool_]:
    """For each box (N) and each other one (M), whether it is mostly inside: N×M."""
    some = boxes[:, None]
    return np.asarray(common(others, some) > SAME * some[..., 2:].prod(axis=-1))


def _owners(
    boxes: NDArray[Any], lines: NDArray[np.int64], ink: list[NDArray[Any]]
) -> NDArray[np.int64]:
    """For each sign the line whose ink it fits best, or where there is none, its own.

    The page is compared in bands with what reaches into them, instead of all pairs.
    """
    inked, owners = np.concatenate(ink), lines.copy()
    of = np.repeat(np.arange(len(ink)), [len(line) for line in ink])
    top, bottom = boxes[:, 1], boxes[:, 1] + boxes[:, 3]
    down = np.argsort(top)
    for start in range(0, len(boxes), BAND):
        band = down[start : start + BAND]
        reaches = inked[:, 1] < bottom[band].max()
        near = np.flatnonzero(reaches & (inked[:, 1] + inked[:, 3] > top[band].min()))
        if not len(near):
            continue
        sign, mark = boxes[band, None], inked[near]
        both = common(mark, sign)
        share = both / (sign[..., 2:].prod(axis=-1) + mark[..., 2:].prod(axis=-1) - both)
        is_inked = share.max(axis=1) > 0
        owners[band[is_inked]] = of[near[share.argmax(axis=1)]][is_inked]
    return owners
