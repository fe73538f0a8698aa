"""Numbers of several sizes on a page: those much smaller or taller than most of its signs.

One size is the page's, and its signs are all read. Of the marks of other sizes, only certain
numbers of several digits count: a single tall mark may be a tick, and small ones may be print.
"""

from collections.abc import Sequence
from itertools import chain
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn_mnist.inference.layout.doubles import are_inside, beside
from cnn_mnist.inference.layout.structure import numbers_in
from cnn_mnist.inference.layout.view import View
from cnn_mnist.inference.layout.words import EVEN, SURE, without_words
from cnn_mnist.inference.percentiles import median
from cnn_mnist.inference.recognition.agree import Found
from cnn_mnist.inference.recognition.line import Box
from cnn_mnist.inference.recognition.line_reader import DOUBT
from cnn_mnist.inference.segmentation import segment

Rows = list[list[Found]]


def with_others(rows: Rows, others: Rows) -> Rows:
    """The lines of a page, and from its reading at another size those with certain numbers.

    Both may show the same signs: a line's crop shows parts of numbers of other sizes, and one size
    may be that of only some digits of a number. Then the reading with more digits counts.
    """
    for row in without_words(others):
        numbers = [number for number in numbers_in(row) if _is_certain(number)]
        new = [number for number in numbers if _num_digits(rows, number) < len(_digits(number))]
        signs = [sign._replace(glyph=None) for sign in chain(*new)]
        if signs:
            rows = _inserted(_without(rows, signs), signs)
    return rows


def without_words_and_drawings(rows: Rows, marks: Sequence[Box] = ()) -> Rows:
    """The lines without words, and without numbers that are drawings.

    These look like a digit, such as a door on a plan or the hole of a tag, but a doubtful one, and
    not as high as that of any certain number.

    Args:
        rows, marks: as for `without_words`.
    """
    kept = without_words(rows, marks)
    numbers = [number for row in kept for number in numbers_in(row)]
    heights = np.array([s.box[3] for n in numbers if _is_certain(n) for s in _digits(n)])
    drawings = {sign.box for n in numbers if _is_drawing(n, heights) for sign in n}
    if not drawings:
        return kept
    rest = [[sign for sign in row if sign.box not in drawings] for row in rows]
    others = beside(np.reshape([*marks], (-1, 4)), np.reshape([*drawings], (-1, 4)))
    return without_words([row for row in rest if row], others.tolist())


def _is_drawing(number: list[Found], heights: NDArray[Any]) -> bool:
    """Whether a number is a doubtful digit unlike the certain ones of a page, if it has any."""
    digits = _digits(number)
    if len(digits) > 1 or digits[0].confidence >= DOUBT or not len(heights):
        return False
    ratio = heights / digits[0].box[3]
    return not ((ratio > EVEN) & (ratio < 1 / EVEN)).any()


def height_of_others(rows: Rows, seen: View) -> float | None:
    """The height of a digit by which to look again; None if few marks were left out.

    It is that of the digits read so far if marks are much taller. Otherwise, the only digit read
    may be such a mark, for example an arrow.
    """
    heights = [s.box[3] for s in chain(*rows) if s.is_digit and s.confidence >= DOUBT]
    read = float(median(np.array(heights))) if heights else None
    if read and all(height <= segment.TALL * read for _, _, _, height in seen.boxes):
        read = None
    return seen.signs.left_out(read)


def num_right(rows: Rows) -> tuple[float, float]:
    """The expected numbers of right digits: of those not in doubt, and of all.

    Pieces of lines may be many doubtful 1s.
    """
    digits = [sign.confidence for sign in chain(*without_words(rows)) if sign.is_digit]
    return sum(p for p in digits if p >= DOUBT), sum(digits)


def _digits(signs: list[Found]) -> list[Found]:
    return [sign for sign in signs if sign.is_digit]


def _is_certain(signs: list[Found]) -> bool:
    """Whether there are several digits, which are certain on average."""
    digits = _digits(signs)
    return len(digits) > 1 and fmean(sign.confidence for sign in digits) >= SURE


def _num_digits(rows: Rows, signs: list[Found]) -> int:
    """How many digits of a page are in the places of some signs."""
    return sum(len(_digits(row)) for row in rows) - sum(
        len(_digits(row)) for row in _without(rows, signs)
    )


def _without(rows: Rows, signs: list[Found]) -> Rows:
    """The lines without what is in the places of some signs, and lines that are empty then."""
    read = list(chain(*rows))
    some, others = (np.reshape([sign.box for sign in of], (-1, 4)) for of in (read, signs))
    same = are_inside(some, others).any(axis=1) | are_inside(others, some).any(axis=0)
    keeps = iter(np.logical_not(same).tolist())
    kept = [[sign for sign in row if next(keeps)] for row in rows]
    return [row for row in kept if row]


def _inserted(rows: Rows, row: list[Found]) -> Rows:
    """The lines with another one, above the first that is lower."""
    lower = (place for place, other in enumerate(rows) if _middle(other) > _middle(row))
    place = next(lower, len(rows))
    return [*rows[:place], row, *rows[place:]]


def _middle(signs: list[Found]) -> float:
    return float(median(np.array([sign.box[1] + sign.box[3] / 2 for sign in signs])))
