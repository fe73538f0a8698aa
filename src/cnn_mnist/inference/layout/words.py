"""Words: printed or handwritten text around the numbers, whose letters may look like digits."""

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import chain, islice
from statistics import fmean, median
from typing import NamedTuple

import numpy as np

from cnn_mnist.inference.layout.doubles import beside
from cnn_mnist.inference.recognition.agree import MIN_P_DIGIT, Found
from cnn_mnist.inference.recognition.line import OTHER, SIGNS, Box, gaps

SPACE = 0.25  # of a sign's height; a wider gap may end a word
WIDER = 1.5  # times the typical gap between signs; spaced letters form one word, too
PHRASE = 0.8  # of a sign's height; closer words form one phrase
LETTERS = 0.5  # letters per digit; a word with more is text
FLOATING = 0.1  # of a digit's height above its foot: asterisks and quotes are higher, letters not
EVEN = 0.75  # of the tallest sign; the digits of a number are at least this tall

SWITCH = 0.1, 0.3  # how often letters follow digits or digits letters, in a word and after it
MIN_P = 1e-3  # no sign is more certain than this to be a letter or a digit
PAGE = 4  # letters per digit; a page with more is text
MANY = 10  # letters of a page that may be text
DOUBT = 0.2  # in the digits there, times the letters per digit if over 1; with more it is text
TALLER = 1.5  # times as tall as a letter: digits written over print, which may not be its letters
SPECK = 0.5  # of a digit's height: marks in which no sign was read count if they are larger
SURE = 0.9  # a digit is that certain; on average, digits of small print are less
LOWER = 0.85  # of the height of sure digits: only if letters are lower do heights tell them apart

Line = list[Found]


def without_words(lines: list[Line], marks: Sequence[Box] = ()) -> list[Line]:
    """The lines with all text as OTHER, including letters that look like digits.

    If every digit is more likely not to be one, everything is text.

    Args:
        lines: the signs of a page.
        marks: the boxes of its marks; those in which no sign was read count as letters.
    """
    unread = _unread(lines, marks)
    kept = [[sign for phrase in _split(line, PHRASE) for sign in _phrase(phrase)] for line in lines]
    kept = _without_text(_without_low(kept), unread)
    _, digits = _letters_and_digits(kept)
    if digits and all(sign.confidence < 1 - sign.p_digit for sign in digits):
        return [_letters(line) for line in kept]
    return kept


def _unread(lines: list[Line], marks: Sequence[Box]) -> list[float]:
    """The longer sides of the marks that are in no sign, nor around one."""
    signs = [sign.box for sign in chain(*lines)]
    alone = beside(np.reshape([*marks], (-1, 4)), np.reshape(signs, (-1, 4)))
    return alone[:, 2:].max(axis=1).tolist() if len(alone) else []


def _without_low(lines: list[Line]) -> list[Line]:
    """The lines with doubtful numbers as letters that are low, as the page's letters are."""
    letters, digits = _letters_and_digits(lines)
    sure = [sign.box[3] for sign in digits if sign.confidence > SURE]
    if len(letters) < MANY or not sure:
        return lines
    written, printed = median(sure), median(sign.box[3] for sign in letters)
    if printed > LOWER * written:
        return lines
    least = math.sqrt(printed * written)
    return _with_letters(lines, lambda phrase: _is_low(phrase, least))


def _is_low(signs: Line, least: float) -> bool:
    """Whether several digits are on average lower than that, and not sure.

    The capital of a word may be as tall as a digit.
    """
    digits = [sign for sign in signs if sign.is_digit]
    if len(digits) < 2 or fmean(sign.box[3] for sign in digits) >= least:
        return False
    return fmean(sign.confidence for sign in digits) < SURE


def _without_text(lines: list[Line], unread: Sequence[float]) -> list[Line]:
    """The lines, with numbers as letters if they are too doubtful among so many letters.

    On a page of text each number is judged by itself, and on others only if all digits together are
    too doubtful. The numbers that are left must then be more certain.
    """
    while True:
        letters, digits = _letters_and_digits(lines)
        lowest = min((sign.box[3] for sign in digits), default=0)
        marks = [side for side in unread if side >= SPECK * lowest]
        page = _Page(sorted([*marks, *(sign.box[3] for sign in letters)]), len(digits))
        is_text = len(page.heights) > PAGE * len(digits)
        is_text |= len(page.heights) >= MANY and page.is_doubtful(digits)
        phrases = [part for line in lines for part in _split(line, PHRASE)]
        if not is_text or not any(map(page.is_doubtful, phrases)):
            return lines
        lines = _with_letters(lines, page.is_doubtful)


class _Page(NamedTuple):
    """The heights of a page's letters, in ascending order, and the number of its digits."""

    heights: list[float]
    num_digits: int

    def is_doubtful(self, signs: Line) -> bool:
        """Whether the digits among some signs may be letters of about their height."""
        doubts = [
            (1 - sign.confidence) * max(1, self._num_letters(sign) / self.num_digits)
            for sign in signs
            if sign.is_digit
        ]
        return bool(doubts) and fmean(doubts) > DOUBT

    def _num_letters(self, digit: Found) -> int:
        """How many letters of the page are not much lower than a digit."""
        return len(self.heights) - bisect_right(self.heights, digit.box[3] / TALLER)


def _with_letters(lines: list[Line], are_letters: Callable[[Line], bool]) -> list[Line]:
    """The lines, with the phrases that are letters as letters."""
    split = [_split(line, PHRASE) for line in lines]
    return [
        [s for part in parts for s in (_letters(part) if are_letters(part) else part)]
        for parts in split
    ]


def _letters_and_digits(lines: list[Line]) -> tuple[Line, Line]:
    every = [sign for line in lines for sign in line]
    letters = [sign for sign in every if sign.character == OTHER]
    return letters, [sign for sign in every if sign.is_digit]


def _in_context(words: list[Line]) -> list[Line]:
    """Decide which signs of a phrase are digits and which are letters, also by their neighbours.

    The most probable sequence of the two (Viterbi): a doubtful sign among digits is a digit.
    """
    signs = [sign for word in words for sign in word]
    between = _between_numbers(signs)
    begins = [place == 0 for word in words for place in range(len(word))]
    probs = [(0.0, 0.0) if k else _log_probs(s) for s, k in zip(signs, between, strict=True)]
    scores, origins = probs[0], []
    for (letter, digit), begin in zip(probs[1:], begins[1:], strict=True):
        turn, stay = math.log(SWITCH[begin]), math.log(1 - SWITCH[begin])
        ways = [(scores[k] + stay, scores[1 - k] + turn) for k in (0, 1)]
        origins.append([k if ways[k][0] >= ways[k][1] else 1 - k for k in (0, 1)])
        scores = max(ways[0]) + letter, max(ways[1]) + digit
    path = [int(scores[1] > scores[0])]
    for origin in reversed(origins):
        path.append(origin[path[-1]])
    decided = zip(signs, between, reversed(path), strict=True)
    chosen = (sign if fixed else _as(sign, bool(k)) for sign, fixed, k in decided)
    return [list(islice(chosen, len(word))) for word in words]


def _between_numbers(signs: Line) -> list[bool]:
    """Which signs are certainly neither digits nor parts of a word: the x of 3x4, or a comma."""
    alone = [False] * len(signs)
    for place, (left, sign, right) in enumerate(zip(signs, signs[1:], signs[2:], strict=False)):
        alone[place + 1] = left.is_digit and right.is_digit and sign.p_digit < MIN_P_DIGIT
    return [sign.character in SIGNS or lone for sign, lone in zip(signs, alone, strict=True)]


def _log_probs(sign: Found) -> tuple[float, float]:
    """Of being a letter, and of being a digit."""
    p = min(max(sign.p_digit, MIN_P), 1 - MIN_P)
    return math.log(1 - p), math.log(p)


def _as(sign: Found, digit: bool) -> Found:
    if sign.character in SIGNS or sign.is_digit == digit:
        return sign
    return sign.as_digit() if digit else sign.as_letter()


def _phrase(signs: Line) -> Line:
    if not signs:
        return []
    words = _in_context(_split(signs, SPACE, WIDER))
    signs = [sign for word in words for sign in word]
    texts = [word for word in words if _is_text(word)]
    if not texts:
        return signs
    # A single sign, such as a tick, does not show how tall the text is.
    height = max((sign.box[3] for word in texts if len(word) > 1 for sign in word), default=0)
    return [
        sign
        for word in words
        for sign in (word if not _is_text(word) and _is_number(word, height) else _letters(word))
    ]


def _is_text(signs: Line) -> bool:
    num_digits = sum(sign.is_digit for sign in signs)
    return _num_letters(signs) > (1 if _has_unit(signs) else LETTERS) * num_digits


def _num_letters(signs: Line) -> int:
    """How many signs are letters; not those that float around a number, such as asterisks."""
    feet = [sign.box[1] + (1 - FLOATING) * sign.box[3] for sign in signs if sign.is_digit]
    line = min(feet, default=-math.inf)
    stands = [s.box[1] + s.box[3] > line for s in signs if s.character == OTHER]
    is_framed = signs[0].character == signs[-1].character == OTHER and not (stands[0] or stands[-1])
    return sum(stands) if is_framed else len(stands)


def _has_unit(signs: Line) -> bool:
    """Whether certain digits of one height come first and letters last, as in 12kg."""
    is_letter = [sign.character == OTHER for sign in signs]
    certain = all(sign.confidence >= SURE for sign in signs if sign.is_digit)
    return certain and _is_number(signs, 0) and is_letter == sorted(is_letter)


def _is_number(word: Line, height: float) -> bool:
    """Whether a word beside text of some height is a number rather than more text."""
    heights = [sign.box[3] for sign in word if sign.is_digit]
    return bool(heights) and min(heights) >= EVEN * max(*heights, height)


def _split(signs: Line, gap: float, wider: float = 0.0) -> list[Line]:
    """Split at gaps, given as a share of a sign's height, and as a multiple of the typical gap."""
    tall = [sign.box[3] for sign in signs if sign.character not in SIGNS]
    between = gaps(sign.box for sign in signs)
    least = gap * median(tall or [0])
    if len(between) > 1:  # one gap has nothing to be compared with
        least = max(least, wider * median(between))
    parts = [signs[:1]]
    for right, apart in zip(signs[1:], between, strict=True):
        if apart > least:
            parts.append([])
        parts[-1].append(right)
    return parts


def _letters(signs: Line) -> Line:
    return [_as(sign, False) for sign in signs]
