"""Forms of digits that run together in quick writing, as pen strokes in a square of 10 by 10.

MNIST was written digit by digit and has few of them.
"""

import numpy as np

from cnn_mnist.training.synthetic.cursive import hurry, smooth
from cnn_mnist.training.synthetic.glyphs import DIGITS
from cnn_mnist.training.synthetic.strokes import Glyph, Stroke, arc, as_stroke

Random = np.random.Generator

QUICK = 0.5  # share of digits in a form of quick writing


def curled_zero(rng: Random) -> Glyph:
    """The stroke continues past its closing point, into a curl or towards the next digit."""
    between = rng.uniform
    width = between(3, 6)
    start = between(-110, -40)
    ring = arc(5, 5, width, 5, start, start - 360)
    if rng.random() < 0.5:
        return [[*ring, (5 + between(-0.5, 0.5) * width, between(1.5, 4)), *_tail(width, rng)]]
    return [[*ring, (5 + between(0.3, 1) * width, between(-0.5, 2)), *_tail(width, rng)]]


def _tail(width: float, rng: Random) -> Stroke:
    return [(5 + width * rng.uniform(0.9, 1.5), rng.uniform(-0.5, 2.5))]


def upstroke_one(rng: Random) -> Glyph:
    """The upstroke is nearly as long as the stem, straight or curved, and may turn into it."""
    between = rng.uniform
    if rng.random() < 0.2:
        return [_looped_one(rng)]
    x, reach, drop = between(5, 7), between(1, 6), between(2.5, 10.6)
    bow = between(-0.25, 0.3)
    upstroke = [(x - reach, drop), (x - reach * (0.45 + bow), drop * (0.5 + bow))]
    if rng.random() < 0.25:  # it begins with a curl
        radius = between(0.5, 1.2)
        upstroke = arc(x - reach - radius, drop, radius, radius, between(60, 200), 360) + upstroke
    round_top = arc(x - 0.5, 0.5, 0.5, 0.5, 180, 360) if rng.random() < 0.25 else [(x, 0.0)]
    foot, y = x + between(-1.2, 0.6), between(9.4, 10.6)
    stem = [*upstroke, *round_top, (foot, y)]
    end = rng.random()
    if end < 0.25:
        return [
            stem,
            [(foot - between(1, 3.5), y), (foot + between(1, 3.5), y - between(-0.4, 0.6))],
        ]
    if end < 0.35:  # the stem turns to the next digit
        stem.append((foot + between(1.5, 4), y - between(-0.2, 1.5)))
    elif end < 0.45:  # or back, like a J
        radius = between(0.5, 1.4)
        stem += arc(foot - radius, y - radius, radius, radius, 0, between(90, 260))
    return [stem]


def _looped_one(rng: Random) -> Stroke:
    """The flag is a narrow loop, as of a written l, or meets the stem below its top, like a λ."""
    between = rng.uniform
    x, wide, low = between(4.5, 6), between(0.3, 1.4), between(3.5, 8)
    foot = (x + between(-1, 1.5), between(9.4, 10.4))
    if rng.random() < 0.35:
        join = x, between(2.5, 5.5)
        return [(x - between(2, 5), between(join[1] + 2, 10.6)), join, (x - 0.3, 0), join, foot]
    side = rng.choice([-1, 1])
    begin = (x - side * wide * between(0.8, 3), low + between(-0.5, 0.8))
    loop = [(x + side * wide, 0.45 * low), (x + 0.3 * side, 0.0), (x - side * wide, 0.4 * low)]
    return _round([begin, *loop, (x, low), foot])


def swinging_two(rng: Random) -> Glyph:
    """An arc from far down on the left, a narrow loop at the foot, and a wave along the line."""
    between = rng.uniform
    width, height = between(2.5, 4.5), between(2.2, 3.6)
    begin = between(30, 120) if rng.random() < 0.4 else between(120, 200)  # from inside the arc
    bow = arc(5, height, width, height, begin, between(380, 410))
    foot = 5 - width + between(-1, 0.6)
    radius = between(0.4, 1.1)
    loop = arc(foot, 9.6 - radius, 1.4 * radius, radius, 20, 300)
    wave = [(5, between(8.8, 10)), (6.5, between(9.6, 10.6)), (5 + width + between(0.5, 3), 9.3)]
    return [[*bow, *loop, *wave]]


def roofed_three(rng: Random) -> Glyph:
    """A wide flat roof, now and then with a tick before it, over a low belly."""
    between = rng.uniform
    left, right, waist = between(0, 2.5), between(6.5, 9), between(3.2, 5.2)
    roof = [(left, between(0, 0.9)), (right, between(-0.3, 0.5)), (between(3, 5.5), waist)]
    if rng.random() < 0.35:
        roof.insert(0, (left + between(-0.3, 0.3), between(1.2, 2.4)))
    belly = arc(between(4, 5), (waist + 10) / 2, between(2.5, 4.5), (10 - waist) / 2, -70,
                between(110, 190))  # fmt: skip
    return [roof + belly]


def open_four(rng: Random) -> Glyph:
    """Like an h: a short left stroke that turns into the bar, and a long right one."""
    between = rng.uniform
    left, bar, right = between(1, 3), between(4, 6.5), between(5.5, 8)
    angle = [
        (left + between(0, 1.5), between(0, 1.5)),
        (left, bar),
        (right, bar + between(-1, 0.5)),
    ]
    if rng.random() < 0.5:
        return [[*angle, (right + between(-0.4, 0.4), 10)]]
    return [angle, [(right + between(-0.3, 0.8), between(1, 5)), (right - between(-0.4, 1), 10)]]


def flowing_five(rng: Random) -> Glyph:
    """An S without corners, a belly under a roof that floats, square like an h, or like a root."""
    between = rng.uniform
    kind = rng.random()
    if kind < 0.1:
        return _root_five(rng)
    if kind < 0.3:
        return _square_five(rng)
    upper = arc(5.5, 2.6, between(2, 3.2), 2.6, between(-40, -10), -250)
    lower = arc(4.6, 7.4, between(2.2, 3.6), 2.6, -100, between(120, 170))
    if kind < 0.7:
        return [upper + lower]
    x, y = between(3, 5.5), between(-1.2, 0.4)
    neck = [(3, between(0.8, 2)), (2.8, 4.6)]
    return [neck + lower, [(x, y), (x + between(2.5, 6), y + between(-0.8, 0.4))]]


def _square_five(rng: Random) -> Glyph:
    between = rng.uniform
    left, waist, width = between(2, 3.5), between(4.8, 6.5), between(1.5, 3)
    corner = (left + between(-0.3, 0.5), between(-0.3, 0.4))
    stem = [(left + between(4, 7), between(-0.3, 0.6)), corner, (left, between(6.5, 9.8))]
    bow = arc(left + width, waist + 0.8, width, 1.4, 190, between(370, 400))
    end = (left + width * between(0.8, 1.8), between(9, 10.2))
    curl = arc(end[0] - 0.8, end[1] - 0.9, 0.8, 0.8, 60, between(150, 360))
    return [stem, [(left, waist + 0.5), *bow, end, *(curl if rng.random() < 0.5 else [])]]


def _root_five(rng: Random) -> Glyph:
    """In one stroke: the belly is the tick of a root sign, the roof is over the next digit."""
    between = rng.uniform
    tick = (between(0.5, 2.5), between(5, 7)), (between(2.5, 4), between(9.2, 10.2))
    corner = between(4, 6), between(-0.3, 1)
    return [[*tick, corner, (corner[0] + between(2, 6), between(-0.5, 0.8))]]


def hooked_six(rng: Random) -> Glyph:
    """A long neck with a hook at its top, and a low loop."""
    between = rng.uniform
    width, height = between(2, 3.6), between(1.4, 2.4)
    left, top = 4.5 - width, between(3.5, 7.5)
    hook = arc(top, 1.3, between(1, 2.4), 1.3, between(-20, 50), -120)
    loop = arc(4.5, 10 - height, width, height, 180, between(-230, -150))
    return [[*hook, (left + between(0, 0.8), between(3.5, 5.5)), *loop]]


def waved_seven(rng: Random) -> Glyph:
    """A wave or an arch for a roof, a steep stem, and a bar; or hardly a roof, like a t."""
    between = rng.uniform
    if rng.random() < 0.25:
        return _crossed_seven(rng)
    roof = [(1.5, between(0.5, 2)), (3, between(-0.4, 0.4)), (5.5, between(0.4, 1.2))]
    y, half = between(3.8, 6), between(1.5, 3.5)
    if rng.random() < 0.25:  # round like an arch, on an upright stem
        roof = arc(4.5, 2.4, between(2.5, 4), 2.4, between(150, 210), 350)
        stem = [(between(7, 8), 5.0), (between(6, 8.5), 10.0)]
    else:
        stem = [(between(7.5, 9), between(-0.4, 0.2)), (6.0, 4.5), (between(3, 6), 10.0)]
    bar = [(6 - half, y + between(-0.6, 1)), (6 + half, y + between(-1.2, 0.4))]
    return [roof + stem, bar] if rng.random() < 0.75 else [roof + stem]


def _crossed_seven(rng: Random) -> Glyph:
    between = rng.uniform
    x, y = between(4.5, 6), between(3.5, 6)
    flag = (x - between(0.6, 2.2), between(0, 1.6))
    stem = [flag, (x, between(-0.3, 0.3)), (x + between(-0.6, 0.3), 5), (x - between(0, 2), 10)]
    bar = [(x - between(1.5, 3.5), y + between(-0.3, 1)), (x + between(1.2, 3.5), y)]
    return [stem, bar]


def knotted_eight(rng: Random) -> Glyph:
    """One stroke that begins in the middle or at the right and crosses itself."""
    between = rng.uniform
    width = between(2, 3.4)
    if rng.random() < 0.12:
        return _straight_eight(width, rng)
    start = (5 + width + between(-0.5, 1), between(0.2, 2))
    upper = arc(5, 2.4, width, 2.4, -20, -250)
    lower = arc(5, 7.4, width + between(-0.3, 0.8), 2.6, -60, 230)
    return [[start, *upper, *lower, (5 + width * between(0.2, 1.2), between(0.8, 3))]]


def _straight_eight(width: float, rng: Random) -> Glyph:
    """Two bowls on a straight back, like a B."""
    between = rng.uniform
    left, waist = 5 - width + between(-0.3, 0.5), between(4, 5.4)
    upper = arc(left + 0.5, waist / 2, 1.6 * width, waist / 2, -90, between(70, 100))
    lower = arc(left + 0.5, (waist + 10) / 2, 1.8 * width, (10 - waist) / 2, -80, 110)
    return [[(left + between(-0.5, 0.5), 10), (left, between(-0.2, 0.8)), *upper, *lower]]


def curved_nine(rng: Random) -> Glyph:
    """A loop, often begun within, and a tail that turns back to the left, short or like a g."""
    between = rng.uniform
    width, height = between(1.6, 3.4), between(1.6, 3.2)
    kind = rng.random()
    if kind < 0.3:
        return [_swept_nine(width, height, rng)]
    if kind < 0.55:
        return [_ribbon_nine(width, rng)]
    if rng.random() < 0.3:  # clockwise, back to a stem in the middle
        loop = arc(5, height, width, height, between(100, 170), between(440, 520))
        return [[*loop, (5 + between(-0.6, 0.8), 6), (5 + between(-1.5, 0.8), between(9.5, 10.4))]]
    loop = arc(5, height, width, height, between(-50, 0), -370)
    if rng.random() < 0.45:
        start = (5 + width * between(-0.2, 0.5), height * between(0.7, 1.2))
        loop = [start, *arc(5, height, width, height, between(60, 140), between(360, 375))]
    right = 5 + width
    if rng.random() < 0.5:
        return [[*loop, (right + between(-0.6, 0.2), 5.5), *_hook(right, rng)]]
    return [[*loop, (right - between(0.2, 1), 6), (5 + between(-1, 0.6), between(9, 10))]]


def _swept_nine(width: float, height: float, rng: Random) -> Stroke:
    """Like an S that is closed at its top: the stem crosses below the loop."""
    between = rng.uniform
    start = [(5 + width * between(0.3, 1), height * between(1.4, 2.3))]
    loop = arc(5, height, width, height, between(-10, 40), between(-270, -210))
    waist = 2 * height + between(-0.6, 0.6)
    stem = [(5 + width * between(-0.2, 0.5), waist), (5 + width * between(0.2, 0.9), waist + 1.2)]
    foot = [(5 + width * between(-0.3, 0.7), between(9.2, 10.5))]
    if rng.random() < 0.3:
        foot.append((foot[0][0] - between(0.8, 2.5), between(8.8, 10)))
    return [*(start if rng.random() < 0.7 else []), *loop, *stem, *foot]


def _ribbon_nine(width: float, rng: Random) -> Stroke:
    """A ribbon laid in a loop: both ends cross below it, and one of them is short."""
    between = rng.uniform
    side, low = rng.choice([-1, 1]) * width, between(4, 7)
    begin = (5 - side * between(0.2, 0.9), low + between(0.3, 1.6))
    loop = [(5 + 1.1 * side, 0.45 * low), (5 + 0.6 * side, 0.0), (5 - 0.6 * side, 0.0),
            (5 - 1.1 * side, 0.45 * low), (5, low)]  # fmt: skip
    foot = [(5 + side * between(0, 0.5), low + between(0.8, 1.6)), (5 + between(-1, 1), 10)]
    return _round([begin, *loop, *foot])


def _round(stroke: Stroke) -> Stroke:
    """The stroke without corners."""
    return as_stroke(smooth(smooth(np.array(stroke))))


def _hook(right: float, rng: Random) -> Stroke:
    between = rng.uniform
    radius = between(1.2, 2.8)
    return arc(right - radius - 0.2, 10 - radius, radius, radius, 0, between(90, 250))


FORMS = (
    curled_zero, upstroke_one, swinging_two, roofed_three, open_four, flowing_five, hooked_six,
    waved_seven, knotted_eight, curved_nine,
)  # fmt: skip


def any_form(digit: int, haste: float, rng: Random) -> Glyph:
    """A digit in one of its usual forms, or of those of quick writing.

    Args:
        haste: 0..1, as for `hurry`.
    """
    form = (FORMS if rng.random() < QUICK else DIGITS)[digit]
    return hurry(form(rng), haste, rng)
