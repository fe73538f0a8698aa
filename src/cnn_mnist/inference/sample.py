"""A picture of one sign, processed as far as the digit classifier's input.

Classifiers can be trained and compared on samples without reading the pictures again.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnn_mnist.inference.layout import lines, view
from cnn_mnist.inference.pictures import image
from cnn_mnist.inference.pictures.crop import crop
from cnn_mnist.inference.pictures.page import Box, ImageError, Page
from cnn_mnist.inference.reading import NO_INK
from cnn_mnist.inference.recognition import line
from cnn_mnist.inference.recognition.agree import agree_on_one
from cnn_mnist.inference.recognition.classifier import Predict, Probs, Thresholds, tta_probs
from cnn_mnist.inference.recognition.line_reader import LineReader
from cnn_mnist.inference.recognition.normalize import ready_frame

Place = tuple[Path, Box | None]  # of a part of a picture; None is all of it
MARGIN = 0.25  # of a part's longer side: how much of the picture around it is used, too


@dataclass(frozen=True)
class Sample:
    """What the reader knows of a sign before it asks the digit classifier.

    `frame` is the sign in MNIST's frame, uint8 28×28; `is_ready` means that the picture already was
    such a frame. `boxes` and `readings` are as for `agree_on_one`, with at most one glyph.
    """

    frame: NDArray[np.uint8]
    is_ready: bool
    boxes: list[line.Box]
    readings: list[list[line.Sign]]

    def digit(
        self, probs: NDArray[np.float32], threshold: float, decides: Thresholds
    ) -> int | None:
        """The answer of `Reader.read` with `single`; None if it is not a digit.

        Args:
            probs: the classifier's ten probabilities.
            threshold: below this the classifier rejects an image as not a digit.
            decides: for each digit, the probability from which the classifier overrules the line
                network.
        """
        if self.is_ready:
            return int(probs.argmax()) if probs.max() >= threshold else None
        found = agree_on_one(self.readings, self.boxes, probs[None], decides)
        return int(found[0].character) if found and found[0].is_digit else None


def look(reader: LineReader, page: Page) -> Sample:
    """Find the only sign on a page.

    Raises:
        ImageError: there is no ink.
    """
    if (frame := ready_frame(page.pixels)) is not None:
        return Sample(frame, True, [], [])
    seen = view.of_page(page, single=True)
    if not seen.glyphs:
        raise ImageError(NO_INK)
    readings = lines.readings(reader, seen.grey, seen.layout)
    return Sample(seen.frames()[0], False, seen.boxes, readings)


def sample_probs(samples: Sequence[Sample], predict: Predict) -> Probs:
    """A classifier's probabilities N×10 for N samples, computed as in the reader.

    Args:
        predict: the classifier.
    """
    frames = np.stack([sample.frame for sample in samples])
    ready = np.array([sample.is_ready for sample in samples])
    return np.where(ready[:, None], predict(frames), tta_probs(predict, frames))


def samples(
    see: Callable[[Page], Sample], places: Iterable[Place], margin: float = MARGIN
) -> Iterator[Sample | ImageError]:
    """The samples of pictures, or of parts of them, in order; an error for each unreadable one.

    Consecutive parts of one picture decode it only once.

    Args:
        see: makes a sample of a page, such as `look`; called in several threads.
        places: the pictures, each with its part.
        margin: around a part, as for `crop`.
    """
    files = [list(parts) for _, parts in groupby(places, key=lambda place: place[0])]
    with ThreadPoolExecutor() as pool:
        for seen in pool.map(partial(_of_file, see, margin), files):
            yield from seen


def _of_file(
    see: Callable[[Page], Sample], margin: float, places: list[Place]
) -> list[Sample | ImageError]:
    try:
        page = image.load(places[0][0])
    except ImageError as error:
        return [error] * len(places)
    return [_of_part(see, margin, page, part) for _, part in places]


def _of_part(
    see: Callable[[Page], Sample], margin: float, page: Page, part: Box | None
) -> Sample | ImageError:
    try:
        return see(page if part is None else crop(page, part, margin))
    except ImageError as error:
        return error
