"""How well grids are read: tables, sudokus, rows of boxes and score sheets, drawn and photographed.

    python benchmarks/sheets.py [--n 20] [--seeds 0 1 2 3 4] [--conditions whole cut shadow]
        [--failures FOLDER] [--example FILE]

A sheet is drawn with ruled or printed lines, thick or thin, filled in by hand (MNIST test digits)
or in print, then bent, rotated, seen at an angle, lit from one side, and saved as a JPEG. It is
read as it is, with the picture cut within the grid's outer lines, and in a hard-edged shadow. A
cell is found if its row and column are right and the centre of its box is in the drawn cell; it
is exact if its text is right, too. The last line of stdout is one JSON object.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cnn_mnist import Reader, Reading
from generators.mnist_digits import mnist_test
from generators.paper import Rng
from generators.written_sheets import KINDS, Sheet, cut, generate, in_hard_shadow

CONDITIONS: dict[str, Callable[[Sheet, Rng], Sheet]] = {
    "whole": lambda sheet, _: sheet,
    "cut": cut,
    "shadow": in_hard_shadow,
}
COUNTS = "sheets", "cells", "found", "exact", "seconds"


def score(reading: Reading, truth: Sheet) -> tuple[int, int]:
    """Cells found, and cells exact."""
    if [len(line.numbers) for line in reading.lines] != [len(row) for row in truth.rows]:
        return 0, 0
    found = exact = 0
    for line, texts, cells in zip(reading.lines, truth.rows, truth.cells, strict=True):
        for said, text, cell in zip(line.numbers, texts, cells, strict=True):
            x, y, wide, high = said.box
            middle = x + wide / 2, y + high / 2
            inside = cv2.pointPolygonTest(cell.astype(np.float32), middle, False) > 0
            found += inside
            exact += inside and said.text == text
    return found, exact


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=20, help="sheets per seed")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--conditions", nargs="+", choices=CONDITIONS, default=list(CONDITIONS))
    parser.add_argument("--mnist", type=Path, help="folder with the four MNIST files")
    parser.add_argument("--example", type=Path, help="only write a score sheet as JPEG")
    parser.add_argument("--failures", type=Path, help="folder for misread sheets")
    args = parser.parse_args()
    images, labels = mnist_test(args.mnist)
    if args.example:
        _example(images, labels, args.seeds[0]).save(args.example, quality=80)
        return
    reader, totals = Reader(threads=1), {}
    for name in args.conditions:
        print(name)
        counts = {kind: np.zeros(len(COUNTS)) for kind in KINDS}
        for seed in args.seeds:
            rng = np.random.default_rng(seed)
            for number, drawn in enumerate(generate(images, labels, args.n, seed)):
                truth = CONDITIONS[name](drawn, rng)
                began = time.process_time()
                reading = reader.read(truth.pixels)
                seconds = time.process_time() - began
                cells = sum(len(row) for row in truth.rows)
                row = np.array([1, cells, *score(reading, truth), seconds])
                counts[truth.kind] += row
                if row[3] < cells and args.failures:
                    _keep(args.failures / f"{name}_{truth.kind}_{seed}_{number}", truth, reading)
        for kind, row in (*counts.items(), ("all", np.sum([*counts.values()], axis=0))):
            _show(kind, row)
        totals[name] = {k: dict(zip(COUNTS, v.round(3), strict=True)) for k, v in counts.items()}
    print(json.dumps(totals))


def _example(images: Any, labels: Any, seed: int) -> Image.Image:
    sheets = generate(images, labels, 4 * len(KINDS), seed)
    picture = Image.fromarray(next(s for s in sheets if s.kind == "scores").pixels)
    picture.thumbnail((900, 900))
    return picture


def _show(name: str, row: NDArray[np.float64]) -> None:
    sheets, cells, found, exact, seconds = row.tolist()
    print(f"  {name:10} {sheets:4.0f} sheets {cells:6.0f} cells  found {found / max(1, cells):7.2%}"
          f"  exact {exact / max(1, cells):7.2%}  {seconds / max(1, sheets):.3f} s a sheet",
          flush=True)  # fmt: skip


def _keep(path: Path, truth: Sheet, reading: Reading) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(truth.pixels).save(path.with_suffix(".png"))
    said = [[n.text for n in line.numbers] for line in reading.lines]
    wrong = [
        f"row {r} column {c}: {text or 'empty'} read as {said[r][c] or 'empty'}"
        for r, texts in enumerate(truth.rows)
        for c, text in enumerate(texts)
        if r < len(said) and c < len(said[r]) and said[r][c] != text
    ]
    shape = [len(line) for line in said]
    path.with_suffix(".txt").write_text("\n".join([f"cells in rows: {shape}", *wrong]) + "\n")


if __name__ == "__main__":
    main()
