"""Small drawings that people put beside their notes, in a square of 10 by 10."""

from itertools import pairwise

import numpy as np

from cnn_mnist.training.synthetic.strokes import Glyph, Stroke, arc

Random = np.random.Generator


def drawing(rng: Random) -> Glyph:
    """A random drawing, in different proportions each time."""
    return DRAWINGS[rng.integers(len(DRAWINGS))](rng)


def heart(rng: Random) -> Glyph:
    """Two arcs that meet in a point, in one stroke or in two."""
    between = rng.uniform
    dip, y, high = (5, between(1.5, 3)), between(2.5, 3.5), between(2, 3.2)
    left, right = 5 - between(3.5, 5), 5 + between(3.5, 5)
    left_arc = arc((5 + left) / 2, y, (5 - left) / 2, high, 0, -180)
    right_arc = arc((5 + right) / 2, y, (right - 5) / 2, high, -180, 0)
    point = (5 + between(-0.6, 0.6), 10.0)
    if rng.random() < 0.5:
        return [[dip, *left_arc[1:], point, *reversed(right_arc[1:]), dip]]
    return [[dip, *left_arc[1:], point], [dip, *right_arc[1:], point]]


def note(rng: Random) -> Glyph:
    """A note of music: a filled or open head on a stem with a tail."""
    between = rng.uniform
    x, top = between(5, 6.5), between(0, 1)
    tail = [
        (x, top),
        (x + between(0.8, 2), top + between(1, 2)),
        (x + between(1, 2.5), between(3, 5)),
    ]
    return [*_head(x, 9, rng), [(x, 9.0), *tail[: 1 if rng.random() < 0.2 else 3]]]


def notes(rng: Random) -> Glyph:
    """Two notes under one beam."""
    between = rng.uniform
    left, right, top = between(2, 3.5), between(7.5, 9.5), between(0, 1.2)
    beam = [(left, 9.0), (left, top), (right, top + between(-1, 0.6)), (right, 8.5)]
    return [beam, *_head(left, 9, rng), *_head(right, 8.5, rng)]


def _head(x: float, y: float, rng: Random) -> Glyph:
    """The head of a note at the left of its stem."""
    wide, high = rng.uniform(1, 1.8), rng.uniform(0.7, 1.1)
    ring = arc(x - wide, y, wide, high, 0, 360)
    if rng.random() < 0.25:
        return [ring]
    return [ring, arc(x - wide, y, 0.6 * wide, 0.5 * high, 0, 360), [(x - 1.4 * wide, y), (x, y)]]


def face(rng: Random) -> Glyph:
    """A circle with eyes and a mouth that smiles, or does not."""
    between = rng.uniform
    wide, eye, apart = between(4, 5.2), between(2.8, 4.2), between(1.3, 2.2)
    begin = between(-100, -60)
    outline = arc(5, 5, wide, 5, begin, begin + between(340, 380))
    eyes = [_mark(5 + side * apart, eye, rng) for side in (-1, 1)]
    mouth_wide = between(1.5, 2.8)
    if rng.random() < 0.7:
        mouth = arc(
            5, between(5.2, 6), mouth_wide, between(1, 2.5), between(0, 25), between(155, 180)
        )
    else:
        mouth = arc(5, between(8, 8.6), mouth_wide, between(0.2, 1.5), 190, 350)
    return [outline, *eyes, mouth]


def _mark(x: float, y: float, rng: Random) -> Stroke:
    """A dot, a tick or a small ring."""
    if rng.random() < 0.3:
        return arc(x, y, rng.uniform(0.3, 0.7), rng.uniform(0.3, 0.9), 0, 360)
    return [(x, y), (x + rng.uniform(-0.2, 0.2), y + rng.uniform(0.1, 1))]


def sun(rng: Random) -> Glyph:
    """A ring with rays."""
    between = rng.uniform
    radius, count, turn = between(1.8, 2.8), int(rng.integers(6, 11)), between(0, 60)
    near, far = radius + between(0.3, 0.8), between(4.4, 5.4)
    glyph = [arc(5, 5, radius, radius, -90, 270)]
    for angle in np.radians(turn + np.arange(count) * 360 / count):
        direction = np.array([np.cos(angle), np.sin(angle)])
        glyph.append([tuple((5 + direction * reach).tolist()) for reach in (near, far)])
    return glyph


def house(rng: Random) -> Glyph:
    """Walls, a roof and mostly a door."""
    between = rng.uniform
    left, right, eaves = between(0.8, 2), between(8, 9.2), between(3.5, 5)
    ridge = (5 + between(-0.4, 0.4), between(0, 0.8))
    roof = [(left - between(0, 0.8), eaves), ridge, (right + between(0, 0.8), eaves)]
    glyph = [[(left, eaves), (left, 10), (right, 10), (right, eaves)], roof]
    if rng.random() < 0.7:
        x, top = between(3, 5), between(6.3, 7.5)
        glyph.append([(x, 10), (x, top), (x + between(1.2, 2), top), (x + between(1.2, 2), 10)])
    if rng.random() < 0.5:
        glyph.append([(left, eaves), (right, eaves)])
    return glyph


def flower(rng: Random) -> Glyph:
    """Petals around a ring, on a stem or not."""
    between = rng.uniform
    count, y, petal = int(rng.integers(4, 7)), between(3, 3.6), between(1, 1.4)
    glyph = [arc(5, y, 0.8, 0.8, 0, 360)]
    for angle in np.radians(between(0, 90) + np.arange(count) * 360 / count):
        x, below = 5 + 2 * np.cos(angle), y + 2 * np.sin(angle)
        glyph.append(arc(float(x), float(below), petal, petal, 0, 360))
    if rng.random() < 0.6:
        glyph.append([(5, y + 2.5), (5 + between(-0.6, 0.6), 10)])
    return glyph


def cloud(rng: Random) -> Glyph:
    """Arcs around a flat bottom."""
    between = rng.uniform
    arcs = arc(2, 6, 2, 2, 120, 260) + arc(4, 4, between(1.8, 2.6), between(2, 3), 200, 320)
    arcs += arc(7, 4.5, between(1.6, 2.2), 2, 220, 340) + arc(8.5, 6.3, 1.6, 1.6, 290, 430)
    return [[*arcs, arcs[0]]]


def bolt(rng: Random) -> Glyph:
    """A flash of lightning, in outline or as one zigzag."""
    between = rng.uniform
    top, knee = (between(5.5, 7), 0.0), between(5, 6)
    left, right = between(2, 3), between(7, 8.5)
    zigzag = [top, (left, knee), (5.4, knee - 0.6), (between(3, 4.5), 10)]
    if rng.random() < 0.4:
        return [zigzag]
    return [[*zigzag, (right, knee - 1.6), (5.6, knee - 1.2), (top[0] + 1.6, 0), top]]


def umbrella(rng: Random) -> Glyph:
    """A dome over a stick with a hook."""
    between = rng.uniform
    edge = between(4, 5.2)
    dome = arc(5, edge, between(4.2, 5.2), edge, 180, 360)
    ends = [dome[0][0], 5 - between(1, 2), 5 + between(1, 2), dome[-1][0]]
    waves = [
        arc((a + b) / 2, edge, (b - a) / 2, between(0.3, 0.9), 180, 360) for a, b in pairwise(ends)
    ]
    return [dome, *waves, [(5, edge), (5, 8.8), *arc(5.9, 8.8, 0.9, 1.2, 180, 20)]]


def envelope(rng: Random) -> Glyph:
    """A box with a flap."""
    between = rng.uniform
    top, left, right = between(1.5, 3), between(-1, 0.5), between(9.5, 11)
    outline = [(left, top), (right, top), (right, 9), (left, 9), (left, top)]
    return [outline, [(left, top), (5, between(5, 6.5)), (right, top)]]


def fish(rng: Random) -> Glyph:
    """An arc above and one below, crossing in a tail; and an eye."""
    between = rng.uniform
    high, end = between(2, 3.5), between(9.5, 11)
    upper = arc(4.5, 5, 4.5, high, 180, 340)
    lower = arc(4.5, 5, 4.5, high, 180, 20)
    tail = between(1.2, 2.5)
    body = [[*upper, (end, 5 + tail)], [*lower, (end, 5 - tail), (end, 5 + tail)]]
    return [*body, _mark(between(1.8, 2.8), 4.2, rng)]


def tree(rng: Random) -> Glyph:
    """A crown of arcs or triangles on a trunk."""
    between = rng.uniform
    low, trunk = between(6, 7.5), between(0.5, 1.1)
    stem = [[(5 + side * trunk, 10), (5 + side * trunk, low)] for side in (-1, 1)]
    if rng.random() < 0.5:
        return [*stem, arc(5, low / 2, between(3, 4.5), low / 2, 90, 450)]
    wide = between(3.5, 4.5)
    middle = low / 2
    upper = [(5 - 0.7 * wide, middle), (5, 0), (5 + 0.7 * wide, middle), (5 - 0.7 * wide, middle)]
    lower = [(5 - 0.4 * wide, middle), (5 - wide, low), (5 + wide, low), (5 + 0.4 * wide, middle)]
    return [*stem, upper, lower]


def eye(rng: Random) -> Glyph:
    """Two lids around a ring."""
    between = rng.uniform
    high, radius = between(2, 3.2), between(1, 1.7)
    lids = [arc(5, 5, 5, high, 180, 360), arc(5, 5, 5, high, 0, 180)]
    return [*lids, arc(5, 5, radius, radius, 0, 360), _mark(5, 4.7, rng)]


DRAWINGS = (
    heart, heart, note, note, notes, face, face, sun, house, flower, cloud, bolt, umbrella,
    envelope, fish, tree, eye,
)  # fmt: skip
