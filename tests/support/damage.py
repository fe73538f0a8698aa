"""Reads damaged pictures of every format, and says how it went in one JSON object.

    python damage.py 20000

A file that takes more than SECONDS of the processor ends the process by a signal.
"""

import io
import json
import random
import resource
import signal
import sys
import time
from typing import Any

import numpy as np
from PIL import Image

from cnn_mnist import ImageError, Reader
from drawn import page
from paged import encoded

SECONDS = 2
KINDS = ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM"]


def originals() -> list[bytes]:
    """A digit in every format, grey, in colour, with a palette, transparent, turned, compressed;
    and pages that were made to be slow."""
    digit = Image.fromarray(page("5", 30, 4))
    files = [crowd(apart, solid) for apart in (7, 12, 40) for solid in (True, False)]
    for kind in KINDS:
        for mode in ("RGB", "L", "P", "RGBA"):
            file = io.BytesIO()
            options: dict[str, Any] = (
                {"compression": "tiff_lzw"} if kind == "TIFF" and mode == "L" else {}
            )
            exif = Image.Exif()
            exif[0x0112] = 6
            if kind in ("JPEG", "PNG", "WEBP", "TIFF"):
                options["exif"] = exif
            try:
                digit.convert(mode).save(file, kind, **options)
            except OSError:  # a mode that the format lacks
                continue
            files.append(file.getvalue())
    return [*files, encoded(("5", "3"), "TIFF"), encoded(("5", "3"), "GIF")]


def crowd(apart: int, solid: bool) -> bytes:
    """Squares side by side, or frames one within the other."""
    y, x = np.indices((400, 400))
    near = (y % apart, x % apart) if solid else (np.maximum(abs(y - 200), abs(x - 200)) % apart,)
    ink = np.all([axis < apart * 0.7 for axis in near], axis=0)
    file = io.BytesIO()
    Image.fromarray(np.where(ink, 0, 255).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def damaged(files: list[bytes], rng: random.Random) -> bytes:
    data = bytearray(rng.choice(files))
    for _ in range(rng.randint(1, 3)):
        way = rng.randrange(5)
        at = rng.randrange(len(data)) if data else 0
        if way == 0 and data:  # one bit
            data[at] ^= 1 << rng.randrange(8)
        elif way == 1 and data:  # a lie in the header
            for offset in range(rng.randrange(min(64, len(data))), min(64, len(data)), 7):
                data[offset] = rng.choice([0, 1, 0x7F, 0x80, 0xFF])
        elif way == 2:  # the end is missing
            del data[at:]
        elif way == 3:  # a piece of another file
            other = rng.choice(files)
            begin = rng.randrange(len(other))
            data[at : at + rng.randrange(200)] = other[begin : begin + rng.randrange(200)]
        else:  # a piece twice
            data[at:at] = data[at : at + rng.randrange(300)]
    return bytes(data)


def resident_mib() -> float:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 2**20


def main() -> None:
    reader, rng, files = Reader(), random.Random(0), originals()
    counts = {"read": 0, "refused": 0}
    total, slowest, before = int(sys.argv[1]), 0.0, 0.0
    for number in range(total):
        data = damaged(files, rng)
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        start = time.perf_counter()
        try:
            for _ in reader.read_pages(data, single=bool(number % 2)):
                pass
            counts["read"] += 1
        except ImageError:
            counts["refused"] += 1
        slowest = max(slowest, time.perf_counter() - start)
        signal.setitimer(signal.ITIMER_PROF, 0)
        if number == total // 4:
            before = resident_mib()
    growth = resident_mib() - before
    print(json.dumps({**counts, "slowest_s": round(slowest, 2), "growth_mib": round(growth, 1)}))


if __name__ == "__main__":
    main()
