"""How well pages are read: columns of amounts, notebooks, receipts and forms, and printed text.

    python benchmarks/pages.py [--n 20] [--seeds 5] [--only KIND ...] [--failures FOLDER]

n pages of each kind, over all seeds, are written with MNIST test digits and the package's pen
strokes, bent, photographed at an angle, and read: upright, rotated by a quarter, a half and
three quarters, and tilted by 10 to 45 degrees. A number counts if its text is exact, including
signs; a line if its numbers are in one line of the reading, after the line before. A number is
false if none was written there. A page of printed text has no digits at all. The last line of
stdout is one JSON object.
"""

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from cnn_mnist import Reader, Reading
from cnn_mnist.inference import preview
from generators.mnist_digits import mnist_test
from generators.page_kinds import KINDS, Number
from generators.written_pages import Page, Point, generate

TURNS = 90, 180, 270


@dataclass
class Score:
    """Counts over pages."""

    pages: int = 0
    numbers: int = 0
    exact: int = 0
    lines: int = 0
    in_order: int = 0
    false: int = 0
    seconds: float = 0.0

    def add(self, page: Page, reading: Reading) -> bool:
        """Add a reading; returns whether all of it is right."""
        places = [_place(number, reading) for line in page.lines for number in line]
        read = [number for line in reading.lines for number in line.numbers]
        written = [number.text for line in page.lines for number in line]
        exact = sum(
            place is not None and read[place].text == text
            for place, text in zip(places, written, strict=True)
        )
        in_order = _in_order(page, reading, places)
        false = len(read) - len({place for place in places if place is not None})
        self.pages += 1
        self.numbers, self.exact = self.numbers + len(written), self.exact + exact
        self.lines, self.in_order = self.lines + len(page.lines), self.in_order + in_order
        self.false += false
        return exact == len(written) and in_order == len(page.lines) and not false

    def to_dict(self) -> dict[str, Any]:
        return {
            "pages": self.pages,
            "numbers": self.numbers,
            "exact": self.exact,
            "lines": self.lines,
            "in_order": self.in_order,
            "false": self.false,
            "seconds": round(self.seconds / max(1, self.pages), 3),
        }


def _place(number: Number, reading: Reading) -> int | None:
    """The index of the reading's number at the place of a written one.

    Boxes of tilted numbers overlap their neighbours: the one with the nearest centre counts.
    """
    read = [number for line in reading.lines for number in line.numbers]
    boxes = np.reshape(np.array([found.box for found in read], float), (-1, 4))
    away = np.abs(boxes[:, :2] + boxes[:, 2:] / 2 - number.middle)
    inside = (away <= boxes[:, 2:] / 2).all(axis=1)
    nearest = np.where(inside, np.hypot(*away.T), np.inf)
    return int(nearest.argmin()) if inside.any() else None


def _in_order(page: Page, reading: Reading, places: list[int | None]) -> int:
    """How many lines are each within one line of the reading, in order."""
    owner = [row for row, line in enumerate(reading.lines) for _ in line.numbers]
    count, rest, last = 0, iter(places), -1
    for line in page.lines:
        found = [next(rest) for _ in line]
        known = [place for place in found if place is not None]
        rows = {owner[place] for place in known}
        row = min(rows, default=-1)
        count += (
            len(known) == len(line) and len(rows) == 1 and known == sorted(known) and row > last
        )
        last = max(last, row)
    return count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=20, help="pages per kind, over all seeds")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--mnist", type=Path, help="folder with the four MNIST files")
    parser.add_argument("--failures", type=Path, help="folder for pictures of the failures")
    args = parser.parse_args()
    if args.n % args.seeds:
        parser.error(f"--n must be a multiple of the {args.seeds} seeds")
    cv2.setNumThreads(1)
    reader, mnist = Reader(threads=1), mnist_test(args.mnist)
    result: dict[str, Any] = {}

    def pages(name: str, tilt: Point) -> Iterator[Page]:
        for seed in range(args.seeds):
            yield from generate(name, *mnist, args.n // args.seeds, seed, tilt)

    for name in args.only:
        upright, tilted = Score(), Score()
        turned = {"pages": 0, "alike": 0}
        for number, page in enumerate(pages(name, (0, 3))):
            reading = _read(reader, page, upright)
            if not upright.add(page, reading) and args.failures:
                args.failures.mkdir(parents=True, exist_ok=True)
                preview.write(page.picture, reading, args.failures / f"{name}_{number:03}.png")
            for degrees in TURNS:
                again = reader.read(np.ascontiguousarray(np.rot90(page.picture, -degrees // 90)))
                turned["pages"] += 1
                turned["alike"] += [x.text for x in again.lines] == [x.text for x in reading.lines]
        for page in pages(name, (10, 45)):
            tilted.add(page, _read(reader, page, tilted))
        result[name] = {"upright": upright.to_dict(), "turned": turned, "tilted": tilted.to_dict()}
        print(f"{name:10}", json.dumps(result[name]), flush=True)
    print(json.dumps(result))


def _read(reader: Reader, page: Page, score: Score) -> Reading:
    began = time.process_time()
    reading = reader.read(page.picture)
    score.seconds += time.process_time() - began
    return reading


if __name__ == "__main__":
    main()
