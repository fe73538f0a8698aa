"""A photograph of a written line: paper, print, light and camera around the ink.

The surroundings of the digits follow real ones: the edge of a form is ruled and runs off the
picture, security patterns repeat, grain has a size, light comes from one side.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cnn_mnist.inference.recognition.line import OTHER
from cnn_mnist.training.lines.ruling import rule
from cnn_mnist.training.lines.shapes import Digits, Ink
from cnn_mnist.training.lines.style import Style, any_style
from cnn_mnist.training.lines.writing import Line, Mark, lay, moved, write

Random = np.random.Generator
Grey = NDArray[np.uint8]


@dataclass(frozen=True)
class Photograph:
    """A grey picture H×W, dark ink on light paper, and the signs that are to be read."""

    grey: Grey
    marks: tuple[Mark, ...]


@dataclass
class Scene:
    """Paper and ink under construction. 0 = paper, 1 = full ink."""

    ink: Ink  # written and printed
    paper: Ink  # of the paper itself: patterns, grain; also below 0
    height: float  # of a digit in px


def photograph(line: Line, style: Style, digits: Digits, hard: float, rng: Random) -> Photograph:
    """Photograph or scan a line.

    Args:
        hard: 0..1, how often and how strongly the picture is disturbed.
    """
    scene, marks = _framed(line, rng)
    _surround(scene, style, digits, hard, rng)
    rule(scene.ink, scene.height, hard, rng)
    _pattern(scene, hard, rng)
    contrast = rng.uniform(0.5, 0.95) if rng.random() < 0.6 else rng.uniform(0.18, 0.6)
    grey = _lit(scene, contrast, hard, rng)
    grey, marks = _turned(grey, marks, rng)
    return Photograph(_developed(grey, scene.height, contrast, hard, rng), marks)


def _framed(line: Line, rng: Random) -> tuple[Scene, tuple[Mark, ...]]:
    """Add margins: those of a tight crop, of a line of a form, or of a cell."""
    high, wide = line.ink.shape
    unit = line.height
    small = rng.random()
    reach = 0.1 if small < 0.45 else 0.45 if small < 0.85 else 0.9
    above, below = np.maximum(rng.uniform(-0.03, reach, 2), rng.uniform(-0.03, 0.08)) * unit
    left, right = rng.uniform(-0.03, 1.6 * reach, 2) * unit
    if not line.marks:
        above, below, left, right = rng.uniform(0.5, 1.2, 4) * unit
    top, start = round(above), round(left)
    size = max(8, high + top + round(below)), max(8, wide + start + round(right))
    ink = np.zeros(size, np.float32)
    seen = line.ink[max(0, -top) :, max(0, -start) :]
    place = ink[max(0, top) : max(0, top) + len(seen), max(0, start) :]
    seen = seen[: place.shape[0], : place.shape[1]]
    place[: seen.shape[0], : seen.shape[1]] = seen
    return Scene(ink, np.zeros(size, np.float32), unit), moved(line.marks, start, top)


def _surround(scene: Scene, style: Style, digits: Digits, hard: float, rng: Random) -> None:
    """Add what is not to be read: parts of other lines, small print, an erased number."""
    high, wide = scene.ink.shape
    if rng.random() < 0.15 * hard:  # part of the line above or below
        other = write(_some_digits(rng), style, digits, rng).ink
        show = min(round(rng.uniform(0.04, 0.22) * scene.height), high // 6)
        x = rng.integers(0, wide)
        above = rng.random() < 0.5
        lay(scene.ink, other, (x, show - len(other) if above else high - show))
    if rng.random() < 0.07 * hard:  # the label of a field
        label = any_style(rng, printed=1.0)
        label.height = max(5.0, rng.uniform(0.15, 0.3) * scene.height)
        words = OTHER * int(rng.integers(2, 8))
        print_ = write(words, label, digits, rng).ink * rng.uniform(0.3, 1)
        lay(scene.ink, print_, (rng.integers(0, wide), -round(0.2 * len(print_))))
    if rng.random() < 0.06 * hard:  # an erased number
        other = write(_some_digits(rng), style, digits, rng).ink * rng.uniform(0.08, 0.2)
        corner = rng.integers(0, wide), rng.integers(-len(other) // 2, max(1, high // 2))
        lay(scene.ink, cv2.blur(other, (3, 3)), corner)


def _some_digits(rng: Random) -> str:
    return "".join(map(str, rng.integers(0, 10, int(rng.integers(1, 5)))))


def _pattern(scene: Scene, hard: float, rng: Random) -> None:
    """Add a security pattern, a texture of the paper, or grain."""
    kind = rng.random()
    if kind < 0.28 * hard:
        _waves(scene, rng)
    elif kind < 0.45 * hard:
        _woven(scene, rng)
    if rng.random() < 0.5 * hard:
        scene.paper += _grain(scene, rng.uniform(1, 4), rng) * np.float32(rng.uniform(0.01, 0.1))


def _waves(scene: Scene, rng: Random) -> None:
    """Fine curved lines side by side, in one or several directions."""
    x, y = _axes(scene)
    level = rng.uniform(0.08, 0.4)
    for _ in range(int(rng.integers(1, 4))):
        angle = rng.uniform(0, np.pi)
        along, across = _rotated(x, y, angle)
        swing, length = rng.uniform(0.05, 0.6), rng.uniform(0.6, 3)
        bend = swing * np.sin(along * _wave_number(length) + rng.uniform(0, 6.3))
        phase = (across + bend) * _wave_number(rng.uniform(0.1, 0.35))
        line = 0.5 + 0.5 * np.sin(phase + np.float32(rng.uniform(0, 6.3)))
        for _ in range(int(rng.integers(0, 3))):
            line *= line  # finer lines
        scene.paper += np.float32(level) * line


def _woven(scene: Scene, rng: Random) -> None:
    """Threads, or a screen of dots."""
    u, v = _rotated(*_axes(scene), rng.uniform(-0.3, 0.3))
    apart = rng.uniform(0.05, 0.16)
    threads = np.sin(u * _wave_number(apart))
    threads *= np.sin(v * _wave_number(apart * rng.uniform(0.7, 1.4)))
    noise = rng.standard_normal(scene.paper.shape, np.float32) / 2
    scene.paper += np.float32(rng.uniform(0.05, 0.25)) * (threads + noise)


def _axes(scene: Scene) -> tuple[Ink, Ink]:
    """Each column's x and each row's y, in heights of a digit."""
    high, wide = scene.paper.shape
    x, y = np.arange(wide, dtype=np.float32), np.arange(high, dtype=np.float32)
    return x / np.float32(scene.height), y[:, None] / np.float32(scene.height)


def _rotated(x: Ink, y: Ink, angle: float) -> tuple[Ink, Ink]:
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return x * cos + y * sin, y * cos - x * sin


def _wave_number(length: float) -> np.float32:
    return np.float32(2 * np.pi / length)


def _grain(scene: Scene, coarse: float, rng: Random) -> Ink:
    """Normal noise with grains of some px."""
    high, wide = scene.paper.shape
    size = max(2, int(high / coarse)), max(2, int(wide / coarse))
    grains = rng.standard_normal(size, np.float32)
    return cv2.resize(grains, (wide, high), interpolation=cv2.INTER_LINEAR)


def _lit(scene: Scene, contrast: float, hard: float, rng: Random) -> Ink:
    """Grey 0..255 of paper and ink under a light."""
    high, wide = scene.ink.shape
    paper = rng.uniform(150, 255) if rng.random() < 0.75 else rng.uniform(70, 255)
    ink = scene.ink
    if rng.random() < 0.3 * hard:  # a dry pen or a pencil
        rough = np.abs(_grain(scene, rng.uniform(1, 2.5), rng))
        ink = ink * np.clip(1 - rng.uniform(0, 0.5) * rough, 0, 1)
    pattern = np.clip(scene.paper, -0.3, 0.7) * contrast * rng.uniform(0.4, 1)
    grey = paper * (1 - np.maximum(ink * contrast, 0)) * (1 - pattern)
    if rng.random() < 0.5 * hard:
        corners = np.array(rng.uniform(1 - rng.uniform(0.05, 0.5), 1, (2, 2)), np.float32)
        grey = grey * cv2.resize(corners, (wide, high), interpolation=cv2.INTER_LINEAR)
    if rng.random() < 0.08 * hard:  # the edge of a shadow
        angle, edge = rng.uniform(0, 6.3), rng.uniform(0.2, 0.8)
        x, y = np.linspace(-0.5, 0.5, wide), np.linspace(-0.5, 0.5, high)[:, None]
        along = x * np.cos(angle) + y * np.sin(angle) + 0.5 - edge
        shade = rng.uniform(0.2, 0.6) * np.clip(along * rng.uniform(3, 40), 0, 1)
        grey = grey * (1 - shade)
    return np.asarray(grey, np.float32)


def _turned(grey: Ink, marks: tuple[Mark, ...], rng: Random) -> tuple[Ink, tuple[Mark, ...]]:
    """Tilt by a few degrees; the border is replicated."""
    if rng.random() < 0.5:
        return grey, marks
    high, wide = grey.shape
    angle = float(np.clip(rng.normal(0, 1.5), -5, 5)) * min(1.0, 6 * high / wide)
    move = cv2.getRotationMatrix2D((wide / 2, high / 2), angle, 1.0)
    turned = cv2.warpAffine(
        grey, move, (wide, high), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )

    def moved(mark: Mark) -> Mark:
        x0, y0, x1, y1 = mark.box
        x, y = move @ [(x0 + x1) / 2, (y0 + y1) / 2, 1]
        return Mark(mark.character, (x - (x1 - x0) / 2, y - (y1 - y0) / 2,
                                     x + (x1 - x0) / 2, y + (y1 - y0) / 2))  # fmt: skip

    return np.asarray(turned, np.float32), tuple(map(moved, marks))


def _developed(grey: Ink, height: float, contrast: float, hard: float, rng: Random) -> Grey:
    """Blur, low resolution, noise and JPEG, as strong as height and contrast allow."""
    high, wide = grey.shape
    if rng.random() < 0.5:
        spread = rng.uniform(0.3, 0.4 + 0.045 * height * hard)
        grey = cv2.GaussianBlur(grey, (0, 0), min(spread, 2.5))
    if rng.random() < 0.2 * hard:  # a coarse camera
        factor = max(rng.uniform(0.4, 0.9), 16 / high)
        size = max(8, round(wide * factor)), max(8, round(high * factor))
        coarse = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
        grey = cv2.resize(coarse, (wide, high), interpolation=cv2.INTER_LINEAR)
    if rng.random() < 0.6:
        grey = grey + rng.uniform(0.5, 1 + 16 * contrast * hard) * rng.standard_normal(
            grey.shape, np.float32
        )
    picture = np.clip(grey, 0, 255).astype(np.uint8)
    if rng.random() < 0.3:
        quality = int(rng.integers(15, 90))
        _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
        picture = np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), np.uint8)
    return picture
