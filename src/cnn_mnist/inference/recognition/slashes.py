"""Slashes and 1s: a 1 that leans looks like a slash, but is part of no date or fraction.

`leaning` judges a line by itself, `consistent` the lines of a page by each other.
"""

import math
import re
from collections.abc import Callable
from itertools import chain, pairwise
from statistics import median

from cnn_mnist.inference.recognition.line import DIGITS, Sign, gaps

SLASH = 1.12  # least height of a slash, in digits, as in the generated lines
LEANING = 0.1  # least probability of a 1 in a lower slash that is a 1
LEANING_IN_NUMBER = 0.01  # the same, where the digits form no date or fraction
CERTAIN = 0.9  # probability of a 1 that shows how its writer's 1s lean
UPRIGHT = 0.75  # of the width over height of a slash; 1s that are narrower lean less
APART, WIDER = 0.6, 1.5  # gap between two numbers: in digits' heights, and times a slash's own gap
WITH_SLASHES = re.compile(
    r"""
    \d{1,2}/\d{1,2}(/\d\d|/(19|20)\d\d)?  # 3/4, 24/12, 24/12/99, 24/12/1999
    | \d{1,2}/(19|20)\d\d                 # 12/1999
    | (19|20)\d\d(/\d{1,2}){1,2}          # 1999/12, 1999/12/24, 1999/00
    | [1-9]\d{0,2}/[1-9]\d{0,2}           # 120/80
    | \d+/100 | \d+/-                     # hundredths, or none, as on cheques
    """,
    re.VERBOSE,
)


def leaning(signs: list[Sign]) -> list[Sign]:
    """The signs of a line, with each slash as a 1 that may be one.

    It is hardly taller than the digits, and no certain 1 is more upright; or the digits around it
    form no date or fraction.
    """
    heights = [sign.box[3] for sign in signs if sign.character in DIGITS]
    if not heights or all(sign.character != "/" for sign in signs):
        return signs
    height, ones = median(heights), [_lean(sign) for sign in signs if _is_certain_one(sign)]
    upright = max(ones, default=math.inf)
    numbers = _numbers(signs, height)
    after = [number[0].character for number in numbers[1:]] + [""]
    return [s for pair in zip(numbers, after, strict=True) for s in _read(*pair, height, upright)]


def consistent(lines: list[list[Sign]]) -> list[list[Sign]]:
    """The lines of a page, with each doubtful 1 as a slash that looks like the page's slashes.

    A fraction then reads as the other fractions of its writer. The stroke is nearer in width and
    height to the slashes of the page than to its certain 1s. `leaning` may have made it a 1.
    """
    if all(sign.character != "/" for sign in chain(*lines)):
        return lines
    heights = zip(lines, map(_height, lines), strict=True)
    known = [(sign, _size(sign, height)) for line, height in heights for sign in line]
    slash = _middle([size for sign, size in known if sign.character == "/"])
    ones = [size for sign, size in known if _is_certain_one(sign) and sign.p_slash <= LEANING]
    one = _middle(ones) if ones else (math.inf, math.inf)

    def is_alike(sign: Sign, height: float) -> bool:
        size = _size(sign, height)
        is_doubtful = sign.character == "1" and sign.p_slash > LEANING
        return is_doubtful and math.dist(size, slash) < math.dist(size, one)

    return [_with_slashes(line, is_alike) for line in lines]


def _with_slashes(line: list[Sign], is_alike: Callable[[Sign, float], bool]) -> list[Sign]:
    """A line with the likeliest doubtful 1 as a slash in each number that then is a fraction."""
    height, found = _height(line), list[Sign]()
    if not any(is_alike(sign, height) for sign in line):
        return line
    for number in _numbers(line, height):
        alike = {
            sign.p_slash: [*number[:place], _as_slash(sign), *number[place + 1 :]]
            for place, sign in enumerate(number)
            if is_alike(sign, height)
        }
        fractions = {p: changed for p, changed in alike.items() if _is_written(changed, "")}
        found += fractions[max(fractions)] if fractions else number
    return found


def _height(line: list[Sign]) -> float:
    return median([sign.box[3] for sign in line if sign.character in DIGITS] or [1.0])


def _size(sign: Sign, height: float) -> tuple[float, float]:
    """Width and height in digits."""
    return sign.box[2] / height, sign.box[3] / height


def _middle(sizes: list[tuple[float, float]]) -> tuple[float, float]:
    return median(wide for wide, _ in sizes), median(high for _, high in sizes)


def _as_slash(sign: Sign) -> Sign:
    """A 1 as the slash that it may be, which is as probable as either."""
    probs = sign.digit_probs.copy()
    either, probs[1] = float(probs[1]) + sign.p_slash, 0
    return sign._replace(character="/", confidence=min(either, 1.0), digit_probs=probs)


def _is_certain_one(sign: Sign) -> bool:
    return sign.character == "1" and sign.confidence >= CERTAIN


def _lean(sign: Sign) -> float:
    """The width of a stroke over its height."""
    return sign.box[2] / sign.box[3]


def _numbers(signs: list[Sign], height: float) -> list[list[Sign]]:
    """The signs in pieces: numbers of digits and slashes, and other signs."""
    apart = gaps(sign.box for sign in signs)
    own = [
        max(apart[max(0, place - 1) : place + 1], default=0)
        for place, sign in enumerate(signs)
        if sign.character == "/"
    ]
    limit = max([APART * height, *(WIDER * gap for gap in own)])
    pieces = [[signs[0]]]
    for (left, right), gap in zip(pairwise(signs), apart, strict=True):
        if gap <= limit and _is_part(left) and _is_part(right):
            pieces[-1].append(right)
        else:
            pieces.append([right])
    return pieces


def _is_part(sign: Sign) -> bool:
    return sign.character in DIGITS or sign.character == "/"


def _read(number: list[Sign], after: str, height: float, upright: float) -> list[Sign]:
    """A number with its low slashes as 1s, or all of them if nobody writes such a number.

    A slash that leans more than the 1s of the line do is none of them.
    """
    if _is_written(number, after) and sum(sign.character == "/" for sign in number) > 1:
        return number
    lower = [
        _as_one(sign, LEANING)
        if sign.box[3] < SLASH * height and upright >= UPRIGHT * _lean(sign)
        else sign
        for sign in number
    ]
    if _is_written(lower, after):
        return lower
    return [_as_one(sign, LEANING_IN_NUMBER) for sign in number]


def _is_written(number: list[Sign], after: str) -> bool:
    """Whether people write such a number, before the next sign."""
    text = "".join(sign.character for sign in number)
    closing = after if text.endswith("/") and after == "-" else ""
    return WITH_SLASHES.fullmatch(text + closing) is not None


def _as_one(sign: Sign, least: float) -> Sign:
    """The sign, or if it is a slash with more than this probability of a 1, that 1."""
    if sign.character != "/" or sign.digit_probs[1] <= least:
        return sign
    probs = sign.digit_probs.copy()
    probs[1] += sign.confidence
    return sign._replace(character="1", confidence=float(probs[1]), digit_probs=probs)
