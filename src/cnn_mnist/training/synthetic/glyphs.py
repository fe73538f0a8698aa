"""The ten digits in their usual handwritten forms.

Glyphs fill a square of about 10 by 10. Each call draws random proportions and a random form of the
digit: with and without flag and foot, slashed, barred, open, closed, curled.
"""

import numpy as np

from cnn_mnist.training.synthetic.strokes import Glyph, Stroke, arc

Random = np.random.Generator


def zero(rng: Random) -> Glyph:
    """An oval that rarely closes exactly; sometimes slashed."""
    between = rng.uniform
    width = between(2.2, 5)
    glyph = [arc(5, 5, width, 5, between(-120, -60), between(250, 300))]
    if rng.random() < 0.45:
        reach = between(0.5, 1.25)
        x, y = 0.75 * reach * width, 3.75 * reach
        glyph.append([(5 + x, 5 - y), (5 - x, 5 + y)])
    return glyph


def one(rng: Random) -> Glyph:
    """A stem, mostly with a flag, straight or sagging; half of them with a foot."""
    between = rng.uniform
    x = between(4.5, 6)
    stem: Stroke = [(x, 0), (x + between(-0.6, 0.6), 10)]
    if rng.random() < 0.85:
        length, angle = between(1.2, 5.5), np.radians(between(25, 75))
        tip_x, tip_y = x - length * np.sin(angle), length * np.cos(angle)
        middle = ((tip_x + x) / 2, tip_y / 2 + between(0, 0.6))
        stem = [(tip_x, tip_y), middle, *stem]
    if rng.random() < 0.5:
        left, right = x - between(0.8, 3.5), x + between(0.8, 3.5)
        return [stem, [(left, between(9.8, 10.2)), (right, between(9.6, 10.2))]]
    return [stem]


def two(rng: Random) -> Glyph:
    """An arc and a foot, joined by a corner, by a loop at the foot, or by one half-way."""
    between = rng.uniform
    width, height = between(2.8, 4.2), between(2.5, 3.6)
    bow = arc(5, height, width, height, between(160, 220), between(395, 420))
    end = (5 + width + between(0, 2), between(9.2, 10.3))
    form = rng.random()
    if form < 0.1:
        loop = arc(5 - width * between(0, 0.5), between(5, 6.2), 1.2, 0.9, 30, 330)
        return [[*bow[:-2], *loop, (5 + width / 2, 7.5), end]]
    if form < 0.35:
        radius = between(0.6, 1.4)
        loop = arc(5 - width + radius + between(-0.5, 0.5), 10 - radius, radius, radius, 30, 300)
        return [[*bow, *loop, (5, 9.3), end]]
    return [[*bow, (5 - width + between(-0.8, 0.5), 10), end]]


def three(rng: Random) -> Glyph:
    """Two bowls, the upper one sometimes an angle, the lower one sometimes ending in a curl."""
    between = rng.uniform
    width, middle = between(2.5, 4), between(4.2, 5.2)
    lower_width, lower_height = width + between(0, 0.6), (10 - middle) / 2
    lower_y = middle + lower_height
    if rng.random() < 0.25:
        upper = [(5 - width, between(0, 0.4)), (5 + width, 0), (5 + between(-0.5, 1), middle)]
    else:
        upper = arc(5, middle / 2, width, middle / 2, between(180, 220), 450)
    if rng.random() < 0.3:
        lower = arc(5, lower_y, lower_width, lower_height, -90, 120)
        return [upper + lower + _curl(5 - width * 0.6, rng)]
    return [upper + arc(5, lower_y, lower_width, lower_height, -90, between(130, 180))]


def four(rng: Random) -> Glyph:
    """Open, closed at the top, narrow with a bar that hardly crosses, or in one stroke."""
    between = rng.uniform
    x, y, left = between(5.5, 7.5), between(5.5, 7.5), between(1, 2.5)
    top = (x + between(-0.3, 0.3), between(-0.2, 0.3))
    form = rng.random()
    if form < 0.3:
        y = between(3.8, 6.2)
        angle = [top, (left, y), (x + between(-0.2, 1.2), y + between(-0.3, 0.6))]
        return [angle, [top, (x + between(-0.8, 0.8), 10)]]
    if form < 0.55:
        angle = [top, (left, y), (x + between(0.8, 3.5), y + between(-0.3, 0.3))]
        return [angle, [top, (x + between(-0.4, 0.4), 10)]]
    if form < 0.65:
        return [[(x, 10), (x, 0), (left, y), (x + between(0.5, 3), y)]]
    angle = [(between(1.5, 4), between(0, 1.2)), (left, y)]
    angle.append((x + between(0.5, 3.5), y + between(-0.5, 0.5)))
    return [angle, [(x + between(-0.3, 1), between(0, 4)), (x + between(-0.6, 0.5), 10)]]


def five(rng: Random) -> Glyph:
    """Roof, neck and belly; the roof may be a stroke of its own, the belly end in a curl."""
    between = rng.uniform
    width, middle = between(2, 4), between(3.3, 5.8)
    left = 5 - width + between(-0.5, 1)
    height = (10 - middle) / 2
    if rng.random() < 0.2:
        belly = arc(5, middle + height, width, height, between(-135, -95), 110)
        belly += _curl(5 - width / 2, rng)
    else:
        belly_width = width + between(-0.5, 1)
        begin, end = between(-135, -95), between(115, 170)
        belly = arc(5 - between(0, 1), middle + height, belly_width, height, begin, end)
    neck = [(left + between(0, 0.5), 0.2), (left - between(0, 0.5), middle + between(0, 1))]
    roof_end = (left + between(2, 6.5), between(-0.5, 0.6))
    if rng.random() < 0.3:
        return [neck + belly, [(left + between(0, 0.5), between(-0.6, 0.5)), roof_end]]
    return [[roof_end, *neck, *belly]]


def six(rng: Random) -> Glyph:
    """A falling stroke into a loop of either turn; sometimes it begins with a hook."""
    between = rng.uniform
    width, height = between(1.7, 3.6), between(1.7, 3)
    end = between(-200, -150) if rng.random() < 0.5 else between(500, 550)
    loop = arc(4.5, 10 - height, width, height, 180, end)
    left = 4.5 - width
    start = (between(4, 8.5), between(-0.2, 0.8))
    if rng.random() < 0.25:
        hook = (start[0] + between(0, 1), between(0.8, 2.2))
        shoulder = (4.5 - width * between(0.2, 0.8), between(1, 2.5))
        return [[hook, start, shoulder, (left, 5), *loop]]
    waist = (left + (start[0] - left) * between(0.15, 0.4), between(2.5, 4.5))
    return [[start, waist, *loop]]


def seven(rng: Random) -> Glyph:
    """A roof and a stem; sometimes a serif before the roof, half of them barred."""
    between = rng.uniform
    width = between(2.5, 4.2)
    roof = [(5 - width, between(0, 0.6)), (5 + width, between(-0.3, 0.3))]
    if rng.random() < 0.3:
        roof.insert(0, (5 - width + between(-0.3, 0.3), between(1, 2.2)))
    waist = (5 + width * between(-0.1, 0.3), between(4, 6))
    glyph = [[*roof, waist, (5 - width * between(-0.1, 0.7), 10)]]
    if rng.random() < 0.5:
        x, y, half = 5 + between(-0.2, 1.2), between(4, 6), between(1.2, 3)
        slope = between(-0.8, 0.4)
        glyph.append([(x - half, y - slope), (x + half, y + slope)])
    return glyph


def eight(rng: Random) -> Glyph:
    """Two rings, or one stroke that need not close at the top."""
    between = rng.uniform
    width, middle = between(1.7, 3.6), between(4, 5.5)
    lower_width, lower_height = width + between(-0.4, 1), (10 - middle) / 2
    lower = arc(5, middle + lower_height, lower_width, lower_height, -90, 270)
    if rng.random() < 0.5:
        return [arc(5, middle / 2, width, middle / 2, -90, 270), lower]
    begin = arc(5, middle / 2, width, middle / 2, between(-70, -30), -270)
    return [begin + lower + arc(5, middle / 2, width, middle / 2, 90, between(-42, -30))]


def nine(rng: Random) -> Glyph:
    """A loop with a stem: upright, hooked to the left, or leaning."""
    between = rng.uniform
    width, height = between(1.7, 3.6), between(1.7, 3)
    loop = arc(5, height, width, height, between(-60, 0), between(-370, -350))
    right = 5 + width
    form = rng.random()
    tail: Stroke
    if form < 0.4:
        tail = [(right + between(-0.6, 0.3), 6), (right + between(-2, 0.5), 10)]
    elif form < 0.7:
        bottom = (5 - width * between(-0.2, 0.6), 10)
        tail = [(right, 6.5), (5 + width * between(0.2, 0.8), 9.5), bottom]
        tail.append((5 - width, between(8.5, 9.5)))
    else:
        tail = [(5 + width * between(0.3, 0.9), 6), (between(2, 6), 10)]
    return [loop + tail]


def _curl(x: float, rng: Random) -> Stroke:
    """The small loop at the bottom left in which some people end a 3 or a 5."""
    radius = rng.uniform(0.6, 1.6)
    y = 10 - radius - rng.uniform(0, 0.8)
    return arc(x, y, 1.3 * radius, radius, 90, rng.uniform(240, 420))


DIGITS = (zero, one, two, three, four, five, six, seven, eight, nine)
