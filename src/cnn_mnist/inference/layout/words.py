"""Words: printed or handwritten text around the numbers, whose letters may look like digits."""

import math
from itertools import pairwise
from statistics import median

import numpy as np

from cnn_mnist.inference.recognition.agree import Found
from cnn_mnist.inference.recognition.line import OTHER, SIGNS

SPACE = 0.25  # of a sign's height; a wider gap may end a word
PHRASE = 0.8  # of a sign's height; closer words form one phrase
LETTERS = 0.5  # letters per digit; a word with more is text
EVEN = 0.75  # of the tallest sign; the digits of a number are at least this tall
FEW_WORDS = 2  # words beside a number; with more it is a sentence, and holds no number
PAGE, TALLER = 4, 1.5  # letters per digit on a page of text; a digit written over it is taller

SWITCH = 0.1, 0.3  # how often letters follow digits or digits letters, in a word and after it
LEAST = 1e-3  # no sign is more certain than this to be a letter or a digit
MANY, SURE = 10, 0.9  # letters, and mean confidence of the digits beside them; less is text

Line = list[Found]


def without_words(lines: list[Line]) -> list[Line]:
    """The lines with all text as OTHER, including letters that look like digits."""
    phrases = [[_in_context(phrase) for phrase in _split(line, PHRASE)] for line in lines]
    kept = [[sign for phrase in line for sign in _phrase(phrase)] for line in phrases]
    every = [sign for line in kept for sign in line]
    letters = [sign for sign in every if sign.character == OTHER]
    digits = [sign for sign in every if sign.is_digit]
    if not digits:
        return kept
    if len(letters) >= MANY and np.mean([sign.confidence for sign in digits]) < SURE:
        return [_letters(line) for line in kept]
    if len(letters) <= PAGE * len(digits):
        return kept
    least = TALLER * median(sign.box[3] for sign in letters)
    return [[sign if sign.box[3] >= least else _letter(sign) for sign in line] for line in kept]


def _in_context(signs: Line) -> Line:
    """Decide which signs are digits and which are letters, by their neighbours too.

    The most probable sequence of the two (Viterbi): a doubtful sign among digits is a digit.
    """
    begin, *rest = [_log_probs(sign) for sign in signs] or [(0.0, 0.0)]
    scores, origins = begin, []
    for (left, right), own in zip(pairwise(signs), rest, strict=True):
        gap = right.box[0] - left.box[0] - left.box[2]
        switch = SWITCH[gap > SPACE * right.box[3]]
        turn, stay = math.log(switch), math.log(1 - switch)
        ways = [(scores[k] + stay, scores[1 - k] + turn) for k in (0, 1)]
        origins.append([k if ways[k][0] >= ways[k][1] else 1 - k for k in (0, 1)])
        scores = max(ways[0]) + own[0], max(ways[1]) + own[1]
    path = [int(scores[1] > scores[0])]
    for origin in reversed(origins):
        path.append(origin[path[-1]])
    return [_as(sign, bool(k)) for sign, k in zip(signs, reversed(path), strict=False)]


def _log_probs(sign: Found) -> tuple[float, float]:
    """Of being a letter, and of being a digit; a comma goes with either."""
    if sign.character in SIGNS:
        return 0.0, 0.0
    p = min(max(sign.p_digit, LEAST), 1 - LEAST)
    return math.log(1 - p), math.log(p)


def _as(sign: Found, digit: bool) -> Found:
    if sign.character in SIGNS or sign.is_digit == digit:
        return sign
    return sign.as_digit() if digit else sign.as_letter()


def _phrase(signs: Line) -> Line:
    words = _split(signs, SPACE)
    texts = [word for word in words if _is_text(word)]
    if not texts:
        return signs if not _is_text(signs) else _letters(signs)
    if len(texts) > FEW_WORDS:
        return _letters(signs)
    height = max(sign.box[3] for word in texts for sign in word)
    return [
        sign
        for word in words
        for sign in (word if not _is_text(word) and _is_number(word, height) else _letters(word))
    ]


def _is_text(signs: Line) -> bool:
    letters = sum(sign.character == OTHER for sign in signs)
    return letters > LETTERS * sum(sign.is_digit for sign in signs)


def _is_number(word: Line, height: float) -> bool:
    """Whether a word beside text of some height is a number rather than more text."""
    heights = [sign.box[3] for sign in word if sign.is_digit]
    return bool(heights) and min(heights) >= EVEN * max(*heights, height)


def _split(signs: Line, gap: float) -> list[Line]:
    """Split at gaps, given as a share of a sign's height."""
    tall = [sign.box[3] for sign in signs if sign.character not in SIGNS]
    least = gap * median(tall or [0])
    parts = [signs[:1]]
    for left, right in pairwise(signs):
        if right.box[0] - left.box[0] - left.box[2] > least:
            parts.append([])
        parts[-1].append(right)
    return parts


def _letters(signs: Line) -> Line:
    return [_letter(sign) for sign in signs]


def _letter(sign: Found) -> Found:
    return _as(sign, False)
