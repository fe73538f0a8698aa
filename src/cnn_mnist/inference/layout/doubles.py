"""Doubles: signs that two lines' crops show, of which only one line has their ink."""

from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn_mnist.inference.recognition.line import Sign

SAME = 0.5  # of a sign inside another one, which then is the same or more of it
BAND = 64  # signs whose ink is searched together


def without_doubles(pieces: list[list[Sign]], ink: list[NDArray[Any]]) -> list[list[Sign]]:
    """The signs of each line, without those that are another line's and are read there, too.

    Args:
        pieces: the signs of each line's crop, with boxes in the page's pixels.
        ink: the boxes of each line's own ink, N×4.
    """
    if len(pieces) < 2:
        return pieces
    signs = list(chain.from_iterable(pieces))
    lines = np.repeat(np.arange(len(pieces)), [len(piece) for piece in pieces])
    boxes = [np.reshape([sign.box for sign in piece], (-1, 4)) for piece in pieces]
    every = np.concatenate(boxes)
    owners = _owners(every, lines, ink)
    keeps = np.ones(len(signs), bool)
    for place in np.flatnonzero(owners != lines).tolist():
        box, others = every[place], boxes[owners[place]]
        keeps[place] = not (_common(others, box) > SAME * box[2] * box[3]).any()
    left = iter(keeps.tolist())
    return [[sign for sign in piece if next(left)] for piece in pieces]


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
        both = _common(mark, sign)
        share = both / (sign[..., 2:].prod(axis=-1) + mark[..., 2:].prod(axis=-1) - both)
        is_inked = share.max(axis=1) > 0
        owners[band[is_inked]] = of[near[share.argmax(axis=1)]][is_inked]
    return owners


def _common(some: NDArray[Any], others: NDArray[Any]) -> NDArray[Any]:
    """The areas that boxes have in common."""
    high = np.minimum(some[..., :2] + some[..., 2:], others[..., :2] + others[..., 2:])
    low = np.maximum(some[..., :2], others[..., :2])
    return np.asarray((high - low).clip(min=0).prod(axis=-1))
