"""The signs between and beside digits, as pen strokes in a digit's square of 10 by 10."""

import numpy as np

from cnn_mnist.training.synthetic.strokes import Glyph, arc

Random = np.random.Generator

WAVE = ((0.12, -0.7), (0.28, -1), (0.42, -0.6), (0.58, 0.6), (0.72, 1), (0.88, 0.7))


def dot(rng: Random, y: float) -> Glyph:
    """A short mark at height y."""
    size = rng.uniform(0.1, 0.6)
    return [[(0, y), (size, y + rng.uniform(-0.3, 0.3))]]


def full_stop(rng: Random) -> Glyph:
    """A dot on the line."""
    return dot(rng, rng.uniform(8.6, 10.2))


def comma(rng: Random) -> Glyph:
    """A short stroke through the line, mostly to the left."""
    y, length = rng.uniform(8.4, 9.8), np.exp(rng.uniform(0.2, 1.6))  # 1.2 to 5
    return [[(1.0, y), (0.9, y + 0.5 * length), (rng.uniform(-0.6, 0.5), y + length)]]


def dash(rng: Random) -> Glyph:
    """A level stroke, half-way up, sometimes a wave."""
    y, slope, width = rng.uniform(4, 6.8), rng.uniform(-0.7, 0.7), rng.uniform(2.5, 9)
    if rng.random() < 0.15:  # a wave
        high = rng.uniform(0.4, 1.4)
        return [[(0, y), *((width * x, y + high * bow) for x, bow in WAVE), (width, y + slope)]]
    return [[(0, y), (width, y + slope)]]


def slash(rng: Random) -> Glyph:
    """A stroke longer than a digit, and slanting more than a 1."""
    return [[(rng.uniform(4, 8), rng.uniform(-3, -1)), (0, rng.uniform(11, 13))]]


def colon(rng: Random) -> Glyph:
    """Two dots, one above the other."""
    return dot(rng, rng.uniform(2.5, 4.5)) + dot(rng, rng.uniform(7.5, 9.6))


def plus(rng: Random) -> Glyph:
    """Two crossing strokes."""
    x, y, half = 3.5, rng.uniform(4.5, 6), rng.uniform(2, 3.8)
    slope = rng.uniform(-0.4, 0.4)
    bar = [(x - half, y + slope), (x + half, y - slope)]
    return [bar, [(x + rng.uniform(-0.4, 0.4), y - half), (x - slope, y + half)]]


def equals(rng: Random) -> Glyph:
    """Two level strokes."""
    y, apart, width = rng.uniform(3.5, 5.5), rng.uniform(1.5, 3), rng.uniform(4, 9)
    slope = rng.uniform(-0.5, 0.5)
    upper, lower = rng.uniform(-0.6, 0.6, 2)
    return [
        [(upper, y), (width + upper, y + slope)],
        [(lower, y + apart), (width + lower, y + apart + slope)],
    ]


def dollar(rng: Random) -> Glyph:
    """An S with one or two bars."""
    bowls = arc(5, 2.8, 2.6, 2.3, -30, -270) + arc(5, 7.4, 2.8, 2.4, -90, 150)
    x, length = rng.uniform(4.6, 5.4), rng.uniform(0.6, 1.8)
    bars = [[(x, -length), (x - rng.uniform(-0.4, 0.6), 10 + length)]]
    if rng.random() < 0.3:
        bars.append([(x + 1, -length), (x + 0.8, 10 + length)])
    return [bowls, *bars]


def euro(rng: Random) -> Glyph:
    """A C with two bars."""
    width = rng.uniform(2.8, 4)
    bow = arc(5.5, 5, width, 5, -50, -310)
    y = rng.uniform(3.6, 4.4)
    return [bow, [(0.5, y), (6.5, y)], [(0.5, y + 1.9), (6, y + 1.9)]]


def pound(rng: Random) -> Glyph:
    """An L with a hook and a bar."""
    bow = arc(5.5, 2.5, 2.4, 2.5, -20, -190)
    stem = [*bow, (3.6, 6), (2, 10), (8, rng.uniform(9.2, 10))]
    return [stem, [(1.2, 5.6), (6.3, 5.4)]]


def opening_bracket(rng: Random) -> Glyph:
    """An arc around what follows."""
    width, above, below = rng.uniform(0.8, 3), rng.uniform(-2.5, 0.5), rng.uniform(9.5, 13)
    return [arc(width, (above + below) / 2, width, (below - above) / 2, -95, -265)]


def closing_bracket(rng: Random) -> Glyph:
    """An arc around what precedes."""
    return [[(4 - x, y) for x, y in stroke] for stroke in opening_bracket(rng)]


def percent(rng: Random) -> Glyph:
    """A slash between two small rings; the first is sometimes joined to it."""
    width, height = rng.uniform(1.2, 2.2), rng.uniform(1.3, 2.4)
    top, begin = (rng.uniform(5.5, 9), rng.uniform(-1, 1)), rng.uniform(-180, 180)
    slash = [top, (rng.uniform(0, 3), rng.uniform(9, 11))]
    upper = arc(width, 2.5, width, height, begin, begin - 350)
    x = top[0] + rng.uniform(-1, 1.5)
    lower = arc(x, 8, width, height, begin, begin + 350)
    if rng.random() < 0.3:
        return [[*arc(width, 2.5, width, height, -20, -370), *slash], lower]
    return [upper, slash, lower]


def degree(rng: Random) -> Glyph:
    """A small ring as high as the top of a digit."""
    radius = rng.uniform(0.8, 1.8)
    ring = arc(radius, rng.uniform(-0.5, 2.2), radius, radius * rng.uniform(0.8, 1.3), -90, 260)
    return [ring]


SIGNS = {
    ".": full_stop,
    ",": comma,
    "-": dash,
    "/": slash,
    ":": colon,
    "+": plus,
    "=": equals,
    "$": dollar,
    "€": euro,
    "£": pound,
    "%": percent,
    "°": degree,
    "(": opening_bracket,
    ")": closing_bracket,
}
