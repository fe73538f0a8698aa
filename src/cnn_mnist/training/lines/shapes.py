"""The ink of one sign in a handwriting: an MNIST digit, pen strokes, or a glyph of a typeface."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cnn_mnist.inference.recognition.line import OTHER
from cnn_mnist.training.lines import typefaces
from cnn_mnist.training.lines.signs import SIGNS
from cnn_mnist.training.lines.style import Style
from cnn_mnist.training.synthetic.cursive import bend, hurry, smooth
from cnn_mnist.training.synthetic.drawings import drawing
from cnn_mnist.training.synthetic.examples import flourish
from cnn_mnist.training.synthetic.forms import any_form
from cnn_mnist.training.synthetic.nondigits import SYMBOLS, scribble
from cnn_mnist.training.synthetic.strokes import Glyph, polylines
from cnn_mnist.training.synthetic.tracing import LIKENESS, likeness, trace

Random = np.random.Generator
Ink = NDArray[Any]  # float32 H×W; 0 = paper, 1 = full ink

MNIST_PEN = 0.13  # mean width of MNIST's strokes, as a share of a digit's height
FLOURISHED = {0: 0.1, 1: 0.45, 7: 0.3}  # share of MNIST's digits with a slash, flag or bar added
FINE = 0.1  # widest pen of a drawing; what a wider one leaves is a blot
DRAWN = 0.2  # share of pen strokes in a line of MNIST digits
EVERY = 9  # points of a trace, about 1.5 px of MNIST
BENT = 0.6  # share of MNIST's digits that are distorted
SYMBOLS_ONLY = sorted(SYMBOLS.keys() - {"dash", "plus", "equals"})  # those not in the alphabet
UNKNOWN = "*#"  # signs outside the alphabet
VARIED = "$%()"  # signs that typefaces of handwriting have in more forms than `SIGNS`
OVERSAMPLING = 3
POINTS_APART, WAVE = 0.8, 3.0  # of an unsteady stroke, in tenths of a height
GLYPH_ASPECT = 0.72  # width of a glyph's square, in heights
MARK = 0.3  # ink above it counts as a mark


@dataclass(frozen=True)
class Digits:
    """MNIST images uint8 N×28×28, and the rows of each digit among them."""

    images: NDArray[np.uint8]
    rows: tuple[NDArray[np.int64], ...]
    traces: dict[int, list[NDArray[np.float64]]] = field(default_factory=dict)  # of rows so far

    @classmethod
    def of(cls, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> "Digits":
        """The images of a split, indexed by digit."""
        return cls(images, tuple(np.flatnonzero(labels == digit) for digit in range(10)))

    def draw(self, digit: int, rng: Random) -> NDArray[np.uint8]:
        """A random image of the digit, sometimes flourished, cropped to its ink."""
        image = self.images[rng.choice(self.rows[digit])]
        if rng.random() < FLOURISHED.get(digit, 0):
            image = flourish(image, digit, rng)
        x, y, width, height = cv2.boundingRect(image)
        return np.asarray(image[y : y + height, x : x + width])

    def trace(self, digit: int, rng: Random) -> list[NDArray[np.float64]]:
        """The strokes of a random image of the digit, 10 high; empty if they are not like it."""
        row = int(rng.choice(self.rows[digit]))
        if row not in self.traces:
            self.traces[row] = _traced(self.images[row])
        return self.traces[row]


def _traced(image: NDArray[np.uint8]) -> list[NDArray[np.float64]]:
    strokes = trace(image)
    if likeness(image, strokes) < LIKENESS:
        return []
    every = np.concatenate(strokes)
    low, high = every.min(axis=0), every.max(axis=0)
    scale = 10 / max(high[1] - low[1], 0.6 * (high[0] - low[0]), 1.0)
    sparse = [np.concatenate([s[:-1:EVERY], s[-1:]]) for s in strokes]
    return [smooth((s - low) * scale / [GLYPH_ASPECT, 1]) for s in sparse]


@dataclass(frozen=True)
class Shape:
    """A sign's ink, cropped, and the y of its first row; a digit reaches from 0 to its height."""

    ink: Ink
    top: float


def shape(character: str, style: Style, digits: Digits, rng: Random) -> Shape:
    """One character of a line, in the style of the line."""
    if character == "0":
        return _sized("0", style.low_zero, style.round_zero, style, digits, rng)
    if character == "1":
        return _sized("1", style.tall_one, 1.0, style, digits, rng)
    return _shape(character, style, digits, rng)


def _sized(
    digit: str, scale: float, width: float, style: Style, digits: Digits, rng: Random
) -> Shape:
    """A digit that many write lower, taller, rounder or narrower than the others."""
    changed = replace(
        style, height=scale * style.height, pen=style.pen / scale, aspect=style.aspect * width
    )
    new = _shape(digit, changed, digits, rng)
    return Shape(new.ink, new.top + style.height - changed.height)


def _shape(character: str, style: Style, digits: Digits, rng: Random) -> Shape:
    if character == OTHER:
        return _other(style, rng)
    if style.typeface is not None and character not in "€£°":  # few typefaces have these
        return _typeset(character, style.typeface, style, rng)
    if character.isalpha() or character in UNKNOWN:
        return _typeset(character, style.letters or _any_handwriting(rng), style, rng)
    if character in VARIED and style.letters and rng.random() < 0.5:
        return _typeset(character, style.letters, style, rng)
    if character.isdigit():
        return _digit(int(character), style, digits, rng)
    return _stroked(SIGNS[character](rng), style, rng)


def _digit(digit: int, style: Style, digits: Digits, rng: Random) -> Shape:
    """A digit from MNIST, traced or as it is, or drawn in the form of the style."""
    if style.source in ("mnist", "traced") and rng.random() > DRAWN * (1 + (digit == 1)):
        if style.source == "traced" and (strokes := digits.trace(digit, rng)):
            return _stroked(bend(strokes, style.haste, rng), replace(style, tremor=0), rng)
        return _scanned(digits.draw(digit, rng), style, rng)
    if digit not in style.forms or rng.random() < 0.2:
        style.forms[digit] = any_form(digit, style.haste, rng)
    return _stroked(style.forms[digit], style, rng)


def _other(style: Style, rng: Random) -> Shape:
    """A letter, or another sign outside the alphabet."""
    kind = rng.random()
    if style.source != "print" and kind < 0.2:
        return _stroked(SYMBOLS[SYMBOLS_ONLY[rng.integers(len(SYMBOLS_ONLY))]], style, rng)
    if style.source != "print" and kind < 0.34:
        glyph = drawing(rng) if kind < 0.28 else scribble(rng)
        finer = replace(style, pen=min(style.pen, FINE))
        return _stroked(hurry(glyph, 0.5 * style.haste, rng), finer, rng)
    if kind < 0.74:
        path, known = style.typeface or _any_handwriting(rng), typefaces.LETTERS
    elif kind < 0.88:
        path, known = typefaces.printed(str(rng.choice(typefaces.WITH_GREEK))), typefaces.GREEK
    else:
        path = typefaces.printed(str(rng.choice(typefaces.WITH_OBJECTS)))
        known = typefaces.OBJECTS
    return _typeset(known[rng.integers(len(known))], path, style, rng)


def _any_handwriting(rng: Random) -> Path:
    every = typefaces.handwritten()
    return every[rng.integers(len(every))]


def _scanned(image: NDArray[np.uint8], style: Style, rng: Random) -> Shape:
    """An MNIST digit, slanted, with a thinner or wider pen."""
    height = style.height * np.exp(rng.normal(0, style.unsteady))
    scale = height / max(image.shape)
    across = scale * style.aspect
    lean = style.slant * 0.6 * across  # MNIST's digits already lean
    wide = across * image.shape[1] + abs(lean) * image.shape[0]
    size = max(2, round(wide)), max(2, round(scale * image.shape[0]))
    move = np.array([[across, -lean, max(lean, 0) * image.shape[0]], [0, scale, 0]])
    ink = cv2.warpAffine(image, move, size, flags=cv2.INTER_LINEAR).astype(np.float32)
    # A lower threshold on the soft edge of a stroke is a wider pen.
    level = 255 * float(np.clip(0.5 - 4.5 * (style.pen - MNIST_PEN), 0.18, 0.72))
    if rng.random() < BENT:
        ink = _warped(ink, 0.0, 0.03 * style.height, rng)
    soft = min(255 * float(np.clip(1.6 / scale, 0.25, 0.9)), 2 * level)  # paper stays paper
    return _cropped(np.clip((ink - level) / soft + 0.5, 0, 1), style.height - size[1])


def _stroked(glyph: Glyph, style: Style, rng: Random) -> Shape:
    """Draw a glyph with the slant, tremor and pen of the style."""
    unit = style.height / 10 * np.exp(rng.normal(0, style.unsteady))
    pen = style.pen * style.height
    lines = []
    for stroke in glyph:
        points = _unsteady(np.array(stroke, float), style.tremor, rng)
        points[:, 0] = points[:, 0] * style.aspect * GLYPH_ASPECT + style.slant * (
            10 - points[:, 1]
        )
        lines.append(points * unit)
    every = np.concatenate(lines)
    low, high = every.min(axis=0) - pen / 2 - 1, every.max(axis=0) + pen / 2 + 1
    size = np.ceil((high - low) * OVERSAMPLING).astype(int)
    drawn = np.zeros((size[1], size[0]), np.uint8)
    lines = [(line - low) * OVERSAMPLING for line in lines]
    polylines(drawn, lines, pen * OVERSAMPLING, kind=cv2.LINE_8)
    shrunk = max(1, size[0] // OVERSAMPLING), max(1, size[1] // OVERSAMPLING)
    ink = cv2.resize(drawn, shrunk, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    return _cropped(ink, low[1])


def _unsteady(stroke: NDArray[np.float64], tremor: float, rng: Random) -> NDArray[np.float64]:
    """The stroke, moved by smooth noise along its length."""
    if not tremor:
        return stroke
    length = np.hypot(*np.diff(stroke, axis=0).T).cumsum()
    at = np.concatenate([[0], length])
    every = np.union1d(at, np.arange(0, length[-1], POINTS_APART))
    noise = rng.normal(0, tremor, (2 + round(length[-1] / WAVE), 2))
    moves = cv2.resize(noise, (2, len(every)), interpolation=cv2.INTER_CUBIC)
    return np.stack([np.interp(every, at, axis) for axis in stroke.T], axis=1) + moves


def _typeset(character: str, path: Path, style: Style, rng: Random) -> Shape:
    """A character of a typeface; handwriting is distorted differently each time."""
    ink, first = typefaces.draw(path, character)
    if style.source != "print":
        margin = round(0.15 * max(ink.shape))
        ink, first = _bent(ink, margin, style, rng), first - margin
    scale = style.height / typefaces.height(path)
    wide, high = scale * ink.shape[1] * style.aspect, scale * ink.shape[0]
    ink = cv2.resize(ink, (max(1, round(wide)), max(1, round(high))), interpolation=cv2.INTER_AREA)
    return _cropped(ink, first * scale)


def _bent(ink: Ink, margin: int, style: Style, rng: Random) -> Ink:
    """Shear and distort the ink, and make the pen wider."""
    ink = cv2.copyMakeBorder(ink, *(margin,) * 4, cv2.BORDER_CONSTANT, value=0)
    bent = _warped(ink, 0.6 * style.slant, 0.035 * min(ink.shape), rng)
    if style.pen > MNIST_PEN:
        width = 1 + round((style.pen - 0.08) * len(ink))
        bent = cv2.dilate(bent, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width)))
    return np.asarray(bent, np.float32)


def _warped(ink: Ink, slant: float, reach: float, rng: Random) -> Ink:
    """Shear, and move every pixel by a smooth random field of about `reach` px."""
    high, wide = ink.shape
    grid = rng.normal(0, reach, (2, 4, 4)).astype(np.float32)
    dx, dy = (cv2.resize(g, (wide, high), interpolation=cv2.INTER_CUBIC) for g in grid)
    x, y = np.arange(wide, dtype=np.float32), np.arange(high, dtype=np.float32)[:, None]
    return cv2.remap(ink, x + dx + np.float32(slant) * (y - high / 2), y + dy, cv2.INTER_LINEAR)


def _cropped(ink: Ink, top: float) -> Shape:
    """Crop to the ink."""
    x, y, width, height = cv2.boundingRect((ink > MARK).astype(np.uint8))
    if not width:
        return Shape(ink.astype(np.float32), float(top))
    return Shape(ink[y : y + height, x : x + width].astype(np.float32), float(top + y))
