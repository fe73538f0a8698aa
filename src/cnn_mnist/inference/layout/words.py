"""Words: printed or handwritten text around the numbers, whose letters may look like digits."""

from itertools import pairwise

import numpy as np

from cnn_mnist.inference.recognition.agree import Found
from cnn_mnist.inference.recognition.line import DIGITS, OTHER, SIGNS

SPACE = 0.25  # of a sign's height; a wider gap may end a word
WIDER = 1.5  # times the typical gap between signs; spaced letters form one word, too
PHRASE = 0.8  # of a sign's height; closer words form one phrase
LETTERS = 0.5  # letters per digit; a word with more is text
EVEN = 0.75  # of the tallest sign; the digits of a number are at least this tall
FEW_WORDS = 2  # words beside a number; with more it is a sentence, and holds no number
PAGE, TALLER = 4, 1.5  # letters per digit on a page of text; a digit written over it is taller

MANY, SURE = 10, 0.9  # letters, and mean confidence of the digits beside them; less is text

Line = list[Found]


def without_words(lines: list[Line]) -> list[Line]:
    """The lines with all text as OTHER, including letters that look like digits."""
    kept = [[sign for phrase in _split(line, PHRASE) for sign in _phrase(phrase)] for line in lines]
    every = [sign for line in kept for sign in line]
    letters = [sign for sign in every if sign.character == OTHER]
    digits = [sign for sign in every if sign.is_digit]
    if not digits:
        return kept
    if len(letters) >= MANY and np.mean([sign.confidence for sign in digits]) < SURE:
        return [_letters(line) for line in kept]
    if len(letters) <= PAGE * len(digits):
        return kept
    least = TALLER * float(np.median([sign.box[3] for sign in letters]))
    return [[sign if sign.box[3] >= least else _letter(sign) for sign in line] for line in kept]


def _phrase(signs: Line) -> Line:
    words = _split(signs, SPACE, WIDER)
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


def _split(signs: Line, gap: float, wider: float = 0.0) -> list[Line]:
    """Split at gaps, given as a share of a sign's height, and as a multiple of the typical gap."""
    tall = [sign.box[3] for sign in signs if sign.character not in SIGNS]
    gaps = [right.box[0] - left.box[0] - left.box[2] for left, right in pairwise(signs)]
    least = gap * float(np.median(tall or [0]))
    if len(gaps) > 1:  # one gap has nothing to be compared with
        least = max(least, wider * float(np.median(gaps)))
    parts = [signs[:1]]
    for right, apart in zip(signs[1:], gaps, strict=True):
        if apart > least:
            parts.append([])
        parts[-1].append(right)
    return parts


def _letters(signs: Line) -> Line:
    return [_letter(sign) for sign in signs]


def _letter(sign: Found) -> Found:
    return sign._replace(character=OTHER) if sign.character in DIGITS else sign
