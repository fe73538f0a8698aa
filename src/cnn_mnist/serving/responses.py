"""Encoded pictures → JSON or CSV, as of `cnn-mnist predict`; and corrections → files."""

import base64
import itertools
from collections.abc import Iterator
from typing import Any

from cnn_mnist.inference import table
from cnn_mnist.inference.pictures.page import ImageError, UnsupportedError
from cnn_mnist.inference.reader import Reader
from cnn_mnist.inference.reading import Digit, Reading
from cnn_mnist.serving import metrics
from cnn_mnist.serving.collection import Collection, FullError
from cnn_mnist.serving.corrections import Corrected, pairs
from cnn_mnist.serving.refusal import Refusal
from cnn_mnist.serving.settings import Limits
from cnn_mnist.serving.uploads import Pictures, check

Answer = dict[str, Any]


def read(
    reader: Reader, pictures: Pictures, limits: Limits, single: bool, detail: bool
) -> Iterator[tuple[int, Answer | Refusal]]:
    """Each page's picture, by its index, and its reading, or why it cannot be read.

    Raises:
        Refusal: the pages together exceed the limits.
    """
    check(pictures, limits)
    for number, content in enumerate(pictures.contents):
        for page in _pages(reader, content, single, detail):
            yield number, page


def _pages(
    reader: Reader, content: bytes, single: bool, detail: bool
) -> Iterator[Answer | Refusal]:
    """The reading of each page of a picture, or why it and the pages after it cannot be read."""
    try:
        for reading in reader.read_pages(content, single):
            metrics.PICTURES.labels("read" if reading.ok else "no_digit").inc()
            for digit in reading.digits:
                metrics.DIGITS.labels(digit.digit).inc()
            yield _detailed(reading) if detail else reading.to_dict()
    except ImageError as error:
        metrics.PICTURES.labels("unreadable").inc()
        yield _refusal(error)


def store(reader: Reader, model: str, corrected: Corrected, collection: Collection) -> list[str]:
    """Store corrections, and return the names of the pictures.

    Raises:
        Refusal: the picture cannot be read, or there is no room left.
    """
    try:
        made = pairs(reader, model, corrected)
        names = collection.add(made)
    except ImageError as error:
        raise _refusal(error) from error
    except FullError as error:
        raise Refusal(507, str(error)) from error
    except OSError as error:
        raise Refusal(507, f"the corrections cannot be stored: {error.strerror}") from error
    for pair in made:
        metrics.CORRECTIONS.labels(pair.kind).inc()
    return names


def _refusal(error: ImageError) -> Refusal:
    return Refusal(415 if isinstance(error, UnsupportedError) else 422, str(error))


def combine(pictures: Pictures, answers: list[list[Answer | Refusal]]) -> Answer | list[Answer]:
    """Combine the readings of each picture's pages into one response.

    Raises:
        Refusal: none of the pictures can be read.
    """
    pages = list(itertools.chain(*answers))
    if all(isinstance(page, Refusal) for page in pages):
        raise next(page for page in pages if isinstance(page, Refusal))
    named = [
        {"path": name, **_said(page, number)}
        for name, picture in zip(pictures.names, answers, strict=True)
        for number, page in enumerate(picture, start=1)
    ]
    return named if pictures.many or len(named) > 1 else named[0]


def as_csv(answer: Answer | list[Answer]) -> str:
    """The lines of the pictures as a table; a list's rows start with path, page and line."""
    if isinstance(answer, list):
        return table.text(answer, placed=True)
    return table.text([answer], placed=False)


def _said(answer: Answer | Refusal, page: int) -> Answer:
    if isinstance(answer, Refusal):
        return Reading.unreadable(answer.message, page).to_dict()
    return answer


def _detailed(reading: Reading) -> Answer:
    """The reading, and for each sign its ten probabilities and the 28×28 bytes it was read from."""
    signs = {"digits": reading.digits, "rejected": reading.rejected}
    return reading.to_dict() | {
        name: [sign.to_dict() | _seen(sign) for sign in part] for name, part in signs.items()
    }


def _seen(sign: Digit) -> Answer:
    image = base64.b64encode(sign.image.tobytes()).decode()
    return {"probs": [round(float(p), 4) for p in sign.probs], "image": image}
