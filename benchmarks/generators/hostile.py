"""Pictures made to be slow: every kind of hostile picture, in any size and grain."""

import io
from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Rng = np.random.Generator
Ink = NDArray[np.float32]  # H×W, 0 = paper, 1 = ink
Picture = NDArray[np.uint8]
Size = tuple[int, int]  # height, width

FINEST, COARSEST = 2, 200  # px, of the grain
PHOTOGRAPH = (3000, 4000)


class Hostile(NamedTuple):
    """A picture to read, and how to draw it again."""

    name: str
    picture: Picture


def grid(size: Size) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    rows, columns = np.indices(size, dtype=np.int32, sparse=True)
    return rows, columns


def dots(size: Size, grain: int, rng: Rng) -> Ink:
    """Round dots in rows, as far apart as they are wide."""
    y, x = (axis % (2 * grain) - grain for axis in grid(size))
    return (y * y + x * x < (rng.uniform(0.5, 0.95) * grain) ** 2).astype(np.float32)


def sprinkled(size: Size, grain: int, rng: Rng) -> Ink:
    """Squares of random sizes at random places."""
    ink = np.zeros(size, np.float32)
    count = min(20_000, round(size[0] * size[1] / (3 * grain * grain)))
    places = np.stack([rng.integers(0, side, count) for side in size], axis=1)
    for (y, x), side in zip(places.tolist(), rng.integers(1, 2 * grain, count), strict=True):
        ink[y : y + side, x : x + side] = 1
    return ink


def comb(size: Size, grain: int, rng: Rng) -> Ink:
    """Teeth, hanging from a bar or from nothing."""
    y, x = grid(size)
    teeth = (x % (2 * grain) < grain) & (y > grain)
    return (teeth | ((y < 2 * grain) & bool(rng.integers(2)))).astype(np.float32)


def maze(size: Size, grain: int, rng: Rng) -> Ink:
    """A diagonal through every cell, in a random direction."""
    cell = max(4, 2 * grain)
    rows, columns = (side // cell + 1 for side in size)
    stroke = max(1, grain // 3)
    tile = cv2.line(np.zeros((cell, cell), np.uint8), (0, 0), (cell - 1, cell - 1), 1, stroke)
    tiles = np.stack([tile, tile[:, ::-1]])[rng.integers(0, 2, (rows, columns))]
    whole = tiles.transpose(0, 2, 1, 3).reshape(rows * cell, columns * cell)
    return whole[: size[0], : size[1]].astype(np.float32)


def snake(size: Size, grain: int, rng: Rng) -> Ink:
    """One line that runs back and forth over the whole picture."""
    y, x = grid(size)
    left = (y // (2 * grain)) % 2 == 0
    bends = np.where(left, x < grain, x >= size[1] - grain)
    return ((y % (2 * grain) < grain) | bends).astype(np.float32)


def checkerboard(size: Size, grain: int, rng: Rng) -> Ink:
    """Squares that touch at their corners, or just fail to."""
    y, x = grid(size)
    squares = (y // grain + x // grain) % 2 == 0
    apart = (y % grain > 0) & (x % grain > 0) if rng.integers(2) else True
    return np.asarray(squares & apart, np.float32)


def rings(size: Size, grain: int, rng: Rng) -> Ink:
    """Nested shapes: round rings, or frames of a form."""
    y, x = grid(size)
    down, across = np.abs(y - size[0] // 2), np.abs(x - size[1] // 2)
    far = np.maximum(down, across) if rng.integers(2) else np.hypot(down, across)
    return (far % (2 * grain) < rng.uniform(0.2, 1) * grain).astype(np.float32)


def tiles(size: Size, grain: int, rng: Rng) -> Ink:
    """Small nested frames side by side."""
    cell = 30 * grain
    return np.tile(rings((cell, cell), grain, rng), [-(-side // cell) for side in size])[
        : size[0], : size[1]
    ]


def angles(size: Size, grain: int, rng: Rng) -> Ink:
    """Nested corners, whose boxes all overlap."""
    y, x = grid(size)
    broken = (x + y) % (40 * grain) < 20 * grain if rng.integers(2) else True
    return ((np.maximum(y, x) % (2 * grain) < grain) & broken).astype(np.float32)


def hatching(size: Size, grain: int, rng: Rng) -> Ink:
    """Parallel lines at any angle; crossed or not."""
    y, x = grid(size)
    turn = rng.uniform(0, np.pi)
    ink = (y * np.cos(turn) + x * np.sin(turn)) % (2 * grain) < 0.7 * grain
    if rng.integers(2):
        ink |= (x * np.cos(turn) - y * np.sin(turn)) % (2 * grain) < 0.7 * grain
    return np.asarray(ink, np.float32)


def dashes(size: Size, grain: int, rng: Rng) -> Ink:
    """Horizontal lines, broken at random: as wide as touching digits, or far wider."""
    y, x = grid(size)
    wide = max(8, round(grain * rng.uniform(3, 60)))
    shift = rng.integers(0, wide, size[0] // (2 * grain) + 1)[y // (2 * grain)]
    return ((y % (2 * grain) < grain) & ((x + shift) % wide > 3)).astype(np.float32)


def spiral(size: Size, grain: int, rng: Rng) -> Ink:
    y, x = grid(size)
    down, across = y - size[0] / 2, x - size[1] / 2
    turns = np.arctan2(down, across) / (2 * np.pi)
    return np.asarray((np.hypot(down, across) / (2 * grain) + turns) % 1 < 0.4, np.float32)


def text(size: Size, grain: int, rng: Rng) -> Ink:
    """Columns of printed letters or digits, separate or joined."""
    ink = np.zeros(size, np.uint8)
    scale, step = grain / 12, max(6, 2 * grain)
    letters = np.array(list("0123456789" if rng.integers(2) else "etaoin shrdlu EMWKX,."))
    font = int(rng.choice([cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_SCRIPT_COMPLEX]))
    pen = max(1, round(grain * rng.uniform(0.05, 0.4)))
    for y in range(step, size[0] + step, step):
        line = "".join(rng.choice(letters, size[1] // grain + 1))
        cv2.putText(ink, line, (2, y), font, scale, 1, pen)
    return ink.astype(np.float32)


def noise(size: Size, grain: int, rng: Rng) -> Ink:
    """Blots of one grain: hard or soft, sparse or dense."""
    rough = rng.normal(size=[side // grain + 2 for side in size]).astype(np.float32)
    method = cv2.INTER_CUBIC if rng.integers(2) else cv2.INTER_NEAREST
    field = cv2.resize(rough, size[::-1], interpolation=method)
    share = rng.uniform(-1, 2)
    return (field > share).astype(np.float32) if rng.integers(2) else np.clip(field, 0, 1)


def clouds(size: Size, grain: int, rng: Rng) -> Ink:
    """Noise of all grains at once, like a photograph of grass."""
    octaves = [noise(size, max(1, grain >> i), rng) / (1.5**i) for i in range(5)]
    return np.asarray(np.clip(np.sum(octaves, axis=0) / 2, 0, 1), np.float32)


def giant(size: Size, grain: int, rng: Rng) -> Ink:
    """One sign as large as the picture, drawn with a hairline or a broad brush."""
    ink = np.zeros(size, np.uint8)
    points = rng.uniform(0.1, 0.9, (rng.integers(3, 9), 2)) * size[::-1]
    pen = int(np.clip(grain * rng.uniform(0.1, 3), 1, min(size) / 4))
    cv2.polylines(ink, [points.astype(np.int32)], bool(rng.integers(2)), 1, pen)
    return ink.astype(np.float32)


def crumbs(size: Size, grain: int, rng: Rng) -> Ink:
    """Loose specks around large signs."""
    strokes = np.maximum(giant(size, grain, rng), giant(size, grain, rng))
    return np.maximum(strokes, dots(size, max(2, grain // 8), rng))


def ruled(size: Size, grain: int, rng: Rng) -> Ink:
    """Squared paper, slightly rotated, with writing on it."""
    y, x = grid(size)
    slope, thick = rng.uniform(-0.2, 0.2), max(1, grain // 8)
    squares = ((y + slope * x) % (2 * grain) < thick) | ((x - slope * y) % (2 * grain) < thick)
    lines = squares.astype(np.float32) * rng.uniform(0.3, 1)
    return np.asarray(np.maximum(lines, text(size, grain, rng)), np.float32)


def joined(size: Size, grain: int, rng: Rng) -> Ink:
    """Lines of loops that all touch, which may be digits written together."""
    y, x = grid(size)
    row = y % (3 * grain) - 1.5 * grain
    wave = np.abs(row - grain * np.sin(x / grain * rng.uniform(1, 3)))
    gaps = (x + grain * (y // (3 * grain))) % (grain * int(rng.integers(3, 60))) > grain / 2
    return np.asarray((wave < max(1.0, 0.3 * grain)) & gaps, np.float32)


def table(size: Size, grain: int, rng: Rng) -> Ink:
    """A printed table with letters or digits in every cell."""
    y, x = grid(size)
    high, letters = max(8, 2 * grain), int(rng.integers(1, 4))
    wide, pen = high * letters, max(1, grain // 12)
    ink = ((y % high < pen) | (x % wide < pen)).astype(np.uint8)
    alphabet = np.array(list("0123456789" if rng.integers(2) else "ETAOINSHRDLU"))
    for top in range(0, size[0], high):
        for left in range(0, size[1], wide):
            place = left + high // 4, top + high * 3 // 4
            word = "".join(rng.choice(alphabet, letters))
            cv2.putText(ink, word, place, cv2.FONT_HERSHEY_SIMPLEX, high / 44, 1, pen)
    return ink.astype(np.float32)


def form(size: Size, grain: int, rng: Rng) -> Ink:
    """A grid with scribbles in every cell, each of which may be a digit."""
    y, x = grid(size)
    high, signs = max(8, 4 * grain), int(rng.integers(1, 4))
    wide, pen = round(high * (0.5 + 0.5 * signs)), max(1, grain // 5)
    ink = ((y % high < pen) | (x % wide < pen)).astype(np.uint8)
    for top in range(0, size[0], high):
        for left in range(0, size[1], wide):
            for sign in range(signs):
                corner = left + high * (0.25 + 0.5 * sign), top + 0.25 * high
                points = corner + rng.uniform(0, 0.45 * high, (5, 2))
                cv2.polylines(ink, [points.astype(np.int32)], False, 1, pen)
    return ink.astype(np.float32)


Kind = Callable[[Size, int, Rng], Ink]
DRAWN: list[Kind] = [
    dots, sprinkled, comb, maze, snake, checkerboard, rings, tiles, angles, hatching, dashes,
    spiral, text, noise, clouds, giant, crumbs, ruled, joined, table, form,
]  # fmt: skip
KINDS: dict[str, Kind] = {kind.__name__: kind for kind in DRAWN}


def hostile(kind: str, megapixels: float, seed: int) -> Hostile:
    """A hostile picture; deterministic for its arguments."""
    rng = np.random.default_rng([seed, list(KINDS).index(kind), round(megapixels * 1000)])
    long = np.sqrt(megapixels * 1e6) * rng.choice([1, 1, 1, 2, 8])
    size = max(1, round(megapixels * 1e6 / long)), max(1, round(long))
    grain = round(np.exp(rng.uniform(np.log(FINEST), np.log(COARSEST))))
    ink = KINDS[kind](size, grain, rng)
    if rng.integers(2):
        ink = np.ascontiguousarray(ink.T)
    lit = bool(rng.integers(2))
    light = shaded(ink.shape, rng) if lit else 240.0
    page = light * (1 - 0.9 * ink)
    if lit:
        page += rng.normal(0, 3, ink.shape).astype(np.float32)
    pixels = np.clip(page, 0, 255).astype(np.uint8)
    name = f"{kind} seed {seed}, grain {grain}, {ink.shape[1]}x{ink.shape[0]}{', lit' * lit}"
    return Hostile(name, pixels if rng.integers(4) else 255 - pixels)


def shaded(size: Size, rng: Rng) -> Ink:
    """Light from a lamp at one side."""
    y, x = (axis / side for axis, side in zip(grid(size), size, strict=True))
    down, across = rng.uniform(-60, 60, 2)
    return np.asarray(190 + down * (y - 0.5) + across * (x - 0.5), np.float32)


def photograph(rng: Rng) -> bytes:
    """A JPEG of a few written digits on lit paper, as taken by a phone."""
    ink = np.zeros(PHOTOGRAPH, np.uint8)
    for i, digit in enumerate("30572"):
        place = 500 + 620 * i, 1700 + int(rng.integers(-60, 60))
        cv2.putText(ink, digit, place, cv2.FONT_HERSHEY_SIMPLEX, 16, 255, 36, cv2.LINE_AA)
    share = cv2.GaussianBlur(ink, (0, 0), 2).astype(np.float32)[..., None] / 255
    paper = shaded(PHOTOGRAPH, rng)[..., None] * np.array([1, 0.98, 0.93], np.float32)
    pixels = paper * (1 - share) + share * np.array([40, 45, 110], np.float32)
    pixels += rng.normal(0, 4, pixels.shape).astype(np.float32)
    file = io.BytesIO()
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(file, "JPEG", quality=90)
    return file.getvalue()
