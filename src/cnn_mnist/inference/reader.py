"""Reader: the one place where page, ink, digits, normalisation and network are joined."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnn_mnist.inference import image, ink, segment, touching
from cnn_mnist.inference.classifier import Classifier
from cnn_mnist.inference.normalize import SIDE, even_stroke, ready_frame, ready_frames, to_mnist

# A sign may be digits that touch if its width over height is larger and its certainty lower.
DOUBTS = ((1.0, 1.1), (0.75, 0.999), (0.4, 0.95))
# A letter is easily taken for two digits. Where nothing else is written, two digits that touch
# must be as wide as that (width over height), and each as certain as that.
LONE_PAIR, LONE_SURE = 1.1, 0.9
AMONG_DIGITS = 0.5  # of the threshold is enough where most signs are digits
WHOLE = 0, 0, SIDE, SIDE
NO_INK = "no ink found: the picture is blank or its contrast too low"
NO_DIGIT = "what is drawn does not look like a digit"
CROWDED = "too many marks: this is not a page of digits"


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

    `rejected` are the signs that were found and are no digits. `num_pages` is None where the other
    pages were not looked at, and `notice` tells what else of the file was not read.
    """

    text: str
    digits: tuple[Digit, ...]
    ok: bool
    reason: str | None = None
    rejected: tuple[Digit, ...] = ()
    page: int = 1
    num_pages: int | None = None
    notice: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of `cnn-mnist predict`, without the path."""
        digits = [
            {"digit": d.digit, "confidence": round(d.confidence, 4), "box": list(d.box)}
            for d in self.digits
        ]
        pages = {"page": self.page, "num_pages": self.num_pages}
        said = {"text": self.text, "digits": digits, "ok": self.ok, "reason": self.reason}
        return pages | said | {"notice": self.notice}


class _Sign(NamedTuple):
    glyph: segment.Glyph
    frame: NDArray[np.uint8]  # the 28×28 image that the network sees


class Reader:
    """Reads anybody's digits. Thread-safe; loading one takes some 10 ms."""

    def __init__(self, model: str | os.PathLike[str] | None = None, threads: int = 0) -> None:
        """Use an exported model file, or the released one.

        Args:
            threads: of the network's arithmetic; 0 takes all cores.

        Raises:
            ValueError: the file is no such model.
        """
        self.classifier = Classifier(model, threads)

    def read(self, source: image.Source, single: bool = False) -> Reading:
        """Read one picture; of a file with several pages, the first.

        Args:
            source: see `image.load`.
            single: the picture holds one digit; its parts are never read as several.

        Raises:
            ImageError: the source is no picture that can be read.
        """
        page = image.load(source)
        frame = ready_frame(page.pixels)
        if frame is not None:
            return _reading(self._digits([WHOLE], frame[None], self.classifier.probs(frame[None])))
        marks = ink.find(page.pixels)
        try:
            glyphs = segment.single(marks) if single else segment.split(marks)
        except segment.CrowdedError:
            return Reading("", (), ok=False, reason=CROWDED)
        cuts = 0 if single else touching.most(marks.size)
        signs = self._separate(_framed(glyphs), cuts) if cuts else _framed(glyphs)
        boxes = [page.original_box(sign.glyph.box) for sign in signs]
        frames = _frames(signs)
        return _reading(self._digits(boxes, frames, self.classifier.steady_probs(frames)))

    def read_pages(self, source: image.Source, single: bool = False) -> Iterator[Reading]:
        """Read every page of a TIFF or PDF, each when it is asked for; all else is one page.

        Raises:
            ImageError: as `image.pages`.
        """
        for page in image.pages(source):
            reading = self.read(page, single)
            number, count = page.number, page.num_pages
            yield replace(reading, page=number, num_pages=count, notice=page.notice)

    def read_many(self, sources: Iterable[image.Source], single: bool = False) -> list[Reading]:
        """Read pictures in order; a stack Nx28x28 of uint8 is read as N pictures, in one call of
        the network where they are MNIST's images already."""
        if not _is_stack(sources):
            return [self.read(source, single) for source in sources]
        images = np.asarray(sources, np.uint8)
        frames, ready = ready_frames(images)
        probs = self.classifier.probs(frames[ready])
        whole = self._digits([WHOLE] * len(probs), frames[ready], probs, together=False)
        return [
            _reading([next(whole)]) if is_ready else self.read(source, single)
            for source, is_ready in zip(images, ready.tolist(), strict=True)
        ]

    def _digits(
        self,
        boxes: list[segment.Box],
        frames: NDArray[np.uint8],
        probs: NDArray[np.float32],
        together: bool = True,
    ) -> Iterator[tuple[Digit, bool]]:
        """What the network says to each frame, and whether it takes it for a digit.

        Args:
            together: the frames are of one page, where a sign among digits is likelier to be one.
        """
        accepted = self.classifier.is_digit(probs)
        if together and accepted.sum() >= 2 and accepted.mean() > 0.5:
            accepted |= probs.max(axis=1) >= AMONG_DIGITS * self.classifier.threshold
        answers, confidences = probs.argmax(axis=1).tolist(), probs.max(axis=1).tolist()
        found = map(Digit, answers, confidences, boxes, frames, probs)
        return zip(found, accepted.tolist(), strict=True)

    def _separate(self, signs: list[_Sign], cuts: int) -> list[_Sign]:
        """Cut signs that the network takes for several digits rather than for one; so many."""
        usual = float(np.median([sign.glyph.box[3] for sign in signs])) if signs else 0.0
        separated: list[_Sign] = []
        alone = len(signs) == 1
        for sign, certainty in zip(signs, self._certainty(signs), strict=True):
            height = max(sign.glyph.box[3], round(usual))
            share = sign.glyph.box[2] / height
            doubtful = any(share > wide and certainty < sure for wide, sure in DOUBTS)
            if not doubtful or not cuts or (alone and share < LONE_PAIR):
                separated.append(sign)
                continue
            cuts -= 1
            pieces = _framed(touching.separate(sign.glyph, height, self._liking))
            unsure = alone and self._certainty(pieces).min() < LONE_SURE
            separated += [sign] if unsure else pieces
        return separated

    def _liking(self, glyphs: list[segment.Glyph]) -> NDArray[np.float32]:
        return self._certainty(_framed(glyphs))

    def _certainty(self, signs: list[_Sign]) -> NDArray[np.float32]:
        return np.asarray(self.classifier.probs(_frames(signs)).max(axis=1, initial=0), np.float32)


def unreadable(reason: str, page: int = 1) -> Reading:
    """What is said of a picture from the page on that could not be read."""
    return Reading("", (), ok=False, reason=reason, page=page)


def _reading(found: Iterable[tuple[Digit, bool]]) -> Reading:
    digits: list[Digit] = []
    rejected: list[Digit] = []
    for digit, accepted in found:
        (digits if accepted else rejected).append(digit)
    if digits:
        text = "".join([str(digit.digit) for digit in digits])
        return Reading(text, tuple(digits), ok=True, rejected=tuple(rejected))
    return Reading("", (), False, NO_DIGIT if rejected else NO_INK, tuple(rejected))


def _is_stack(sources: object) -> bool:
    if not isinstance(sources, np.ndarray) or sources.ndim != 3:
        return False
    return bool(sources.dtype == np.uint8 and sources.shape[1:] == (SIDE, SIDE))


def _framed(glyphs: list[segment.Glyph]) -> list[_Sign]:
    return [_Sign(glyph, to_mnist(even_stroke(glyph.ink))) for glyph in glyphs]


def _frames(signs: list[_Sign]) -> NDArray[np.uint8]:
    return np.stack([s.frame for s in signs]) if signs else np.zeros((0, SIDE, SIDE), np.uint8)
