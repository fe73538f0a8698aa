"""A folder of labelled pictures → 28×28 images.

Digits are found and framed as by the reader, so that training and evaluation use what is read
later. Pictures of other things are squeezed whole into the frame.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnn_mnist.inference.pictures.image import ImageError, Page, load
from cnn_mnist.inference.reader import Reader
from cnn_mnist.training.data.frames import Frames, on_black, squeezed
from cnn_mnist.training.data.labelled import Box, Labelled, labelled
from cnn_mnist.training.data.splits import DIGITS, DataError

NO_INK = "no ink found"
NO_DIGIT = "none"  # the label of a picture without a digit, among digits


class Seen(NamedTuple):
    """The network's input for a picture and the reader's answer; or None, and the reason."""

    frame: Frames | None
    said: str = ""


class Pictures(NamedTuple):
    """Images N×28×28, their labels and files; `notice` tells what was left out and, for digits,
    how many the whole reader reads."""

    images: Frames
    labels: NDArray[np.str_]
    files: tuple[str, ...]
    notice: str


def read_pictures(folder: Path) -> Pictures:
    """Read every labelled picture of a folder that can be read.

    Raises:
        DataError: there is none.
    """
    listed = list(labelled(folder))
    are_digits = {one.label for one in listed} <= {*DIGITS, NO_DIGIT}
    kept, left_out, num_read = [], [], 0
    frame_of = partial(_digit, Reader(threads=1)) if are_digits else _whole
    for one, (frame, said) in _read(listed, frame_of):
        name = _name(folder, one)
        num_read += frame is not None and said == one.label
        if are_digits and one.label == NO_DIGIT:
            left_out.append(f"{name} (no digit)")
        elif frame is None:
            left_out.append(f"{name} ({said})")
        else:
            kept.append((frame, one.label, name))
    notice = _notice(left_out, len(listed))
    if not kept:
        raise DataError(f"{folder}: {notice}")
    if are_digits:
        count = sum(one.label != NO_DIGIT for one in listed)
        notice += (
            f"{'; ' * bool(notice)}the released reader reads {num_read:,} of {count:,} correctly"
        )
    frames, labels, files = zip(*kept, strict=True)
    images = np.stack(frames)
    return Pictures(images if are_digits else on_black(images), np.array(labels), files, notice)


def _read(listed: list[Labelled], frame: Callable[[Page], Seen]) -> Iterator[tuple[Labelled, Seen]]:
    """Each of them with its image, or the reason for having none; a file is decoded once."""
    files = [list(parts) for _, parts in groupby(listed, key=lambda one: one.path)]
    with ThreadPoolExecutor() as pool:
        for parts, frames in zip(files, pool.map(partial(_frames, frame), files), strict=True):
            yield from zip(parts, frames, strict=True)


def _frames(frame: Callable[[Page], Seen], parts: list[Labelled]) -> list[Seen]:
    try:
        page = load(parts[0].path)
    except ImageError as error:
        return [Seen(None, str(error))] * len(parts)
    return [frame(page if part.box is None else _cut(page, part.box)) for part in parts]


def _cut(page: Page, box: Box) -> Page:
    """The part of a page in a box of the original picture, clipped at its edges."""
    height, width = page.pixels.shape[:2]
    across, down = width / page.size[0], height / page.size[1]
    left, top = min(int(box[0] * across), width - 1), min(int(box[1] * down), height - 1)
    right, bottom = round((box[0] + box[2]) * across), round((box[1] + box[3]) * down)
    pixels = page.pixels[top : max(bottom, top + 1), left : max(right, left + 1)]
    return Page(np.ascontiguousarray(pixels), (pixels.shape[1], pixels.shape[0]))


def _digit(reader: Reader, page: Page) -> Seen:
    """The one digit of a picture, as the reader passes it to the network."""
    reading = reader.read(page, single=True)
    found = reading.digits or reading.rejected
    return Seen(found[0].image, reading.text) if found else Seen(None, NO_INK)


def _whole(page: Page) -> Seen:
    return Seen(squeezed(page.pixels))


def _name(folder: Path, one: Labelled) -> str:
    """The picture's path within the folder, and its box."""
    name = one.path.relative_to(folder).as_posix() if one.path.is_relative_to(folder) else one.path
    return f"{name}#{','.join(map(str, one.box))}" if one.box else str(name)


def _notice(left_out: list[str], count: int) -> str:
    if not left_out:
        return ""
    shown = ", ".join(left_out[:3]) + (", …" if len(left_out) > 3 else "")
    return f"{len(left_out):,} of {count:,} pictures cannot be used: {shown}"
