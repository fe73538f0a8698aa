"""A pen that draws traced digits at any size."""

import cv2
import numpy as np

from cnn_mnist.training.synthetic.strokes import polylines
from cnn_mnist.training.synthetic.tracing import Coverage, Stroke, averaged


def draw(strokes: list[Stroke], height: float, pen: float, angle: float = 0) -> Coverage:
    """How much of each pixel the pen covers, 0..1, tight around the digit.

    Args:
        strokes: of one digit.
        height: px; of a digit that fills MNIST's 20-px box.
        pen: width in px.
        angle: degrees, clockwise.
    """
    turn = np.radians(angle)
    matrix = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    placed = [(stroke - 14) @ matrix * (height / 20) for stroke in strokes]
    points = np.concatenate(placed)
    margin = pen / 2 + 1
    low, high = points.min(axis=0) - margin, points.max(axis=0) + margin
    width_px, height_px = (int(side) for side in np.ceil(high - low))
    fine = 4 if max(height_px, width_px) < 400 else 2
    canvas = np.zeros((height_px * fine, width_px * fine), np.uint8)
    lines = [(line - low) * fine - 0.5 for line in placed]
    polylines(canvas, lines, pen * fine, kind=cv2.LINE_8)
    return averaged(canvas, width_px, height_px)
