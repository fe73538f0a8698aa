"""How robust a model is to fifteen corruptions of the MNIST test images, in the style of MNIST-C.

    python benchmarks/corruptions.py                       # the released weights
    python benchmarks/corruptions.py runs/default-1 runs/study-best/seed-*

Based on the descriptions and settings in Mu & Gilmer, MNIST-C (arXiv 1906.02337), with our own
random numbers: the figures are close to those of the published files, but not the same. The last
line is one JSON object.
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from cv2.typing import MatLike
from numpy.typing import NDArray

from cnn_mnist import shelf
from cnn_mnist.training.data import Split, load
from cnn_mnist.training.evaluation import predict_logits
from cnn_mnist.training.metrics import measure
from cnn_mnist.training.runs import checkpoint
from cnn_mnist.training.runs.config import load_config

SIDE = 28
MIDDLE = (SIDE - 1) / 2
Image = MatLike  # 28×28, 0..1
Random = np.random.Generator


def shot_noise(image: Image, rng: Random, photons: float = 3) -> Image:
    """Poisson noise, as if full ink were that many photons."""
    return rng.poisson(image * photons) / photons


def impulse_noise(image: Image, rng: Random, share: float = 0.17) -> Image:
    """Turn a share of the pixels black or white."""
    hit, white = rng.random((2, SIDE, SIDE)) < [[[share]], [[0.5]]]
    return np.where(hit, white, image)


def glass_blur(image: Image, rng: Random, sigma: float = 0.7, rounds: int = 2) -> Image:
    """Swap pixels with neighbours, between two blurs."""
    image = cv2.GaussianBlur(image, (0, 0), sigma)
    pixels = image.tolist()  # ten times faster to iterate over than an array
    for moves in rng.integers(-1, 1, (rounds, SIDE, SIDE, 2)).tolist():
        for y in range(SIDE - 2, 0, -1):
            for x in range(SIDE - 2, 0, -1):
                dy, dx = moves[y][x]
                other = pixels[y + dy][x + dx]
                pixels[y + dy][x + dx], pixels[y][x] = pixels[y][x], other
    return cv2.GaussianBlur(np.array(pixels), (0, 0), sigma)


def motion_blur(image: Image, rng: Random, radius: int = 10, sigma: float = 3) -> Image:
    """Smear to one side, along a direction within 45° of the rows."""
    steps = np.arange(radius + 1)
    weights = np.exp(-(steps**2) / (2 * sigma**2))
    angle = np.radians(rng.uniform(-45, 45))
    smeared = np.zeros_like(image)
    for step, weight in zip(steps, weights / weights.sum(), strict=True):
        moved = np.array([[1, 0, step * np.cos(angle)], [0, 1, step * np.sin(angle)]])
        smeared += weight * cv2.warpAffine(image, moved, (SIDE, SIDE))
    return smeared


def shear(image: Image, rng: Random, angle: float = 0.4) -> Image:
    """Slant by ± that many radians."""
    slope = np.tan(angle) * rng.choice([-1, 1])
    return about_middle(image, np.array([[1, slope], [0, 1]]))


def scale(image: Image, rng: Random, factor: float = 0.7) -> Image:
    """Shrink by that factor."""
    return about_middle(image, np.eye(2) / factor)


def rotate(image: Image, rng: Random, angle: float = 0.6) -> Image:
    """Rotate by ± that many radians."""
    angle *= rng.choice([-1, 1])
    cos, sin = np.cos(angle), np.sin(angle)
    return about_middle(image, np.array([[cos, -sin], [sin, cos]]))


def brightness(image: Image, rng: Random, more: float = 0.5) -> Image:
    """Lighten paper and ink by half of the range."""
    return image + more


def translate(image: Image, rng: Random, pixels: int = 3) -> Image:
    """Shift towards one of four corners."""
    dx, dy = pixels * rng.choice([-1, 1], 2)
    return cv2.warpAffine(image, np.array([[1, 0, dx], [0, 1, dy]], float), (SIDE, SIDE))


def stripe(image: Image, rng: Random, width: int = 7) -> Image:
    """Invert the left and the right quarter."""
    image = image.copy()
    image[:, :width] = 1 - image[:, :width]
    image[:, -width:] = 1 - image[:, -width:]
    return image


def fog(image: Image, rng: Random, thickness: float = 2.5, decay: float = 1.5) -> Image:
    """Add a fractal cloud, and darken so that the maximum stays."""
    return (image + thickness * plasma(rng, decay)) / (1 + thickness)


def spatter(image: Image, rng: Random, level: float = 0.65) -> Image:
    """Grey blots of mud."""
    liquid = cv2.GaussianBlur(rng.normal(0.65, 0.3, (SIDE, SIDE)), (0, 0), 1)
    blots = cv2.GaussianBlur((liquid > level).astype(np.float64), (0, 0), 1.5)
    blots[blots < 0.8] = 0
    return image * (1 - blots) + 63 / 255 * blots


def dotted_line(image: Image, rng: Random) -> Image:
    """A line from the left to the right edge, with gaps of two pixels."""
    start, end = rng.integers(0, SIDE - 1, 2)
    dots = line([(0, start), (SIDE - 1, end)])
    dots[:, np.arange(SIDE) // 2 % 2 == 0] = 0
    return image + dots


def zigzag(image: Image, rng: Random, size: float = 2) -> Image:
    """A jagged line across."""
    start = rng.integers(0, SIDE - 1)
    end = start + rng.integers(-5, 5)
    (left, right), angle = (2, 25), np.arctan2(end - start, 23)
    along = np.arange(0, (right - left) / np.cos(angle), 2 * size)
    across = size * np.where(np.arange(along.size) % 2, 1, -1)
    across[0] = 0
    xs = left + along * np.cos(angle) - across * np.sin(angle)
    ys = start + along * np.sin(angle) + across * np.cos(angle)
    return image + line(list(zip(xs, ys, strict=True)))


def canny_edges(image: Image, rng: Random) -> Image:
    """Only the edges of the strokes (Canny), after a blur with sigma 1."""
    smooth = cv2.GaussianBlur(image, (0, 0), 1)
    edges = cv2.Canny(np.asarray(smooth * 255).astype(np.uint8), 0.1 * 255, 0.2 * 255)
    return np.asarray(edges) / 255


CORRUPTIONS: tuple[Callable[[Image, Random], Image], ...] = (
    shot_noise, impulse_noise, glass_blur, motion_blur, shear, scale, rotate, brightness,
    translate, stripe, fog, spatter, dotted_line, zigzag, canny_edges,
)  # fmt: skip


def about_middle(image: Image, source: NDArray[np.float64]) -> Image:
    """Map each pixel from `source` (2×2) times its position relative to the centre."""
    shift = MIDDLE - source @ [MIDDLE, MIDDLE]
    matrix = np.column_stack([source, shift])
    return cv2.warpAffine(
        image, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    )


def line(points: list[tuple[float, float]]) -> Image:
    """White on black, one pixel wide, antialiased."""
    drawn = np.zeros((SIDE, SIDE), np.uint8)
    fixed = np.rint(np.array(points) * 16).astype(np.int32)
    cv2.polylines(drawn, [fixed], False, 255, 1, cv2.LINE_AA, shift=4)
    return drawn.astype(np.float32) / 255


def plasma(rng: Random, decay: float) -> Image:
    """A cloud in 0..1 by the diamond-square rule: random steps, smaller by `decay` each level."""
    field = np.zeros((32, 32))
    step, height = 32, 1.0
    while step >= 2:
        half = step // 2
        corners = field[::step, ::step]
        right, below = np.roll(corners, -1, 1), np.roll(corners, -1, 0)
        both = np.roll(below, -1, 1)
        middles = (corners + right + below + both) / 4
        middles += height * rng.uniform(-1, 1, middles.shape)
        field[half::step, half::step] = middles
        above, left = np.roll(middles, 1, 0), np.roll(middles, 1, 1)
        edges = height * rng.uniform(-1, 1, (2, *middles.shape))
        field[::step, half::step] = (corners + right + middles + above) / 4 + edges[0]
        field[half::step, ::step] = (corners + below + middles + left) / 4 + edges[1]
        step, height = half, height / decay
    field -= field.min()
    return np.asarray(field / field.max())[:SIDE, :SIDE]


def corrupted(
    images: NDArray[np.uint8], corruption: Callable[[Image, Random], Image], seed: int = 0
) -> NDArray[np.uint8]:
    """All images N×28×28 under one corruption; the same arguments give the same images."""
    rng = np.random.default_rng([seed, *corruption.__name__.encode()])
    changed = [corruption(image.astype(np.float32) / 255, rng) for image in images]
    return np.rint(np.clip(changed, 0, 1) * 255).astype(np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="*", default=[shelf.get("reader").folder])
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    test = load("mnist").test
    images = test.images.numpy()
    sets = {"clean": test}
    for corruption in CORRUPTIONS:
        print(f"making {corruption.__name__}", file=sys.stderr)
        made = torch.from_numpy(corrupted(images, corruption, options.seed))
        sets[corruption.__name__] = Split(made, test.labels)

    results = []
    for run in options.runs:
        model, recipe = checkpoint.load_model(run), load_config(run).recipe
        row = {
            name: measure(predict_logits(model, split, recipe.test_norm), split.labels).accuracy
            for name, split in sets.items()
        }
        results.append({"run": run.name, "recipe": recipe.name, **row})
        results[-1]["mean"] = float(np.mean([row[c.__name__] for c in CORRUPTIONS]))
    for name in (*sets, "mean"):
        print(f"{name:15}" + "".join(f"{result[name]:9.2%}" for result in results))
    print(json.dumps({"num_images": len(test), "seed": options.seed, "results": results}))


if __name__ == "__main__":
    main()
