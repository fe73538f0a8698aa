"""Edges: lines of the paper and of frames that the networks read as digits."""

from itertools import takewhile

import numpy as np
from numpy.typing import NDArray

from cnn_mnist.inference.layout.view import View
from cnn_mnist.inference.layout.words import SURE
from cnn_mnist.inference.pictures.page import Box
from cnn_mnist.inference.recognition import line
from cnn_mnist.inference.recognition.agree import Found

LYING = 1.5  # times as wide as high: a stroke at over 56° from upright, which is no 1
WIDE = 3  # times as wide as high: no digit is
SLIM = 0.25  # of its height: a line through the picture is narrower, even if that is tilted
BEYOND = 0.35  # of a stroke's height: where it is searched for above and below its box
GOES_ON = 0.5  # of a stroke's contrast; with more above and below its box, it is part of a line


def without_edges(rows: list[list[Found]], seen: View) -> list[list[Found]]:
    """The signs of a page without those that are lines."""
    return [[sign for sign in row if not _is_edge(sign, seen)] for row in rows]


def _is_edge(sign: Found, seen: View) -> bool:
    """Whether what was read as a digit is a line.

    It lies, crosses the whole picture, or goes on beyond its box.
    """
    if not sign.is_digit:
        return False
    x, y, width, height = map(round, sign.box)
    is_doubtful = sign.confidence < SURE
    if sign.character != "1":
        return is_doubtful and width > WIDE * height
    if sign.glyph is not None and width > LYING * height:
        return True
    is_like_one = SLIM * height <= width <= height  # or is it a side, or a whole frame?
    if is_doubtful and not is_like_one and _is_through(seen, (x, y, width, height)):
        return True
    is_ink = sign.glyph is not None or seen.ink_in(sign.box).any()
    return not is_ink and _goes_on(sign.box, seen.grey)


def _is_through(seen: View, box: Box) -> bool:
    """Whether a box reaches from the top of the page to its bottom, in the original picture."""
    is_on_its_side = seen.page.turned % 180 == 90
    side = 0 if is_on_its_side else 1
    return seen.original_box(box)[2 + side] >= seen.page.size[side] - 1


def _goes_on(box: line.Box, grey: NDArray[np.uint8]) -> bool:
    """Whether what is seen in a box goes on above and below it, up to a line across or the border.

    Each row is compared with its own median, and nothing beyond a line across counts. What ends on
    one, or at the border, at both ends goes on there.
    """
    x, y, width, height = box
    left = max(0, min(round(x - width / 2), grey.shape[1] - 3))
    strip = grey[:, left : left + max(3, round(2 * width) + 1)]
    first = min(max(0, round(y)), len(grey) - 1)
    last, more = max(first + 1, round(y + height)), max(1, round(BEYOND * height))
    paper = np.median(strip, axis=1)
    contrast = np.abs(strip - paper[:, None]).max(axis=1)
    least = GOES_ON * np.median(contrast[first:last])
    is_across = np.abs(paper - np.median(paper[first:last])) > least
    return all(
        bool(np.median(contrast[rows]) > least)
        for end in (range(first - 1, max(0, first - more) - 1, -1), range(last, last + more))
        if (rows := _before(is_across, end))
    )


def _before(is_across: NDArray[np.bool_], rows: range) -> list[int]:
    """The rows of a picture up to the first line across."""
    return [*takewhile(lambda row: row < len(is_across) and not is_across[row], rows)]
