"""Reading: what was read on a page."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn_mnist.inference.layout.lines import EVEN
from cnn_mnist.inference.layout.structure import Line, Number
from cnn_mnist.inference.pictures.page import Box
from cnn_mnist.inference.recognition.line_reader import DOUBT

NO_INK = "no ink found: the picture is blank or its contrast too low"


@dataclass(frozen=True)
class Digit:
    """A digit that was read.

    `box` is x, y, width, height in the original picture's pixels, `image` what the network saw
    (uint8 28×28), `probs` its ten probabilities.
    """

    digit: int
    confidence: float
    box: Box
    image: NDArray[np.uint8] = field(repr=False, compare=False)
    probs: NDArray[np.float32] = field(repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "digit": self.digit,
            "confidence": round(self.confidence, 4),
            "box": list(self.box),
        }


@dataclass(frozen=True)
class Reading:
    """The result of reading a page. Without a digit, `reason` says why.

    `digits` are in reading order; `lines` has the numbers with their signs. `rejected` are signs
    that were found but are not digits. `num_pages` is None if the other pages were not opened or if
    the page could not be read (`is_unreadable`), and `notice` tells what else in the file was not
    read. `turned` is the rotation of the page for reading, in degrees clockwise.
    """

    digits: tuple[Digit, ...] = ()
    reason: str | None = None
    rejected: tuple[Digit, ...] = ()
    lines: tuple[Line, ...] = ()
    page: int = 1
    num_pages: int | None = None
    notice: str | None = None
    turned: int = 0
    is_unreadable: bool = False

    @classmethod
    def unreadable(cls, reason: str, page: int = 1) -> "Reading":
        """In place of a page that could not be read, and of those after it."""
        return cls(reason=reason, page=page, is_unreadable=True)

    @property
    def text(self) -> str:
        """All digits."""
        return text_of(self.digits)

    @property
    def numbers(self) -> list[Number]:
        """The numbers of all lines."""
        return [number for line in self.lines for number in line.numbers]

    @property
    def ok(self) -> bool:
        """Whether there is a digit."""
        return bool(self.digits)

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of `cnn-mnist predict`, without the path."""
        digits = [digit.to_dict() for digit in self.digits]
        pages = {"page": self.page, "num_pages": self.num_pages}
        said = {"text": self.text, "digits": digits, "ok": self.ok, "reason": self.reason}
        lines = [line.to_dict() for line in self.lines]
        return pages | said | {"lines": lines, "turned": self.turned, "notice": self.notice}


def text_of(digits: Iterable[Digit]) -> str:
    """The text of some digits."""
    return "".join(str(digit.digit) for digit in digits)


def surer(first: Reading, second: Reading) -> Reading:
    """The reading of a page with more certain digits; small print does not count."""
    certain = [[d.box[3] for d in each.digits if d.confidence >= DOUBT] for each in (first, second)]
    least = EVEN * max(chain(*certain), default=0)
    of_first, of_second = (sum(height >= least for height in heights) for heights in certain)
    return second if of_second > of_first else first
