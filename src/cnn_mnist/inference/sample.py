"""A picture of one sign, processed up to the digit classifier: for training classifiers, and for
comparing them without reading the picture again."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnn_mnist.inference.layout import lines, view
from cnn_mnist.inference.pictures import image
from cnn_mnist.inference.recognition.agree import agree_on_one
from cnn_mnist.inference.recognition.line_reader import Box, LineReader, Sign
from cnn_mnist.inference.recognition.normalize import ready_frame
from cnn_mnist.inference.segmentation import segment

Part = tuple[int, int, int, int]  # x, y, width, height in the picture's pixels
MARGIN = 0.25  # of a part's longer side: margin of the picture around it that is used, too


@dataclass(frozen=True)
class Sample:
    """`frame` is the sign in MNIST's frame, uint8 28×28; `is_ready` tells that the picture already
    is it. `boxes` and `readings` are as for `agree_on_one`, with at most one glyph."""

    frame: NDArray[np.uint8]
    is_ready: bool
    boxes: list[Box]
    readings: list[list[Sign]]

    def digit(self, probs: NDArray[np.float32], threshold: float, decides: float) -> int | None:
        """The answer of `Reader.read` with `single`; None is not a digit.

        Args:
            probs: the classifier's ten probabilities.
            threshold: below this the classifier rejects an image as not a digit.
            decides: from this probability on it decides alone, whatever the line network says.
        """
        if self.is_ready:
            return int(probs.argmax()) if probs.max() >= threshold else None
        found = agree_on_one(self.readings, self.boxes, probs[None], decides)
        return int(found[0].character) if found and found[0].is_digit else None


def look(reader: LineReader, page: image.Page) -> Sample:
    """Find the one sign of a page.

    Raises:
        ImageError: there is no ink.
    """
    if (frame := ready_frame(page.pixels)) is not None:
        return Sample(frame, True, [], [])
    try:
        seen = view.of_page(page, single=True)
    except segment.CrowdedError as error:
        raise image.ImageError("it has too many marks for one digit") from error
    if not seen.glyphs:
        raise image.ImageError("no ink found")
    rows = lines.read_lines(reader, seen.grey, seen.layout)
    readings = [[sign for row in rows for sign in row]]
    if (whole := lines.read_whole(reader, seen.grey)) is not None:
        readings.append(whole)
    return Sample(seen.frames[0], False, seen.boxes, readings)


def samples(
    reader: LineReader, places: list[tuple[Path, Part | None]]
) -> Iterator[Sample | image.ImageError]:
    """Samples of pictures or parts of them, in order; the reason for each that cannot be read.

    A picture is decoded once for consecutive parts of it.
    """
    for path, parts in groupby(places, key=lambda place: place[0]):
        page: image.Page | image.ImageError
        try:
            page = image.load(path)
        except image.ImageError as error:
            page = error
        for _, part in parts:
            try:
                if isinstance(page, image.ImageError):
                    raise page
                yield look(reader, page if part is None else _cut(page, part))
            except image.ImageError as error:
                yield error


def _cut(page: image.Page, part: Part) -> image.Page:
    """A part of a page, with some of its surroundings."""
    x, y, width, height = part
    margin = MARGIN * max(width, height)
    scale = page.pixels.shape[1] / page.size[0]
    left, top = (max(0, round((low - margin) * scale)) for low in (x, y))
    right, bottom = (round((high + margin) * scale) for high in (x + width, y + height))
    pixels = page.pixels[top:bottom, left:right]
    if not pixels.size:
        raise image.ImageError(f"its part {part} lies outside the picture")
    return image.Page(pixels, pixels.shape[1::-1])
