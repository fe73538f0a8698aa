"""The orientation of a page: its tilt, and which way up it is.

The tilt follows from how its signs form lines, the orientation from the networks' answers.
"""

import numpy as np
from numpy.typing import NDArray

from cnn_mnist.inference.layout import lines, view
from cnn_mnist.inference.layout.view import View
from cnn_mnist.inference.recognition.classifier import Classifier
from cnn_mnist.inference.recognition.line import DIGITS
from cnn_mnist.inference.recognition.line_reader import Box, LineReader, Sign, num_right
from cnn_mnist.inference.segmentation import segment

LEAST_SIGNS = 5  # fewer are no clear evidence
MOST_SIGNS = 200  # that are looked at; more would say the same
MOST_LINES = 6  # that the line network reads in each orientation
CLEAR = 0.3  # of a glyph's mean log top probability: a worse orientation differs by more
UNLIKE = -1.3  # of it: glyphs less likely in each orientation are no digits
TILTED = 6  # degrees; smaller tilts are corrected line by line
NEAR = 8  # degrees: maximum deviation of neighbours on a line from its direction
ALIGNED = 0.5  # of the signs have their neighbour in the lines' direction
LEAST_KEPT = 0.8  # of the digits
BETTER = 0.04  # of the lines' certainty: required lead if the glyphs are undecided


def upright(classifier: Classifier, reader: LineReader, seen: View) -> View:
    """The view, rotated so that its lines are level and its digits upright.

    Raises:
        CrowdedError: as for `view.of_page`, or many signs look like no digits.
    """
    ways = _likely(classifier, _frames(seen))
    if not ways:
        if len(seen.glyphs) > MOST_SIGNS:
            raise segment.CrowdedError
        return seen
    levelled, signs = _level(reader, seen)
    if levelled is not seen:
        ways = _likely(classifier, _frames(levelled))
    degrees = _turn(reader, levelled, signs, ways)
    return view.rotate(levelled, degrees) if degrees else levelled


def level(reader: LineReader, seen: View) -> View:
    """The view, rotated so that its lines are level, unless it is then read worse.

    Raises:
        CrowdedError: as for `view.of_page`.
    """
    return _level(reader, seen)[0]


def _level(reader: LineReader, seen: View) -> tuple[View, list[Sign] | None]:
    """The view, rotated if its lines are tilted, unless most digits or some certainty are lost.

    A form's digits and the ticks between them form slanted lines, too: rotated by them, the digits
    are less certain, and the ticks look like 1s. The signs of some lines are returned if they were
    looked at.
    """
    degrees = tilt(seen.boxes)
    if not degrees:
        return seen, None
    rotated = view.rotate(seen, degrees)
    before, after = (_signs(reader, way.grey, way.layout) for way in (seen, rotated))
    kept = _num_digits(after) >= LEAST_KEPT * _num_digits(before)
    is_better = kept and _certainty(after) >= _certainty(before)
    return (rotated, after) if is_better else (seen, before)


def tilt(boxes: list[Box]) -> int:
    """The degrees, -45 to 45, to rotate a page clockwise so that its lines are level or upright.

    0 if they nearly are, or the evidence is unclear.
    """
    if len(boxes) < LEAST_SIGNS:
        return 0
    corners = np.array(boxes, np.float32)
    sides = corners[:, 2:].max(axis=1)
    places = (corners[:, :2] + corners[:, 2:] / 2)[sides >= 0.5 * np.median(sides)]
    if len(places) < LEAST_SIGNS:
        return 0
    some = np.array(_some(len(places)))
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
    degrees = round(best - 45 + float(np.median(off[best, near[best]])))
    return -degrees if abs(degrees) >= TILTED else 0


def _turn(reader: LineReader, seen: View, signs: list[Sign] | None, ways: list[int]) -> int:
    """The degrees to rotate a page clockwise; 0 if the evidence is unclear.

    Args:
        signs: of some of the page's lines as they are, if they were looked at.
        ways: the likely quarter turns.
    """
    if ways in ([], [0]):
        return 0
    if signs is None:
        signs = _signs(reader, seen.grey, seen.layout)
    sure = {0: _certainty(signs)}
    sure |= {way: _certainty(_signs_turned(reader, seen, way)) for way in ways if way}
    best = max(sure, key=lambda way: sure[way])
    margin = BETTER if 0 in ways else 0.0
    return 90 * best if sure[best] > sure[0] + margin else 0


def turn_of_cells(classifier: Classifier, frames: NDArray[np.uint8]) -> int:
    """The same for a grid, whose cells are read one by one, from the classifier alone.

    Args:
        frames: uint8 N×28×28, of the glyphs of all cells.
    """
    ways = _likely(classifier, frames[_some(len(frames))])
    return 90 * ways[0] if ways and 0 not in ways else 0


def _frames(seen: View) -> NDArray[np.uint8]:
    """The glyphs that are looked at, in MNIST's format."""
    return seen.frames(_some(len(seen.glyphs)))


def _some(count: int) -> range:
    """MOST_SIGNS of many signs, spread over the page."""
    return range(0, count, max(1, -(-count // MOST_SIGNS)))


def _likely(classifier: Classifier, frames: NDArray[np.uint8]) -> list[int]:
    """The quarter turns for which the glyphs are about as likely digits as for the best.

    None if they are few, or look like no digits in any.
    """
    if len(frames) < LEAST_SIGNS:
        return []
    turned = np.concatenate([np.rot90(frames, -way, (1, 2)) for way in range(4)])
    probs = classifier.probs(np.ascontiguousarray(turned)).max(axis=1)
    means = np.log(probs).reshape(4, -1).mean(axis=1)
    if means.max() < UNLIKE:
        return []
    return np.flatnonzero(means > means.max() - CLEAR).tolist()


def _certainty(signs: list[Sign]) -> float:
    return num_right(signs) / max(1, len(signs))


def _num_digits(signs: list[Sign]) -> float:
    """How many of the digits are right, on average."""
    return num_right([sign for sign in signs if sign.character in DIGITS])


def _signs(reader: LineReader, grey: NDArray[np.uint8], layout: lines.Layout) -> list[Sign]:
    """The signs of some lines of a page."""
    some = lines.sample(grey, layout, MOST_LINES)
    return [sign for line in some for sign in reader.look(line)]


def _signs_turned(reader: LineReader, seen: View, way: int) -> list[Sign]:
    """The same after some quarter turns."""
    layout = lines.Layout.of(_turned(seen.boxes, seen.grey.shape, way))
    return _signs(reader, np.rot90(seen.grey, -way), layout)


def _turned(boxes: list[Box], shape: tuple[int, ...], way: int) -> list[Box]:
    height, width = shape
    for _ in range(way):
        boxes = [(height - y - high, x, high, wide) for x, y, wide, high in boxes]
        height, width = width, height
    return boxes
