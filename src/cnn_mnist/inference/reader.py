"""Reader: a picture → a Reading. Connects decoding, layout and the two networks."""

import contextlib
import math
import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain, islice

import numpy as np
from numpy.typing import NDArray

from cnn_mnist.inference import box_row
from cnn_mnist.inference.layout import cell, lines, orientation, sizes, view
from cnn_mnist.inference.layout.edges import without_edges
from cnn_mnist.inference.layout.structure import Line, Number, lines_of
from cnn_mnist.inference.layout.words import MANY, without_words
from cnn_mnist.inference.percentiles import median
from cnn_mnist.inference.pictures import image
from cnn_mnist.inference.pictures.page import ImageError, Page
from cnn_mnist.inference.reading import NO_INK, Digit, Reading, surer
from cnn_mnist.inference.recognition.agree import Found, agree, agree_on_one, partners
from cnn_mnist.inference.recognition.classifier import Classifier, tta_probs
from cnn_mnist.inference.recognition.line import OTHER, Sign
from cnn_mnist.inference.recognition.line_reader import LineReader
from cnn_mnist.inference.recognition.normalize import SIDE, ready_frame, ready_frames
from cnn_mnist.inference.segmentation import segment, shadows

MAX_BUTTONS = 0.1  # share of a page that a program's buttons may cover; larger grids are read
MAX_COLUMNS = 40_000  # of a grid that the line network reads
MAX_AGAIN = 20_000  # columns of second looks at the cells in doubt
WHOLE = 0, 0, SIDE, SIDE
NO_DIGIT = "what is drawn does not look like a digit"
ONLY_WORDS = "what is written looks like words, not like numbers"
EMPTY_GRID = "the cells of the grid are empty"
CROWDED = "too many marks: this is not a page of digits"


class Reader:
    """Reads handwritten digits. Thread-safe."""

    def __init__(self, model: str | os.PathLike[str] | None = None, threads: int = 0) -> None:
        """Load an exported model file or a released model.

        Args:
            model: the file, or a model's name; None means `reader`.
            threads: for the network's arithmetic; 0 uses all cores.

        Raises:
            ValueError: there is no such file or model.
        """
        self.classifier = Classifier(model, threads)
        self.line_reader = LineReader()

    def read(self, source: image.Source, single: bool = False) -> Reading:
        """Read one picture; of a file with several pages, the first.

        Args:
            source: see `image.load`.
            single: the picture holds one digit, which is never split.

        Raises:
            ImageError: the source cannot be read as a picture.
        """
        page = image.load(source)
        frame = ready_frame(page.pixels)
        if frame is not None:
            return _frame_reading(*next(self._digits(frame[None])))
        if single:
            return self._page_reading(page, single)
        cells = cell.of_page(page)
        reading = self._reading(page, cells)
        if reading.reason == CROWDED or (lit := shadows.without(page.pixels)) is None:
            return reading
        lit_page = replace(page, pixels=lit)
        lit_cells = cell.of_page(lit_page) if cells else []  # no shadow hides a whole grid
        if len([*chain(*lit_cells)]) < len([*chain(*cells)]):  # sides were taken for shadows
            return reading
        return surer(reading, self._reading(lit_page, lit_cells))

    def _reading(self, page: Page, cells: list[list[cell.Cell]]) -> Reading:
        """The reading of a page with the shadows on it: of its cells, if these have a digit."""
        if not cells:
            return self._page_reading(page)
        if not any(one.glyphs for one in chain(*cells)):
            in_cells = self._grid_reading(cells)
        elif sum(one.columns for one in chain(*cells)) > MAX_COLUMNS:
            return Reading(reason=CROWDED)
        else:
            in_cells = self._cells_reading(*self._upright(page, cells))
        if in_cells.ok:
            return in_cells
        reading = self._page_reading(page)
        return reading if reading.ok else in_cells

    def _upright(
        self, page: Page, cells: list[list[cell.Cell]]
    ) -> tuple[Page, list[list[cell.Cell]]]:
        """A page and its cells, turned upright; a page on its side may need a second turn."""
        for _ in range(2):
            flat = chain(*cells)
            degrees = orientation.turn_of_cells(self.classifier, self.line_reader, flat)
            if not degrees:
                break
            turned = page.turn(degrees)
            if not (found := cell.of_page(turned)):
                break
            page, cells = turned, found
        return page, cells

    def _cells_reading(self, page: Page, cells: list[list[cell.Cell]]) -> Reading:
        """The reading of a page with cells, which are mostly read one by one.

        A single row is also read as a whole. So are few cells, which are buttons if a digit beside
        them is taller.
        """
        if len(cells) == 1:
            reading = self._page_reading(page, fall=box_row.fall(cells[0]))
            return box_row.combined(reading, cells[0], self._grid_reading(cells))
        boxes = np.array([one.box for one in chain(*cells)])
        if boxes[:, 2:].prod(axis=1).sum() <= MAX_BUTTONS * math.prod(page.size):
            reading = self._page_reading(page)
            tallest = max((digit.box[3] for digit in reading.digits), default=0)
            if tallest > median(boxes[:, 3]):
                return reading
        return self._grid_reading(cells)

    def _page_reading(self, page: Page, single: bool = False, fall: int | None = None) -> Reading:
        """The reading of a page as a whole.

        Args:
            fall: by how many degrees its lines fall to the right, if that is known.
        """
        try:
            if single or fall is not None:
                seen = orientation.levelled(view.of_page(page, single), fall or 0)
                return self._view_reading(seen, self.line_reader, single)
            return self._upright_reading(page)
        except segment.CrowdedError:
            return Reading(reason=CROWDED)

    def _upright_reading(self, page: Page) -> Reading:
        """The reading of a page, without its tall marks if more digits are read then.

        Certain numbers of other sizes are added.
        """
        whole = view.of_page(page)
        seen = orientation.upright(self.classifier, self.line_reader, page, whole)
        found, drawn = self._found(seen, self.line_reader), seen
        height = sizes.height_of_others(found, seen)
        if height is not None:
            with contextlib.suppress(segment.CrowdedError):
                lower = orientation.upright(self.classifier, self.line_reader, page, whole, height)
                again = self._found(lower, self.line_reader)
                if sizes.num_right(again) > sizes.num_right(found):
                    is_aligned = lower.page.turned == seen.page.turned
                    found = sizes.with_others(again, found if is_aligned else [])
                    drawn = replace(lower, ink=seen.ink) if is_aligned else lower
                    seen = lower
        if any(found):  # otherwise, the smaller marks are not writing either
            found = sizes.with_others(found, self._smaller(seen))
        return _line_reading(sizes.without_words_and_drawings(found, drawn.boxes), drawn)

    def _smaller(self, seen: view.View) -> list[list[Found]]:
        """The signs of a view that are too small for the size of its glyphs, line by line."""
        smaller = view.smaller(seen)
        if not smaller.glyphs:
            return []
        rows = lines.read_lines(self.line_reader, seen.grey, smaller.layout.of_several)
        return self._agreed(rows, smaller)

    def _view_reading(
        self, seen: view.View, line_reader: LineReader, single: bool = False
    ) -> Reading:
        found = self._found(seen, line_reader, single)
        return _line_reading(found if single else without_words(found, seen.boxes), seen)

    def _found(
        self, seen: view.View, line_reader: LineReader, single: bool = False
    ) -> list[list[Found]]:
        """The signs, line by line."""
        if single:
            readings = lines.readings(line_reader, seen.grey, seen.layout)
            probs = tta_probs(self.classifier.probs, seen.frames())
            return [agree_on_one(readings, seen.boxes, probs, self.classifier.decides)]
        return self._agreed(lines.read(line_reader, seen.grey, seen.layout), seen)

    def _agreed(self, rows: list[list[Sign]], seen: view.View) -> list[list[Found]]:
        """The answers of both networks for each sign."""
        best = list(chain.from_iterable(rows))
        pairs = partners(best, seen.boxes, self.classifier.decides)
        alone = [glyph for glyph in pairs if glyph is not None]
        probs = np.zeros((len(seen.glyphs), 10), np.float32)
        probs[alone] = tta_probs(self.classifier.probs, seen.frames(alone))
        found = iter(agree(best, pairs, seen.boxes, probs, self.classifier.decides))
        signs = [list(islice(found, len(row))) for row in rows]
        return without_edges(signs, seen)

    def _grid_reading(self, cells: list[list[cell.Cell]]) -> Reading:
        blank, frugal = Reading(), self.line_reader.limited(MAX_AGAIN)
        read = [
            [self._view_reading(one, frugal) if one.glyphs else blank for one in row]
            for row in cells
        ]
        readings = [reading for row in read for reading in row]
        digits = tuple(digit for reading in readings for digit in reading.digits)
        rejected = tuple(digit for reading in readings for digit in reading.rejected)
        numbers = [map(_in_cell, *pair) for pair in zip(read, cells, strict=True)]
        said = tuple(Line(tuple(row)) for row in numbers)
        reason = None if digits else EMPTY_GRID
        turned = cells[0][0].page.turned
        return Reading(digits, reason, rejected, said, turned=turned)

    def read_pages(self, source: image.Source, single: bool = False) -> Iterator[Reading]:
        """Read a TIFF or PDF lazily, page by page; any other source is one page.

        Raises:
            ImageError: as `image.pages`.
        """
        for page in image.pages(source):
            reading = self.read(page, single)
            number, count = page.number, page.num_pages
            yield replace(reading, page=number, num_pages=count, notice=page.notice)

    def read_many(self, sources: Iterable[image.Source], single: bool = False) -> list[Reading]:
        """Read pictures in order.

        A stack N×28×28 of uint8 is read as N pictures, in one network call if they are MNIST images
        already.

        Raises:
            ImageError: a source cannot be read as a picture. The first one ends the call, and the
                message names it.
        """
        if isinstance(sources, str | bytes):  # would be read letter by letter
            raise ImageError("read_many takes a list of pictures; for a single one use read")
        if not _is_stack(sources):
            return [self._read_one(*each, single) for each in enumerate(sources, start=1)]
        images = np.asarray(sources, np.uint8)
        frames, ready = ready_frames(images)
        whole = self._digits(frames[ready])
        return [
            _frame_reading(*next(whole)) if is_ready else self.read(source, single)
            for source, is_ready in zip(images, ready.tolist(), strict=True)
        ]

    def _read_one(self, number: int, source: image.Source, single: bool) -> Reading:
        """Read one of many pictures; an error names it."""
        try:
            return self.read(source, single)
        except ImageError as error:
            name = source if isinstance(source, str | os.PathLike) else f"picture {number}"
            raise ImageError(f"{name}: {error}") from error

    def _digits(self, frames: NDArray[np.uint8]) -> Iterator[tuple[Digit, bool]]:
        """The network's answer to MNIST images, and whether it accepts each as a digit."""
        probs = self.classifier.probs(frames)
        accepted = self.classifier.is_digit(probs)
        answers, confidences = probs.argmax(axis=1).tolist(), probs.max(axis=1).tolist()
        found = map(Digit, answers, confidences, [WHOLE] * len(probs), frames, probs)
        return zip(found, accepted.tolist(), strict=True)


def _line_reading(rows: list[list[Found]], seen: view.View) -> Reading:
    signs = list(chain.from_iterable(rows))
    if not signs:
        return Reading(reason=NO_DIGIT if seen.glyphs else NO_INK)
    digits = tuple(_placed(sign, seen) for sign in signs if sign.is_digit)
    rejected = tuple(_placed(sign, seen) for sign in signs if sign.character == OTHER)
    turned = seen.page.turned
    if not digits:
        reason = ONLY_WORDS if len(rejected) >= MANY else NO_DIGIT
        return Reading((), reason, rejected, turned=turned)
    numbers = lines_of(rows, seen.original_box)
    return Reading(digits, None, rejected, numbers, turned=turned)


def _placed(sign: Found, seen: view.View) -> Digit:
    frame = seen.frame(sign.box) if sign.glyph is None else seen.frames([sign.glyph])[0]
    x, y, width, height = (round(v) for v in sign.box)
    box = seen.original_box((x, y, width, height))
    probs = np.asarray(sign.digit_probs / max(sign.digit_probs.sum(), 1e-6), np.float32)
    return Digit(int(probs.argmax()), sign.confidence, box, frame, probs)


def _in_cell(reading: Reading, one: cell.Cell) -> Number:
    """Everything in a cell as one number; an empty cell has no text."""
    confidence = math.prod(number.confidence for number in reading.numbers)
    return Number("".join(number.text for number in reading.numbers), one.box, confidence)


def _frame_reading(digit: Digit, is_accepted: bool) -> Reading:
    """The reading of a picture that is an MNIST image already."""
    if not is_accepted:
        return Reading((), NO_DIGIT, rejected=(digit,))
    whole = Line((Number(str(digit.digit), digit.box, digit.confidence),))
    return Reading((digit,), lines=(whole,))


def _is_stack(sources: object) -> bool:
    if not isinstance(sources, np.ndarray):
        return False
    return bool(sources.dtype == np.uint8 and sources.shape[1:] == (SIDE, SIDE))
