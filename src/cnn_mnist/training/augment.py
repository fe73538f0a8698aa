"""Random batch transforms: (images, generator) → images, on whatever device the images are.

Images are N×28×28 with values 0..255, uint8 or float32. Each image of a batch draws its own
numbers, from the generator that is passed in and from nothing else.
"""

import math

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from cnn_mnist.training.recipes import Recipe

SIDE = 28


def augment(images: Tensor, generator: Generator, recipe: Recipe) -> Tensor:
    """What the recipe does to its training images, before they are normalised."""
    if recipe.augment == "reference":
        images = crop_and_resize(images, generator, recipe.crop_p)
        return rotate(images, generator, recipe.rotation)
    if recipe.augment == "affine":
        return affine(images, generator, recipe.rotation, recipe.scale, recipe.shear, recipe.shift)
    return images


def normalize(images: Tensor, mean: float, std: float) -> Tensor:
    """Images N×28×28, 0..255 → the network's input, float32 N×1×28×28."""
    return images.unsqueeze(1).float().mul(1 / (255 * std)).sub(mean / std)


def crop_and_resize(images: Tensor, generator: Generator, p: float, side: int = 22) -> Tensor:
    """With probability p, enlarge an image's central side×side to the whole (bilinear).

    As RandomApply([CenterCrop(22)], p) and Resize(28) do on Pillow images.
    """
    chosen = uniform(images, generator, 0, 1) < p
    edge = (SIDE - side) // 2
    centre = images[chosen, None, edge : edge + side, edge : edge + side].float()
    zoomed = F.interpolate(centre, SIDE, mode="bilinear", align_corners=False)
    images = images.clone()
    images[chosen] = zoomed[:, 0].round().to(images.dtype)
    return images


def rotate(images: Tensor, generator: Generator, degrees: float) -> Tensor:
    """Rotate each image about its centre by a uniform angle in ±degrees, counter-clockwise.

    Nearest neighbour with fill 0: each pixel's centre looks up the pixel it falls into, which is
    what Pillow's Image.rotate does.
    """
    angle = uniform(images, generator, -degrees, degrees).deg2rad().view(-1, 1, 1)
    cos, sin = angle.cos(), angle.sin()
    centres = torch.arange(SIDE, device=images.device) + 0.5 - SIDE / 2
    y, x = centres.view(1, -1, 1), centres.view(1, 1, -1)
    column = (cos * x - sin * y + SIDE / 2).floor().long()  # N×28×28
    row = (sin * x + cos * y + SIDE / 2).floor().long()
    inside = (row >= 0) & (row < SIDE) & (column >= 0) & (column < SIDE)
    index = (row * SIDE + column).where(inside, 0).flatten(1)
    rotated = images.flatten(1).gather(1, index).view_as(images)
    return rotated.where(inside, 0)


def affine(
    images: Tensor,
    generator: Generator,
    rotation: float,
    scale: float,
    shear: float,
    shift: float,
) -> Tensor:
    """A random affine map of each image about its centre, bilinear with fill 0, as float32.

    Args:
        rotation: degrees, uniform in ±rotation, counter-clockwise.
        scale: the side's factor is exp(u) with u uniform in ±scale.
        shear: columns moved per row, uniform in ±shear.
        shift: pixels, each way uniform in ±shift.
    """
    angle = uniform(images, generator, -rotation, rotation) * (math.pi / 180)
    zoom = uniform(images, generator, -scale, scale).exp()
    slant = uniform(images, generator, -shear, shear)
    dx = uniform(images, generator, -shift, shift) * (2 / SIDE)
    dy = uniform(images, generator, -shift, shift) * (2 / SIDE)

    # Rows map output coordinates in -1..1 to input coordinates, as grid_sample wants them.
    cos, sin = angle.cos() / zoom, angle.sin() / zoom
    rows = torch.stack([cos, slant * cos - sin, dx, sin, slant * sin + cos, dy], dim=1)
    grid = F.affine_grid(rows.view(-1, 2, 3), [len(images), 1, SIDE, SIDE], align_corners=False)
    moved = F.grid_sample(images.unsqueeze(1).float(), grid, align_corners=False)
    return moved[:, 0]


def uniform(images: Tensor, generator: Generator, low: float, high: float) -> Tensor:
    """One number an image, float32 N, uniform in low..high."""
    numbers = torch.rand(len(images), generator=generator, device=images.device)
    return numbers * (high - low) + low
