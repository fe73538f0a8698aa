"""Combine two answers: the line network's signs, and the digit classifier's glyphs.

The line network knows where digits end, what is a comma, and what is not writing at all; the
classifier is better at isolated digits. If one sign is one glyph, their means are used: the mean
probability of being a digit at all, and of being each digit. A classifier adapted to one person's
handwriting knows some digits better than the line network, and decides alone when it is confident.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnn_mnist.inference.recognition.classifier import NEVER, Thresholds
from cnn_mnist.inference.recognition.line import DIGITS, OTHER, SIGNS, Box, Sign, common

MEETS = 0.3  # of the smaller of two boxes inside the other
MIN_P_DIGIT = 0.1  # a sign of a number with a lower p_digit is certainly a letter or a %
AROUND = 1.25  # times as wide and as high as a sign: a glyph with a ring or a frame around the sign
EDGES = 2  # px: a glyph's box includes its soft edges
SURE = 0.5  # mean probability from which a sign counts as a digit


class Found(NamedTuple):
    """A sign of a page: its character, its probability and box, and the ten digits' probabilities.

    `p_digit` is the probability that it is a digit at all, `glyph` the index of its glyph, or None.
    """

    character: str
    confidence: float
    box: Box
    digit_probs: NDArray[Any]
    p_digit: float
    glyph: int | None

    @property
    def is_digit(self) -> bool:
        """Whether it is a digit and not a sign between digits."""
        return self.character in DIGITS

    def as_digit(self) -> "Found":
        """The sign as the most probable digit."""
        best = int(self.digit_probs.argmax())
        return self._replace(character=DIGITS[best], confidence=float(self.digit_probs[best]))

    def as_letter(self) -> "Found":
        """The sign as a character outside the alphabet."""
        return self._replace(character=OTHER, confidence=1 - self.p_digit)


def agree(
    signs: list[Sign],
    glyphs: list[int | None],
    boxes: list[Box],
    probs: NDArray[np.float32],
    decides: Thresholds = NEVER,
) -> list[Found]:
    """Combine the answers for a line or page.

    Whether a sign of several is a digit is best known to the line network, which sees the others.
    The classifier has never seen a slash, a % or a °C: alone, these look like 1, 8 and 0.

    Args:
        signs: the line network's, in reading order, with boxes in the page's pixels.
        glyphs: the `partners` of the signs.
        boxes: the glyphs' boxes.
        probs: the classifier's, glyphs×10; only those of the partners are used.
        decides: for each digit, the probability from which the classifier alone turns a letter or
            another digit into it. A comma or a slash beside other signs stays.
    """
    is_one = len(signs) == 1
    return [
        _alone(sign)
        if n is None
        else _together(sign, n, boxes[n], probs[n], decides, 0.0 if is_one else MIN_P_DIGIT)
        for sign, n in zip(signs, glyphs, strict=True)
    ]


def agree_on_one(
    readings: list[list[Sign]],
    boxes: list[Box],
    probs: NDArray[np.float32],
    decides: Thresholds = NEVER,
) -> list[Found]:
    """The one digit of a picture, or nothing.

    Args:
        readings: the line network's, of crops of different size.
        boxes, probs: as for `agree`, with at most one glyph.
        decides: as for `agree`, but a comma or a slash may become a digit, too.
    """
    nearest = [sign for signs in readings if (sign := _nearest(signs, boxes))]
    if not nearest:
        return []
    mean = np.mean([sign.digit_probs for sign in nearest], axis=0)
    most_certain = max(nearest, key=lambda sign: sign.confidence)
    at = [sign.box for sign in nearest]
    is_one = boxes and ((_overlap(at, boxes) > MEETS) & ~_around(at, boxes)).any()
    if is_one and not _pieces([most_certain.box], boxes).any():
        return [_together(most_certain._replace(digit_probs=mean), 0, boxes[0], probs[0], decides)]
    return [_alone(most_certain)]


def _nearest(signs: list[Sign], boxes: list[Box]) -> Sign | None:
    """The sign that covers most of the glyph, or else the most confident one."""
    if not signs:
        return None
    covers = _overlap([sign.box for sign in signs], boxes).sum(axis=1)
    ranks = covers * (covers > MEETS) + 0.1 * np.array([sign.confidence for sign in signs])
    return signs[int(ranks.argmax())]


def _alone(sign: Sign) -> Found:
    p_digit = float(sign.digit_probs.sum())
    found = Found(sign.character, sign.confidence, sign.box, sign.digit_probs, p_digit, None)
    return found.as_letter() if found.is_digit and p_digit < SURE else found


def _together(
    sign: Sign,
    glyph: int,
    box: Box,
    probs: NDArray[np.float32],
    decides: Thresholds,
    least_p_digit: float = 0.0,
) -> Found:
    likeliest, p_network = int(probs.argmax()), float(sign.digit_probs.sum())
    sure = float(probs[likeliest])
    if sure >= decides[likeliest]:
        return Found(DIGITS[likeliest], sure, box, probs, sure, glyph)
    if p_network < least_p_digit:
        return _alone(sign)
    mean = (sign.digit_probs + probs) / 2
    p_digit = (p_network + sure) / 2
    found = Found(sign.character, sign.confidence, box, mean, p_digit, glyph)
    if p_digit >= SURE:
        return found.as_digit()
    return found if sign.character in SIGNS else found.as_letter()


def partners(signs: list[Sign], boxes: list[Box], decides: Thresholds) -> list[int | None]:
    """For each sign the glyph that the classifier is asked about.

    They overlap only each other and are of about one size. Beside other signs, a comma stays, and
    so does a letter unless the classifier may decide alone.
    """
    if not signs or not boxes:
        return [None] * len(signs)
    at = [sign.box for sign in signs]
    meets, unlike = _overlap(at, boxes) > MEETS, _around(at, boxes) | _pieces(at, boxes)
    nearest = meets.argmax(axis=1)
    alone = (meets.sum(axis=1) == 1) & (meets[:, nearest].sum(axis=0) == 1)
    alone &= ~unlike[np.arange(len(signs)), nearest]
    if len(signs) > 1:
        alone &= [_is_open(sign, decides) for sign in signs]
    return [n if ok else None for n, ok in zip(nearest.tolist(), alone, strict=True)]


def _is_open(sign: Sign, decides: Thresholds) -> bool:
    """Whether the classifier's answer to a sign of several may count."""
    may_be_digit = decides != NEVER or float(sign.digit_probs.sum()) >= MIN_P_DIGIT
    return may_be_digit and sign.character not in SIGNS


def _around(signs: list[Box], glyphs: list[Box]) -> NDArray[np.bool_]:
    """For each sign, which glyphs are so large that they hold more around it, such as a ring."""
    sizes, inked = _sizes(signs, glyphs)
    return np.asarray((inked > AROUND * sizes).all(axis=2))


def _pieces(signs: list[Box], glyphs: list[Box]) -> NDArray[np.bool_]:
    """For each sign, which glyphs are only pieces of it, since its other strokes are not ink."""
    sizes, inked = _sizes(signs, glyphs)
    return np.asarray((sizes > AROUND * inked).all(axis=2))


def _sizes(signs: list[Box], glyphs: list[Box]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Width and height of signs (N×1×2) and of glyphs without their soft edges."""
    return np.array(signs)[:, None, 2:], np.array(glyphs)[:, 2:] - EDGES


def _overlap(some: list[Box], others: list[Box]) -> NDArray[Any]:
    """For each pair of boxes, how much of the smaller lies inside the other."""
    a = np.reshape(np.array(some, np.float32), (-1, 1, 4))
    b = np.reshape(np.array(others, np.float32), (1, -1, 4))
    return np.asarray(common(a, b) / np.minimum(a[..., 2:], b[..., 2:]).clip(min=1).prod(axis=-1))
