"""The signs in a folder's pictures, and what the reader reads them as."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from cnn_mnist.inference.pictures import image
from cnn_mnist.inference.pictures.crop import png
from cnn_mnist.inference.pictures.page import Box, ImageError
from cnn_mnist.inference.reader import Reader
from cnn_mnist.inference.reading import Reading

SHOWN_SIDE = 800  # px; larger pictures are shown reduced


class Sign(NamedTuple):
    """One sign.

    `box` is in its picture's pixels, None if the picture shows only this sign; `answered` is empty
    if no digit was read.
    """

    path: Path
    box: Box | None
    answered: str
    confidence: float

    def png(self) -> bytes:
        """The sign alone, as a picture.

        Raises:
            ImageError: its picture can no longer be read.
        """
        page = image.load(self.path)
        return png(page, self.box or (0, 0, *page.size), largest=SHOWN_SIDE)


def of_picture(
    reader: Reader, path: Path, single: bool, notice: Callable[[str], None]
) -> Iterator[Sign]:
    """The signs in a picture, or on the first page of a file.

    There are none if it cannot be read, or if it is not upright, since a list of boxes does not
    record the orientation.
    """
    try:
        reading = next(reader.read_pages(path, single))
    except ImageError as error:
        notice(f"{path}: {error}")
        return
    if round(reading.turned / 90) % 4:
        notice(f"{path} was skipped: it is not upright; rotate it by {reading.turned}° clockwise")
        return
    if reading.num_pages != 1:
        notice(f"{path}: only the first of {reading.num_pages} pages is used")
    yield from _of_reading(path, reading)


def _of_reading(path: Path, reading: Reading) -> Iterator[Sign]:
    signs = [(sign, str(sign.digit)) for sign in reading.digits]
    signs += [(sign, "") for sign in reading.rejected]
    for sign, answered in signs:
        box = sign.box if len(signs) > 1 else None
        yield Sign(path, box, answered, sign.confidence)
    if not signs:
        yield Sign(path, None, "", 0.0)
