"""A folder of labelled pictures → 28×28 images.

Digits are found and framed as by the reader, so that training and evaluation use what is read
later. Pictures of other things are squeezed whole into the frame.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnn_mnist.inference.pictures.labels import NONE, NUMBER
from cnn_mnist.inference.pictures.page import ImageError, Page
from cnn_mnist.inference.recognition.classifier import Classifier
from cnn_mnist.inference.recognition.line_reader import LineReader
from cnn_mnist.inference.sample import Sample, look, sample_probs, samples
from cnn_mnist.training.data.frames import Frames, on_black, squeezed
from cnn_mnist.training.data.labelled import Labelled, labelled
from cnn_mnist.training.data.splits import DIGITS, DataError

UNUSED = {NONE: "no digit", NUMBER: "several signs"}  # labels among digits that are left out


class Pictures(NamedTuple):
    """Images N×28×28, their labels and their files.

    `notice` says what was left out, and of digits how many the whole reader reads.
    """

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
    are_digits = {one.label for one in listed} <= {*DIGITS, *UNUSED}
    kept, left_out = [], []
    for one, sample in zip(listed, _samples(listed, are_digits), strict=True):
        name = _name(folder, one)
        if are_digits and one.label in UNUSED:
            left_out.append(f"{name} ({UNUSED[one.label]})")
        elif isinstance(sample, ImageError):
            left_out.append(f"{name} ({sample})")
        else:
            kept.append((sample, one.label, name))
    notice = _notice(left_out, len(listed))
    if not kept:
        raise DataError(f"{folder}: {notice}")
    seen, labels, files = zip(*kept, strict=True)
    images = np.stack([sample.frame for sample in seen])
    if not are_digits:
        return Pictures(on_black(images), np.array(labels), files, notice)
    count, read = sum(one.label not in UNUSED for one in listed), _num_read(seen, labels)
    notice += f"{'; ' * bool(notice)}the released reader reads {read:,} of {count:,} correctly"
    return Pictures(images, np.array(labels), files, notice)


def _samples(listed: list[Labelled], are_digits: bool) -> Iterator[Sample | ImageError]:
    places = [(one.path, one.box) for one in listed]
    return (
        samples(partial(look, LineReader()), places) if are_digits else samples(_whole, places, 0)
    )


def _whole(page: Page) -> Sample:
    return Sample(squeezed(page.pixels), True, [], [])


def _num_read(seen: Sequence[Sample], labels: Sequence[str]) -> int:
    model = Classifier()
    answers = zip(seen, sample_probs(seen, model.probs), labels, strict=True)
    return sum(
        str(one.digit(probs, model.threshold, model.decides)) == label
        for one, probs, label in answers
    )


def _name(folder: Path, one: Labelled) -> str:
    """The picture's path within the folder, and the box in it."""
    name = one.path.relative_to(folder).as_posix() if one.path.is_relative_to(folder) else one.path
    return f"{name}#{','.join(map(str, one.box))}" if one.box else str(name)


def _notice(left_out: list[str], count: int) -> str:
    if not left_out:
        return ""
    shown = ", ".join(left_out[:3]) + (", …" if len(left_out) > 3 else "")
    return f"{len(left_out):,} of {count:,} pictures cannot be used: {shown}"
