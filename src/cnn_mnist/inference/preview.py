"""A picture of what was read: the page with its boxes, and below it what the network saw."""

import os
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from cnn_mnist.inference import image
from cnn_mnist.inference.reader import Digit, Reading

ACCEPTED, REJECTED = (0, 150, 0), (200, 0, 0)
PAGE_SIDE = 840  # px
TILE = 84  # px: one 28x28 image, three times enlarged
CAPTION = 14  # px


def write(source: image.Source, reading: Reading, path: str | os.PathLike[str]) -> Path:
    """Write a PNG with the found boxes (green: a digit, red: rejected) and the 28x28 images.

    Args:
        source: the picture that `reading` was read from.

    Raises:
        ImageError: the source is no picture.
        OSError: the file cannot be written.
    """
    page = _boxed_page(image.load(source), reading)
    signs = [*reading.digits, *reading.rejected]
    tiles = _tiles(signs, len(reading.digits), max(page.width, TILE))
    sheet = Image.new("RGB", (max(page.width, tiles.width), page.height + tiles.height), "white")
    sheet.paste(page, (0, 0))
    sheet.paste(tiles, (0, page.height))
    sheet.save(path, "PNG")
    return Path(path)


def _boxed_page(page: image.Page, reading: Reading) -> Image.Image:
    scale = PAGE_SIDE / max(page.size)
    size = max(1, round(page.size[0] * scale)), max(1, round(page.size[1] * scale))
    picture = Image.fromarray(page.pixels).resize(size)
    draw = ImageDraw.Draw(picture)
    for signs, colour in ((reading.rejected, REJECTED), (reading.digits, ACCEPTED)):
        for sign in signs:
            x, y, width, height = sign.box
            corners = (x * scale, y * scale, (x + width) * scale, (y + height) * scale)
            draw.rectangle(corners, outline=colour, width=2)
    return picture


def _tiles(signs: list[Digit], num_accepted: int, width: int) -> Image.Image:
    columns = max(1, width // TILE)
    rows = -(-len(signs) // columns)
    tiles = Image.new("RGB", (columns * TILE, rows * (TILE + CAPTION)), "white")
    draw = ImageDraw.Draw(tiles)
    for index, sign in enumerate(signs):
        x, y = index % columns * TILE, index // columns * (TILE + CAPTION)
        enlarged = np.kron(sign.image, np.ones((3, 3), np.uint8))
        tiles.paste(Image.fromarray(enlarged), (x, y))
        colour = ACCEPTED if index < num_accepted else REJECTED
        draw.text((x + 2, y + TILE), f"{sign.digit} {sign.confidence:.0%}", fill=colour)
    return tiles
