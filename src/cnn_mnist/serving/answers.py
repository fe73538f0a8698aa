"""Encoded pictures → the JSON that answers them: the fields of `cnn-mnist predict --json`."""

import base64
from typing import Any

from PIL import UnidentifiedImageError

from cnn_mnist.inference.image import ImageError
from cnn_mnist.inference.reader import Digit, Reader, Reading
from cnn_mnist.serving import metrics
from cnn_mnist.serving.limits import Refusal
from cnn_mnist.serving.pictures import Pictures

Answer = dict[str, Any]


def read(reader: Reader, content: bytes, single: bool, detail: bool) -> Answer | Refusal:
    """The reading of one picture, or why it cannot be read."""
    try:
        reading = reader.read(content, single)
    except ImageError as error:
        metrics.PICTURES.labels("unreadable").inc()
        no_picture = isinstance(error.__cause__, UnidentifiedImageError)
        return Refusal(415 if no_picture else 422, str(error))
    metrics.PICTURES.labels("read" if reading.ok else "no_digit").inc()
    for digit in reading.digits:
        metrics.DIGITS.labels(digit.digit).inc()
    return _detailed(reading) if detail else reading.to_dict()


def combine(pictures: Pictures, answers: list[Answer | Refusal]) -> Answer | list[Answer]:
    """One answer to a request.

    Raises:
        Refusal: none of its pictures can be read.
    """
    if all(isinstance(answer, Refusal) for answer in answers):
        raise next(answer for answer in answers if isinstance(answer, Refusal))
    named = [
        {"path": name, **(_unread(answer) if isinstance(answer, Refusal) else answer)}
        for name, answer in zip(pictures.names, answers, strict=True)
    ]
    return named if pictures.many else named[0]


def _unread(refusal: Refusal) -> Answer:
    return {"text": "", "digits": [], "ok": False, "reason": refusal.message}


def _detailed(reading: Reading) -> Answer:
    """The reading, and for each sign its ten probabilities and the 28×28 bytes it was read from."""
    rejected = Reading("", reading.rejected, ok=False)
    signs = {"digits": reading, "rejected": rejected}
    return reading.to_dict() | {
        name: [
            values | _seen(sign)
            for values, sign in zip(part.to_dict()["digits"], part.digits, strict=True)
        ]
        for name, part in signs.items()
    }


def _seen(sign: Digit) -> Answer:
    image = base64.b64encode(sign.image.tobytes()).decode()
    return {"probs": [round(float(p), 4) for p in sign.probs], "image": image}
