"""The orientation of a page: its tilt, and which way up it is.

The tilt follows from how its signs form lines, the orientation from the networks' answers.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnn_mnist.inference.layout import lines, view
from cnn_mnist.inference.layout.view import View
from cnn_mnist.inference.percentiles import median
from cnn_mnist.inference.pictures.page import Page
from cnn_mnist.inference.recognition.classifier import Classifier
from cnn_mnist.inference.recognition.line import Box
from cnn_mnist.inference.recognition.line_reader import LineReader, num_right
from cnn_mnist.inference.segmentation import segment

MIN_SIGNS = 5  # fewer are no clear evidence of which way up a page is
MIN_LINE = 3  # signs, of which the tilt of a line can be told
MAX_SIGNS = 200  # that are looked at; more would say the same
MAX_LINES = 6  # that the line network reads in each orientation
MAX_CELLS = 24  # likewise, of a grid
CLEAR = 0.3  # of a glyph's mean log top probability: a worse orientation differs by more
UNLIKE = -1.3  # of it: glyphs less likely than this in every orientation are not digits
TILTED = 6  # degrees; smaller tilts are corrected line by line
NEAR = 8  # degrees: maximum deviation of neighbours on a line from its direction
ALIGNED = 0.5  # of the signs have their neighbour in the lines' direction
BETTER = 0.08  # of the lines' ink: required lead if the glyphs are undecided
BETTER_CELLS = 0.1  # the same of a grid, whose cells may hold icons


def upright(
    classifier: Classifier,
    reader: LineReader,
    page: Page,
    whole: View,
    height: float | None = None,
) -> View:
    """The view of a page, rotated so that its lines are level and its digits upright.

    A page on its side or upside down is viewed again after its pixels are rotated: it is read
    exactly as the upright one.

    Args:
        whole: the view of the page as it is.
        height: of its digits, if that is known; much taller marks are left out.

    Raises:
        CrowdedError: as for `view.of_page`; or there are many signs that do not look like digits.
    """
    seen = view.without_tall(whole, height)
    means = _mean_log_probs(classifier, _frames(seen))
    if not _likely(means):
        if len(seen.glyphs) > MAX_SIGNS:
            raise segment.CrowdedError
        return seen
    straight, look = _level(reader, seen)
    if straight is not seen:
        means = _mean_log_probs(classifier, _frames(straight))
    if len(straight.glyphs) < MIN_SIGNS:
        return straight
    degrees = _turn(classifier, reader, straight, means, look)
    if not degrees:
        return straight
    turned = view.without_tall(view.of_page(page.turn(degrees)), height)
    return _level(reader, turned)[0]


def levelled(seen: View, fall: int) -> View:
    """The view, rotated to level its lines if they fall by at least TILTED degrees.

    Raises:
        CrowdedError: as for `view.of_page`.
    """
    return view.rotate(seen, -fall) if abs(fall) >= TILTED else seen


def _level(reader: LineReader, seen: View) -> tuple[View, "_Look | None"]:
    """The view, rotated if its lines are tilted; and how it is read, if that was looked at.

    It stays if it is read worse then. A form's digits and the ticks between them form slanted
    lines, too: rotated by them, the digits are less certain, and the ticks look like 1s.
    """
    degrees = tilt(seen.boxes)
    if not degrees:
        return seen, None
    rotated = view.rotate(seen, degrees)
    before, after = _look(reader, seen), _look(reader, rotated)
    is_better = after.certainty >= before.certainty and after.share >= before.share
    return (rotated, after) if is_better else (seen, before)


def tilt(boxes: list[Box]) -> int:
    """The degrees, -45 to 45, to rotate a page clockwise so that its lines are level or upright.

    0 if they nearly are, or the evidence is unclear.
    """
    if len(boxes) < MIN_LINE:
        return 0
    corners = np.array(boxes, np.float32)
    sides = corners[:, 2:].max(axis=1)
    places = (corners[:, :2] + corners[:, 2:] / 2)[sides >= 0.5 * median(sides)]
    if len(places) < MIN_LINE:
        return 0
    some = np.array(_some(len(places), MAX_SIGNS))
    apart = places - places[some, None]
    distances = np.hypot(apart[..., 0], apart[..., 1])
    distances[np.arange(len(some)), some] = np.inf
    beside = apart[np.arange(len(some)), distances.argmin(axis=1)]
    angles = np.degrees(np.arctan2(beside[:, 1], beside[:, 0]))
    off = (angles - np.arange(-45, 45)[:, None] + 45) % 90 - 45  # from each direction
    near = np.abs(off) <= NEAR
    best = int(near.sum(axis=1).argmax())
    if near[best].mean() < ALIGNED:
        return 0
    degrees = round(best - 45 + float(median(off[best, near[best]])))
    return -degrees if abs(degrees) >= TILTED else 0


def _turn(
    classifier: Classifier,
    reader: LineReader,
    seen: View,
    means: NDArray[np.float64],
    look: "_Look | None",
) -> int:
    """The degrees to rotate a page clockwise; 0 if the evidence is unclear.

    On a page on its side, adjacent digits are stacked, and joined into one glyph. So a page that
    may be on its side is rotated by a quarter, and its glyphs are found again. The line network is
    sometimes more certain of letters than of digits the right way up, so what is mostly digits is
    only turned for more of them.

    Args:
        means: how much its glyphs look like digits, after each number of quarter turns.
        look: how it is read as it is, if that was looked at.
    """
    ways, aside = _likely(means), seen
    if ways in ([], [0]):
        return 0
    if 1 in ways or 3 in ways:
        aside = view.rotate(seen, 90)
        sideways = _mean_log_probs(classifier, _frames(aside), (0, 2))
        ways = _likely(np.stack([means[::2], sideways], axis=1).ravel())
    looks = {0: look or _look(reader, seen)}
    looks |= {way: _look(reader, (seen, aside)[way % 2], way > 1) for way in ways if way}
    best = max(looks, key=lambda way: looks[way].share)
    lead = looks[best].share - looks[0].share
    is_better = lead > (BETTER if 0 in ways else 0.0) and looks[0].signs >= MIN_SIGNS
    is_better &= looks[0].digits < max(looks[0].signs / 2, looks[best].digits)
    return 90 * best if is_better else 0


def turn_of_cells(classifier: Classifier, reader: LineReader, cells: Iterable[View]) -> int:
    """The degrees to rotate a page with a grid clockwise; 0 if the evidence is unclear.

    Single digits look much the same upside down, so where the classifier is undecided between the
    two, the line network reads some of the cells both ways.
    """
    written = [one for one in cells if one.glyphs]
    glyphs = [(one, glyph) for one in written for glyph in range(len(one.glyphs))]
    if len(glyphs) < MIN_SIGNS:
        return 0
    frames = [
        one.frames([glyph]) for one, glyph in (glyphs[n] for n in _some(len(glyphs), MAX_SIGNS))
    ]
    means = _mean_log_probs(classifier, np.concatenate(frames))
    ways = _likely(means)
    if 0 not in ways or 2 not in ways:
        return 90 * ways[0] if ways and 0 not in ways else 0
    some = [written[n] for n in _some(len(written), MAX_CELLS)]
    asis, turned = (_sum(_look(reader, one, down) for one in some) for down in (False, True))
    return 180 if turned.share > asis.share + BETTER_CELLS else 0


def _frames(seen: View) -> NDArray[np.uint8]:
    """The glyphs that are looked at, in MNIST's format."""
    return seen.frames(_some(len(seen.glyphs), MAX_SIGNS))


def _some(count: int, most: int) -> range:
    """At most `most` of `count` signs, spread over the page."""
    return range(0, count, max(1, -(-count // most)))


def _mean_log_probs(
    classifier: Classifier, frames: NDArray[np.uint8], ways: Sequence[int] = range(4)
) -> NDArray[np.float64]:
    """How much glyphs look like digits after some quarter turns clockwise; few tell nothing."""
    if len(frames) < MIN_LINE:
        return np.full(len(ways), -np.inf)
    turned = np.concatenate([np.rot90(frames, -way, (1, 2)) for way in ways])
    probs = classifier.probs(np.ascontiguousarray(turned)).max(axis=1)
    return np.asarray(np.log(probs).reshape(-1, len(frames)).mean(axis=1), np.float64)


def _likely(means: NDArray[np.float64]) -> list[int]:
    """The quarter turns for which the glyphs are about as likely digits as for the best.

    Empty if they do not look like digits in any.
    """
    if means.max() < UNLIKE:
        return []
    return np.flatnonzero(means > means.max() - CLEAR).tolist()


class _Look(NamedTuple):
    """How some lines of a page are read."""

    right: float  # the expected number of signs that are right
    signs: int
    boxes: int
    digits: float  # the expected number of digits among the signs

    @property
    def certainty(self) -> float:
        """The share of right signs."""
        return self.right / max(1, self.signs)

    @property
    def share(self) -> float:
        """Right signs less wrong ones, as a share of the signs or the boxes, whichever are more."""
        return max(0.0, 2 * self.right - self.signs) / max(1, self.signs, self.boxes)


def _look(reader: LineReader, seen: View, upside_down: bool = False) -> _Look:
    layout, grey = seen.layout, seen.grey
    if upside_down:
        layout = lines.Layout.of(_turned(seen.boxes, grey.shape))
        grey = np.rot90(grey, 2)
    some = lines.sample(grey, layout, MAX_LINES)
    signs = [sign for crop, _ in some for sign in reader.look(crop)]
    digits = sum(float(sign.digit_probs.sum()) for sign in signs)
    return _Look(num_right(signs), len(signs), sum(count for _, count in some), digits)


def _sum(looks: Iterable[_Look]) -> _Look:
    return _Look(*map(sum, zip(*looks, strict=True)))


def _turned(boxes: list[Box], shape: tuple[int, ...]) -> list[Box]:
    """The boxes on the page upside down."""
    height, width = shape
    return [(width - x - wide, height - y - high, wide, high) for x, y, wide, high in boxes]
