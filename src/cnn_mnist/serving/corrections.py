"""People's corrections of a picture → pairs of a picture and its label."""

import hashlib
import re
import time
from typing import Any, NamedTuple

import numpy as np

from cnn_mnist.inference.pictures import image
from cnn_mnist.inference.pictures.crop import is_centred_in, png
from cnn_mnist.inference.pictures.labels import NONE
from cnn_mnist.inference.pictures.page import Box
from cnn_mnist.inference.reader import Reader
from cnn_mnist.inference.reading import Digit, Reading
from cnn_mnist.inference.recognition.line import DIGITS, SIGNS
from cnn_mnist.serving.collection import Pair
from cnn_mnist.serving.refusal import Refusal
from cnn_mnist.serving.settings import Limits
from cnn_mnist.serving.uploads import Pictures, check, decoded, json_value

FORM = 'give {"image": BASE64, "corrections": [{"label": "42", "box": [x, y, width, height]}, …]}'
MAX_LENGTH = 40  # characters of a label
LABEL = re.compile(f"(?=.*[{DIGITS}])[{re.escape(DIGITS + SIGNS)}]{{1,{MAX_LENGTH}}}|{NONE}")


class Correction(NamedTuple):
    """The number in a box of the picture; without a box, in the whole picture."""

    label: str
    box: Box | None


class Corrected(NamedTuple):
    """An encoded picture and its corrections."""

    content: bytes
    corrections: list[Correction]


def parse(body: bytes, limits: Limits) -> Corrected:
    """Parse a picture and its corrections from a JSON body.

    Raises:
        Refusal: the body is malformed, or exceeds the limits.
    """
    match json_value(body, FORM):
        case {"image": str(text), "corrections": [_, *_] as values}:
            pass
        case _:
            raise Refusal(422, FORM)
    if len(values) > limits.pictures:
        raise Refusal(
            422, f"more than {limits.pictures} corrections; send them in several requests"
        )
    corrections = [_correction(value) for value in values]
    content = decoded(text)
    check(Pictures([None], [content], many=False), limits)
    return Corrected(content, corrections)


def _correction(value: Any) -> Correction:
    match value:
        case {"label": str(label), "box": [int(), int(), int(), int()] as box}:
            x, y, width, height = map(int, box)  # bool is a subclass of int
            made = Correction(label, (x, y, width, height))
        case {"label": str(label)} if "box" not in value:
            made = Correction(label, None)
        case _:
            raise Refusal(422, FORM)
    if not LABEL.fullmatch(label):
        raise Refusal(422, f'a label is a number of up to {MAX_LENGTH} characters, or "{NONE}"')
    return made


def pairs(reader: Reader, model: str, corrected: Corrected) -> list[Pair]:
    """The pairs to store.

    One per digit if as many digits were read as the label has, otherwise one for the whole box.

    Args:
        reader: reads the picture once more.
        model: description of the model, stored with each pair.
        corrected: the picture and its corrections.

    Raises:
        ImageError: the picture cannot be read.
        Refusal: a box lies outside the picture.
    """
    page = image.load(corrected.content)
    reading = reader.read(page)
    common = {
        "picture_sha256": hashlib.sha256(corrected.content).hexdigest(),
        "turned": reading.turned,
        "model": model,
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    return [
        Pair(label, png(page, box, reading.turned), {"box": list(box), **answered, **common})
        for correction in corrected.corrections
        for label, box, answered in _parts(correction, reading, page.size)
    ]


def _parts(
    correction: Correction, reading: Reading, size: tuple[int, int]
) -> list[tuple[str, Box, dict[str, Any]]]:
    label, box = correction.label, correction.box or (0, 0, *size)
    if not _is_inside(box, size):
        raise Refusal(422, f"a box lies outside the picture of {size[0]}×{size[1]} pixels")
    digits, rejected = (
        [sign for sign in signs if is_centred_in(sign.box, box)]
        for signs in (reading.digits, reading.rejected)
    )
    found = digits or rejected
    labels = [NONE] if label == NONE else [c for c in label if c in DIGITS]
    if len(labels) == len(found):
        return [
            (one, sign.box, _answer([sign], bool(digits)))
            for one, sign in zip(labels, found, strict=True)
        ]
    return [(label, box, _answer(found, bool(digits)))]


def _is_inside(box: Box, size: tuple[int, int]) -> bool:
    x, y, width, height = box
    fits = x + width <= size[0] and y + height <= size[1]
    return min(x, y) >= 0 and min(width, height) > 0 and fits


def _answer(found: list[Digit], are_digits: bool) -> dict[str, Any]:
    """The answer, and the probability that all of it is right."""
    if not found:
        return {"answered": "", "confidence": None}
    text = "".join(str(sign.digit) for sign in found) if are_digits else NONE
    confidence = float(np.prod([sign.confidence for sign in found]))
    return {"answered": text, "confidence": round(confidence, 4)}
