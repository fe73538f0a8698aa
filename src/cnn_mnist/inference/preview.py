"""A picture of a reading: the page with its boxes, beside a printed copy of its numbers."""

import functools
import os
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from cnn_mnist.inference.layout.structure import Number, around
from cnn_mnist.inference.pictures import image
from cnn_mnist.inference.pictures.page import Box, Page
from cnn_mnist.inference.reading import Digit, Reading

SURE, UNSURE, REJECTED = (0, 125, 70), (190, 95, 0), (200, 0, 0)
EMPTY, LINE, GROUND = (165, 170, 180), (120, 150, 215), (238, 239, 241)
MIN_SURE = 0.8  # numbers with a lower confidence are shown as unsure
LEGEND = {
    "read": SURE,
    f"below {MIN_SURE:.0%} confidence": UNSURE,
    "empty cell": EMPTY,
    "not a digit": REJECTED,
    "line": LINE,
}
PRINTED = str.maketrans({"€": "EUR ", "£": "GBP "})  # missing in Pillow's own font
PAGE_SIDE = 840  # px
TEXT = 16  # px
GAP = 12  # px
TILE = 84  # px: one 28×28 image, three times its size
CAPTION = 14  # px
MAX_TILES = 24  # if there are more signs, they are not shown individually


def write(source: image.Source, reading: Reading, path: str | os.PathLike[str]) -> Path:
    """Write a PNG that shows what was read.

    It holds the page with the boxes found, a printed copy of the numbers in the same places, and
    the 28×28 images if there are few.

    Args:
        source: the picture that `reading` was read from.
        reading: what the reader said.
        path: the file to write.

    Raises:
        ImageError: the source is not a picture.
        OSError: the file cannot be written.
    """
    panels = _panels(image.load(source), reading)
    signs = [*reading.digits, *reading.rejected]
    parts = [panels, _legend(panels.width)]
    if 0 < len(signs) <= MAX_TILES:
        parts.append(_tiles(signs, len(reading.digits), panels.width))
    _stacked(parts).save(path, "PNG")
    return Path(path)


def _panels(page: Page, reading: Reading) -> Image.Image:
    """The page and its printed copy: side by side, or stacked if the page is broad."""
    scale = PAGE_SIDE / max(page.size)
    size = max(1, round(page.size[0] * scale)), max(1, round(page.size[1] * scale))
    seen = Image.fromarray(page.pixels).resize(size)
    said = Image.new("RGB", size, "white")
    for picture in (seen, said):
        _draw_boxes(ImageDraw.Draw(picture), reading, scale)
    _print(ImageDraw.Draw(said), reading, scale)
    is_broad = size[0] > 1.5 * size[1]
    across, down = (0, size[1] + GAP) if is_broad else (size[0] + GAP, 0)
    both = Image.new("RGB", (size[0] + across, size[1] + down), GROUND)
    both.paste(seen, (0, 0))
    both.paste(said, (across, down))
    return both


def _draw_boxes(draw: ImageDraw.ImageDraw, reading: Reading, scale: float) -> None:
    for line in reading.lines:
        if len(line.numbers) > 1:
            box = around([number.box for number in line.numbers])
            draw.rectangle(_corners(box, scale, margin=4), outline=LINE, width=1)
    for sign in reading.rejected:
        draw.rectangle(_corners(sign.box, scale), outline=REJECTED, width=2)
    for number in reading.numbers:
        width = 2 if number.text else 1
        draw.rectangle(_corners(number.box, scale), outline=_colour(number), width=width)


def _print(draw: ImageDraw.ImageDraw, reading: Reading, scale: float) -> None:
    """Print each number as large as its box allows."""
    for number in reading.numbers:
        left, top, right, bottom = _corners(number.box, scale)
        text = number.text.translate(PRINTED)
        size = min(0.7 * (bottom - top), 0.9 * (right - left) / max(_font(1).getlength(text), 0.5))
        middle = (left + right) / 2, (top + bottom) / 2
        draw.text(middle, text, fill=_colour(number), font=_font(max(9, int(size))), anchor="mm")
    if reading.reason:
        draw.text((GAP, GAP), reading.reason, fill=REJECTED, font=_font(TEXT))


def _legend(width: int) -> Image.Image:
    legend = Image.new("RGB", (width, len(LEGEND) * (TEXT + GAP) + GAP), GROUND)
    draw, x, y = ImageDraw.Draw(legend), GAP, GAP
    for text, colour in LEGEND.items():
        length = round(TEXT + GAP / 2 + _font(TEXT).getlength(text))
        if x + length > width:
            x, y = GAP, y + TEXT + GAP // 2
        draw.rectangle((x, y, x + TEXT, y + TEXT), outline=colour, width=2)
        draw.text((x + TEXT + GAP / 2, y), text, fill=colour, font=_font(TEXT))
        x += length + 2 * GAP
    return legend.crop((0, 0, width, y + TEXT + GAP))


def _tiles(signs: list[Digit], num_accepted: int, width: int) -> Image.Image:
    columns = max(1, width // TILE)
    rows = -(-len(signs) // columns)
    tiles = Image.new("RGB", (columns * TILE, rows * (TILE + CAPTION)), "white")
    draw = ImageDraw.Draw(tiles)
    for index, sign in enumerate(signs):
        x, y = index % columns * TILE, index // columns * (TILE + CAPTION)
        frame = Image.fromarray(sign.image).resize((TILE, TILE), Image.Resampling.NEAREST)
        tiles.paste(frame, (x, y))
        colour = SURE if index < num_accepted else REJECTED
        draw.text((x + 2, y + TILE), f"{sign.digit} {sign.confidence:.0%}", fill=colour)
    return tiles


def _stacked(parts: list[Image.Image]) -> Image.Image:
    size = max(part.width for part in parts), sum(part.height for part in parts)
    sheet = Image.new("RGB", size, GROUND)
    y = 0
    for part in parts:
        sheet.paste(part, (0, y))
        y += part.height
    return sheet


def _corners(box: Box, scale: float, margin: int = 0) -> tuple[float, float, float, float]:
    x, y, width, height = (scale * value for value in box)
    return x - margin, y - margin, x + width + margin, y + height + margin


def _colour(number: Number) -> tuple[int, int, int]:
    if not number.text:
        return EMPTY
    return SURE if number.confidence >= MIN_SURE else UNSURE


@functools.cache
def _font(size: int) -> Any:
    return ImageFont.load_default(size)
