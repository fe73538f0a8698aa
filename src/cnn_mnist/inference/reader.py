"""Reader: the one place where page, ink, digits, normalisation and network are joined."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn_mnist.inference import image, ink, segment, touching
from cnn_mnist.inference.classifier import Classifier
from cnn_mnist.inference.normalize import SIDE, even_stroke, ready_frame, to_mnist

# A sign may be digits that touch if its width over height is larger and its certainty lower.
DOUBTS = ((1.0, 1.1), (0.75, 0.999), (0.4, 0.95))
NO_INK = "no ink found: the picture is blank or its contrast too low"
NO_DIGIT = "what is drawn does not look like a digit"


@dataclass(frozen=True)
class Digit:
    """One digit that was read. `box` is x, y, width, height in the original picture's pixels,
    `image` what the network saw (uint8 28x28), `probs` its ten probabilities."""

    digit: int
    confidence: float
    box: tuple[int, int, int, int]
    image: NDArray[np.uint8] = field(repr=False, compare=False)
    probs: NDArray[np.float32] = field(repr=False, compare=False)


@dataclass(frozen=True)
class Reading:
    """What a picture says. `ok` is False, `text` empty and `reason` set where it holds no digit.

    `rejected` are the signs that were found and are no digits.
    """

    text: str
    digits: tuple[Digit, ...]
    ok: bool
    reason: str | None = None
    rejected: tuple[Digit, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of `cnn-mnist predict`, without the path."""
        digits = [
            {"digit": d.digit, "confidence": round(d.confidence, 4), "box": list(d.box)}
            for d in self.digits
        ]
        return {"text": self.text, "digits": digits, "ok": self.ok, "reason": self.reason}


class Reader:
    """Reads anybody's digits. Thread-safe; loading one takes some 10 ms."""

    def __init__(self, model: str | os.PathLike[str] | None = None) -> None:
        """Use an exported model file, or the released one.

        Raises:
            ValueError: the file is no such model.
        """
        self.classifier = Classifier(model)

    def read(self, source: image.Source, single: bool = False) -> Reading:
        """Read one picture.

        Args:
            source: see `image.load`.
            single: the picture holds one digit; its parts are never read as several.

        Raises:
            ImageError: the source is no picture that can be read.
        """
        page = image.load(source)
        frame = ready_frame(page.pixels)
        if frame is not None:
            whole = (0, 0, SIDE, SIDE)
            return self._reading([whole], np.stack([frame]), page)
        marks = ink.find(page.pixels)
        glyphs = segment.single(marks) if single else self._separate(segment.split(marks))
        frames = [normalized(glyph) for glyph in glyphs]
        return self._reading([g.box for g in glyphs], _stack(frames), page)

    def read_many(self, sources: Iterable[image.Source], single: bool = False) -> list[Reading]:
        """Read pictures in order; a stack Nx28x28 of uint8 is read as N pictures."""
        return [self.read(source, single) for source in sources]

    def _separate(self, glyphs: list[segment.Glyph]) -> list[segment.Glyph]:
        """Cut signs that the network takes for several digits rather than for one."""
        usual = float(np.median([glyph.box[3] for glyph in glyphs])) if glyphs else 0.0
        separated: list[segment.Glyph] = []
        for glyph, certainty in zip(glyphs, self._certainty(glyphs), strict=True):
            height = max(glyph.box[3], round(usual))
            share = glyph.box[2] / height
            doubtful = any(share > wide and certainty < sure for wide, sure in DOUBTS)
            separated += touching.separate(glyph, height, self._certainty) if doubtful else [glyph]
        return separated

    def _certainty(self, glyphs: list[segment.Glyph]) -> NDArray[np.float32]:
        frames = _stack([normalized(glyph) for glyph in glyphs])
        return np.asarray(self.classifier.probs(frames).max(axis=1, initial=0), np.float32)

    def _reading(
        self, boxes: list[segment.Box], frames: NDArray[np.uint8], page: image.Page
    ) -> Reading:
        if not boxes:
            return Reading("", (), ok=False, reason=NO_INK)
        probs = self.classifier.probs(frames)
        found = [
            Digit(int(p.argmax()), float(p.max()), page.original_box(box), frame, p)
            for box, frame, p in zip(boxes, frames, probs, strict=True)
        ]
        accepted = self.classifier.is_digit(probs)
        digits = tuple(d for d, ok in zip(found, accepted, strict=True) if ok)
        rejected = tuple(d for d, ok in zip(found, accepted, strict=True) if not ok)
        text = "".join(str(d.digit) for d in digits)
        return Reading(text, digits, bool(digits), None if digits else NO_DIGIT, rejected)


def normalized(glyph: segment.Glyph) -> NDArray[np.uint8]:
    """The 28x28 image of one sign."""
    return to_mnist(even_stroke(glyph.ink))


def _stack(frames: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    return np.stack(frames) if frames else np.zeros((0, SIDE, SIDE), np.uint8)
