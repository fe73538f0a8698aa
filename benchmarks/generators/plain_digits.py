"""The digits 4 and 7, drawn with straight strokes."""

from PIL import ImageDraw

Point = tuple[float, float]
STROKES: dict[str, list[list[Point]]] = {
    "4": [[(0.7, 0), (0, 0.65), (1, 0.65)], [(0.7, 0), (0.7, 1)]],
    "7": [[(0, 0), (1, 0), (0.4, 1)]],
}


def write(
    draw: ImageDraw.ImageDraw, text: str, corner: Point, size: Point, pitch: float, pen: int
) -> None:
    """Write a number in black.

    Args:
        draw: of the picture to write on.
        text: of fours and sevens.
        corner: the first digit's left and top, px.
        size: a digit's width and height, px.
        pitch: px from one digit's left to the next.
        pen: px.
    """
    for index, digit in enumerate(text):
        left, top = corner[0] + pitch * index, corner[1]
        for stroke in STROKES[digit]:
            points = [(left + size[0] * x, top + size[1] * y) for x, y in stroke]
            draw.line(points, "black", pen, joint="curve")
