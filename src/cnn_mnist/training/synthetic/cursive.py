"""Quick writing of any glyph: corners are rounded or become loops, strokes join and overshoot.

A glyph fills a square of 10 by 10, as in `glyphs`.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cnn_mnist.training.synthetic.strokes import Glyph, as_stroke

Random = np.random.Generator
Points = NDArray[np.float64]  # N×2

SHARP = np.cos(np.radians(70))  # a corner turns by more than this angle
NEAR = 6.0  # from one stroke's end to the next one's beginning
LOOPED = 0.35  # share of the corners that become loops
BEND = 0.2, 0.2, 0.6, 0.1  # standard deviations of what `_bent` takes


def hurry(glyph: Glyph, haste: float, rng: Random) -> Glyph:
    """The glyph written quickly, in different proportions each time.

    Args:
        haste: 0 leaves it as it is, 1 is the quickest writing.
    """
    strokes = [np.array(stroke, float) for stroke in glyph]
    if rng.random() < 0.5 * haste:
        strokes = _connected(strokes)
    strokes = [_run_on(_cornered(stroke, haste, rng), haste, rng) for stroke in strokes]
    for _ in range(int(rng.binomial(2, haste))):
        strokes = [smooth(stroke) for stroke in strokes]
    return bend(strokes, haste, rng)


def bend(strokes: Sequence[Points], haste: float, rng: Random) -> Glyph:
    """The strokes in different proportions each time; `haste` as for `hurry`."""
    amounts = rng.normal(0, BEND) * haste
    return [as_stroke(_bent(stroke, *amounts)) for stroke in strokes]


def _connected(strokes: list[Points]) -> list[Points]:
    """Join each stroke to the next one if that begins nearby."""
    out = strokes[:1]
    for stroke in strokes[1:]:
        if np.hypot(*(stroke[0] - out[-1][-1])) < NEAR:
            out[-1] = np.concatenate([out[-1], stroke])
        else:
            out.append(stroke)
    return out


def _cornered(points: Points, haste: float, rng: Random) -> Points:
    """Turn some sharp corners into an arc or a small loop."""
    out = [points[:1]]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        come, go = _unit(corner - before), _unit(after - corner)
        if come @ go > SHARP or rng.random() > 0.6 * haste:
            out.append(corner[None])
            continue
        tip = _unit(come - go)
        beside = np.array([-tip[1], tip[0]])
        if beside @ come > 0:  # on the side from which the pen comes
            beside = -beside
        size = rng.uniform(0.2, 1.2) * haste
        reach = size * rng.uniform(0.3, 0.9) * (-1 if rng.random() < LOOPED else 1)
        low = corner - rng.uniform(0.3, 1.0) * size * tip
        out.append(np.stack([low + reach * beside, corner, low - reach * beside]))
    return np.concatenate([*out, points[-1:]])


def _run_on(points: Points, haste: float, rng: Random) -> Points:
    """Add a stroke that leads in from the left, or out to the right."""
    if rng.random() < 0.3 * haste:
        points = np.concatenate([points[:1] - _lead(rng), points])
    if rng.random() < 0.3 * haste:
        points = np.concatenate([points, points[-1:] + _lead(rng)])
    return points


def _lead(rng: Random) -> Points:
    length, angle = rng.uniform(0.4, 2.4), rng.normal(0, 0.7)
    return length * np.array([[np.cos(angle), np.sin(angle)]])


def smooth(points: Points) -> Points:
    """Cut the corners once (Chaikin 1974); the ends stay."""
    first, second = points[:-1], points[1:]
    cut = np.stack([0.75 * first + 0.25 * second, 0.25 * first + 0.75 * second], axis=1)
    return np.concatenate([points[:1], cut.reshape(-1, 2), points[-1:]])


def _bent(points: Points, lower: float, wider: float, bulge: float, turn: float) -> Points:
    """Enlarge and widen one half, bend sideways, and rotate by `turn` radians."""
    x, y = points[:, 0] - 5, np.where(points[:, 1] > 0, points[:, 1], 0)
    y = points[:, 1] + np.where(y < 10, 10 * (y / 10) ** np.exp(lower) - y, 0)
    down = (y - 5) / 5
    x = x * (1 + wider * np.clip(down, -1.2, 1.2)) + bulge * (1 - down**2)
    cos, sin = np.cos(turn), np.sin(turn)
    return np.stack([5 + cos * x - sin * (y - 5), 5 + sin * x + cos * (y - 5)], axis=1)


def _unit(vector: Points) -> Points:
    return np.asarray(vector / max(float(np.hypot(*vector)), 1e-6))
