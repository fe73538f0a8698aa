"""Writing in the boxes of a form, which have room for one sign each.

The printed lines are not signs, but a box's side looks like a 1, and digits touch and cross it.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from cnn_mnist.training.lines.shapes import Digits, Ink, shape
from cnn_mnist.training.lines.style import Style
from cnn_mnist.training.lines.writing import Line, Placed, extent, together

Random = np.random.Generator
Boxes = NDArray[np.float64]  # N×4: x0, y0, x1, y1 in px

EMPTY = 0.2  # probability of one more empty box before or after the writing
APART = 0.2  # share of fields whose boxes do not touch
COMB = 0.4  # share of fields with ticks between the signs instead of boxes
LID = 0.5  # share of these with a line above, or a frame around all signs
BOLD = 0.15  # share of fields with thick lines


def write_in_boxes(text: str, style: Style, digits: Digits, rng: Random) -> Line:
    """Write each character in a box of its own; a space leaves one empty."""
    before, after = rng.geometric(1 - EMPTY, 2) - 1
    text = " " * before + (text.replace("^", "") or " ") + " " * after
    shapes = {at: shape(c, style, digits, rng) for at, c in enumerate(text) if c != " "}
    widest = max([0.6 * style.height, *(new.ink.shape[1] for new in shapes.values())])
    pitch = widest * rng.uniform(0.85, 1.7)
    placed = []
    for at, new in shapes.items():
        x = (at + 0.5 + rng.normal(0, 0.07)) * pitch - new.ink.shape[1] / 2
        placed.append(Placed(text[at], new, x, new.top + style.height * rng.normal(0, 0.06)))
    written = extent(placed) if placed else (0.0, 0.0, 0.0, style.height)
    over, under = style.height * rng.uniform(-0.08, 0.4, 2)
    left = pitch * np.arange(len(text))
    edges = np.broadcast_arrays(left, written[1] - over, left + pitch, written[3] + under)
    boxes = np.stack(edges, axis=1)
    corners = np.array([written, *boxes] if placed else boxes)
    x, y = corners[:, :2].min(axis=0)
    ink, marks = together(placed, (x, y, *corners[:, 2:].max(axis=0)))
    np.maximum(ink, _printed(boxes - [x, y, x, y], ink.shape, style.height, rng), out=ink)
    return Line(ink, tuple(marks), style.height)


def _printed(boxes: Boxes, size: tuple[int, ...], unit: float, rng: Random) -> Ink:
    """The lines around signs of a height."""
    ink = np.zeros(size, np.uint8)
    share = rng.uniform(0.07, 0.16) if rng.random() < BOLD else rng.uniform(0.01, 0.06)
    level, thickness = round(rng.uniform(60, 255)), max(1, round(share * unit))
    left, top, right, bottom = *boxes[0, :2], *boxes[-1, 2:]
    if rng.random() < COMB:
        ticks = np.append(boxes[:, 0], right)[slice(None) if rng.random() < 0.5 else slice(1, -1)]
        rise = rng.uniform(0.1, 0.6) * (bottom - top)
        drawn = [(x, bottom - rise, x, bottom) for x in ticks] + [(left, bottom, right, bottom)]
        if (lid := rng.random()) < LID:
            drawn.append((left, top, right, top if lid < LID / 2 else bottom))  # a line or a frame
        boxes = np.array(drawn)
    elif rng.random() < APART:
        boxes = boxes + np.array([1, 0, -1, 0]) * rng.uniform(0.025, 0.15) * unit
    for x0, y0, x1, y1 in np.rint(boxes).astype(int).tolist():
        cv2.rectangle(ink, (x0, y0), (x1, y1), level, thickness)
    return ink.astype(np.float32) / 255
