"""Numbers with a ring around them, which are read, and numbers crossed out, which are not."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from cnn_mnist.inference.recognition.line import OTHER
from cnn_mnist.training.lines.shapes import Digits
from cnn_mnist.training.lines.style import Style
from cnn_mnist.training.lines.text import number
from cnn_mnist.training.lines.writing import Line, Mark, lay, moved, write
from cnn_mnist.training.synthetic.cursive import smooth
from cnn_mnist.training.synthetic.strokes import Glyph, arc, as_stroke, polylines

Random = np.random.Generator

RINGED, CROSSED = 0.5, 0.25  # shares of the numbers in such a line


def write_overdrawn(style: Style, digits: Digits, rng: Random) -> Line:
    """One to three numbers side by side, some with a ring, some crossed out."""
    numbers = []
    for _ in range(int(rng.integers(1, 4))):
        line = write(number(rng, most=4), style, digits, rng)
        kind = rng.random()
        if kind < RINGED:
            line = _overdrawn(line, style, _ring, rng)
        elif kind < RINGED + CROSSED and len(line.marks) > 1:  # one stroke may slash a 0
            line = _overdrawn(line, style, _strokes if rng.random() < 0.5 else _scribble, rng)
            line = replace(line, marks=tuple(Mark(OTHER, mark.box) for mark in line.marks))
        numbers.append(line)
    return _side_by_side(numbers, rng)


def _ring(wide: float, high: float, rng: Random) -> Glyph:
    """An oval around a number; it need not close, and usually overshoots its start."""
    x, y = (1.42 * side / 2 * rng.uniform(0.85, 1.3) for side in (wide, high))
    x, y = max(x, 0.55 * high), max(y, 0.8 * high)
    begin, turn = rng.uniform(0, 360), rng.uniform(330, 400)
    ring = np.array(arc(wide / 2, high / 2, x, y, begin, begin + turn * rng.choice([-1, 1])))
    drift = rng.normal(0, 0.03 * high, 2) * np.linspace(-1, 1, len(ring))[:, None]
    return [as_stroke(smooth(smooth(ring + drift)))]


def _strokes(wide: float, high: float, rng: Random) -> Glyph:
    """One or two strokes across a number; two may cross."""
    steep = 0.5 * high * rng.uniform(0.1, 1.1) * rng.choice([-1, 1])
    apart = high * rng.uniform(0.12, 0.3)
    count, crossing = int(rng.integers(1, 3)), rng.random() < 0.4
    out: Glyph = []
    for at in range(count):
        y = high / 2 + (at - (count - 1) / 2) * (0 if crossing else apart)
        slope = -steep if crossing and at else steep
        left, right = rng.uniform(0, 0.3, 2) * high
        wobble = rng.normal(0, 0.03 * high, 2)
        out.append([(-left, y - slope + wobble[0]), (wide + right, y + slope + wobble[1])])
    return out


def _scribble(wide: float, high: float, rng: Random) -> Glyph:
    """A zigzag that covers a number."""
    turns = max(5, round(wide / high * rng.uniform(4, 9)))
    x = np.linspace(-0.1 * high, wide + 0.1 * high, turns) + rng.normal(0, 0.08 * high, turns)
    y = high / 2 + np.where(np.arange(turns) % 2, 0.5, -0.5) * high * rng.uniform(0.4, 1.1, turns)
    zigzag = np.stack([x, y], axis=1)
    if rng.random() < 0.5:
        zigzag = smooth(zigzag)
    return [as_stroke(zigzag)]


def _overdrawn(
    line: Line, style: Style, glyph: Callable[[float, float, Random], Glyph], rng: Random
) -> Line:
    """The line with strokes around or across it, and as much margin as they need."""
    high, wide = line.ink.shape
    strokes = [np.array(stroke) for stroke in glyph(wide, high, rng)]
    pen = style.pen * style.height * rng.uniform(0.5, 1.3)
    every = np.concatenate(strokes)
    left, top = np.ceil(np.maximum(pen - every.min(axis=0), 0)).astype(int)
    right, bottom = np.ceil(np.maximum(every.max(axis=0) + pen - (wide, high), 0)).astype(int)
    drawn = np.zeros((high + top + bottom, wide + left + right), np.uint8)
    level = round(255 * rng.uniform(0.5, 1))  # of another pen
    polylines(drawn, [stroke + np.array([left, top]) for stroke in strokes], pen, level)
    ink = drawn.astype(np.float32) / 255
    lay(ink, line.ink, (left, top))
    return Line(ink, moved(line.marks, left, top), line.height)


def _side_by_side(lines: list[Line], rng: Random) -> Line:
    """Lines with gaps between them, centred on one line of writing."""
    unit = lines[0].height
    high = max(len(line.ink) for line in lines) + round(0.2 * unit)
    gaps = rng.uniform(0.3, 1.5, len(lines)) * unit
    wide = round(sum(line.ink.shape[1] for line in lines) + sum(gaps))
    ink, x = np.zeros((high, wide), np.float32), 0
    marks: list[Mark] = []
    for line, gap in zip(lines, gaps, strict=True):
        y = round((high - len(line.ink)) / 2 + rng.uniform(-0.1, 0.1) * unit)
        lay(ink, line.ink, (x, y))
        marks += moved(line.marks, x, y)
        x += line.ink.shape[1] + int(gap)
    return Line(ink, tuple(marks), unit)
