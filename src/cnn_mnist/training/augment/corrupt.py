"""Random corruptions of batches of images: noise, haze, stains, lines, and other occlusions.

Images are float32 N×28×28 with values 0..255, as for the other transforms. Each function corrupts
every image it is given; `corrupt` applies one of them per image.
"""

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from cnn_mnist.training.augment.sampling import SIDE, look_up, pixel_centres, sweep, uniform
from cnn_mnist.training.augment.transforms import affine

OCTAVES = (3, 5, 9, 15, 28)  # cells each way


def corrupt(images: Tensor, generator: Generator, share: float) -> Tensor:
    """Corrupt a share of the images.

    Half of them get a large affine map first; then each gets one of WAYS, or nothing more.
    """
    result = images.float().clone()
    far = uniform(images, generator, 0, 1) < share / 2
    result[far] = affine(result[far], generator, rotation=40.0, scale=0.4, shear=0.45, shift=3.5)
    chosen = far | (uniform(images, generator, share / 2, 1) < share)
    number = (uniform(images, generator, 0, 1) * (len(WAYS) + 1)).long()
    for index, way in enumerate(WAYS):
        mine = chosen & (number == index)
        result[mine] = way(result[mine], generator).clamp(0, 255)
    return result


def speckle(images: Tensor, generator: Generator) -> Tensor:
    """Turn up to a quarter of the pixels black or white."""
    share = uniform(images, generator, 0, 0.25).view(-1, 1, 1)
    return torch.where(
        _like(images, generator) < share, _like(images, generator).round() * 255, images
    )


def grain(images: Tensor, generator: Generator) -> Tensor:
    """Normal noise; on half of the images only on the ink."""
    level = uniform(images, generator, 0, 90).view(-1, 1, 1)
    on_ink = (uniform(images, generator, 0, 1) < 0.5).view(-1, 1, 1)
    level = level * torch.where(on_ink, images.div(255).clamp(min=0).sqrt() * 1.5, 1.0)
    return images + level * torch.randn(images.shape, generator=generator, device=images.device)


def smear(images: Tensor, generator: Generator) -> Tensor:
    """The mean of 11 copies shifted in one direction, or a blur where the shift is zero."""
    angle = uniform(images, generator, 0, 6.2832)
    length = uniform(images, generator, 0, 4).clamp(min=1) - 1  # a third are only blurred
    total = torch.zeros_like(images)
    for step in range(-5, 6):
        total += _moved(images, angle.cos() * length * step / 5, angle.sin() * length * step / 5)
    return _blurred(_blurred(total / 11))


def light(images: Tensor, generator: Generator) -> Tensor:
    """Lighter or darker, with less contrast."""
    gain = uniform(images, generator, 0.3, 1).view(-1, 1, 1)
    return images * gain + uniform(images, generator, 0, 160).view(-1, 1, 1)


def haze(images: Tensor, generator: Generator) -> Tensor:
    """Add a cloud up to three times as strong as the ink."""
    thickness = uniform(images, generator, 0.5, 3).view(-1, 1, 1)
    return (images + thickness * 255 * cloud(images, generator)) / (1 + thickness)


def stain(images: Tensor, generator: Generator) -> Tensor:
    """Add blots of one grey."""
    blots = cloud(images, generator, octaves=(9, 14)) > uniform(images, generator, 0.6, 0.9).view(
        -1, 1, 1
    )
    grey = uniform(images, generator, 0, 255).view(-1, 1, 1)
    return torch.where(blots, grey, images)


def invert_band(images: Tensor, generator: Generator) -> Tensor:
    """Invert one side of a straight edge, or both sides of a band, anywhere and at any slope."""
    place = _along(images, generator)
    edge = uniform(images, generator, 0, 12).view(-1, 1, 1)
    both = (uniform(images, generator, 0, 1) < 0.6).view(-1, 1, 1)
    return torch.where(torch.where(both, place.abs(), place) > edge, 255 - images, images)


def line(images: Tensor, generator: Generator) -> Tensor:
    """Add a bright line across, straight or zigzag, solid or dotted."""
    across, along = _along(images, generator), _along(images, generator)
    period = uniform(images, generator, 4, 12).view(-1, 1, 1)
    swing = uniform(images, generator, -4, 4).clamp(min=0).view(-1, 1, 1)
    teeth = ((along / period).frac().abs() * 2 - 1).abs() * 2 - 1
    gaps = ((along / 4).frac().abs() < 0.5) & (uniform(images, generator, 0, 1) < 0.4).view(
        -1, 1, 1
    )
    width = uniform(images, generator, 0.4, 1.2).view(-1, 1, 1)
    drawn = ((across + swing * teeth).abs() < width) & ~gaps
    return torch.where(drawn, 255.0, images)


def outline(images: Tensor, generator: Generator) -> Tensor:
    """Replace the strokes with their edges."""
    wide = sweep(images, lambda a, b, c: torch.maximum(torch.maximum(a, b), c))
    narrow = sweep(images, lambda a, b, c: torch.minimum(torch.minimum(a, b), c))
    inner = (uniform(images, generator, 0, 1) < 0.5).view(-1, 1, 1)
    edge = torch.where(inner, images - narrow, wide - images)
    sharp = uniform(images, generator, 1, 8).view(-1, 1, 1)
    return ((edge - 100) * sharp + 100).clamp(0, 255)


def jitter(images: Tensor, generator: Generator) -> Tensor:
    """As seen through rough glass: every pixel from a random nearby place, then blurred."""
    reach = uniform(images, generator, 0.5, 2.5).view(-1, 1, 1) * (2 / SIDE)
    x, y = (
        centres.view(SIDE, SIDE) + reach * (_like(images, generator) * 2 - 1)
        for centres in pixel_centres(images.device)[:2]
    )
    return _blurred(look_up(images, torch.stack([x, y], dim=-1)))


WAYS = (speckle, grain, smear, jitter, light, haze, haze, stain, invert_band, line, outline)


def cloud(images: Tensor, generator: Generator, octaves: tuple[int, ...] = OCTAVES) -> Tensor:
    """One pattern per image, from 0 to 1: random numbers on ever finer grids, ever weaker."""
    total, height = torch.zeros_like(images), 1.0
    for cells in octaves:
        size = (len(images), 1, cells, cells)
        numbers = torch.rand(size, generator=generator, device=images.device)
        total += height * F.interpolate(numbers, SIDE, mode="bilinear", align_corners=True)[:, 0]
        height /= 1.5
    low, high = total.amin(dim=(1, 2), keepdim=True), total.amax(dim=(1, 2), keepdim=True)
    return (total - low) / (high - low)


def _blurred(images: Tensor) -> Tensor:
    return sweep(images, lambda a, b, c: (a + 2 * b + c) / 4)


def _like(images: Tensor, generator: Generator) -> Tensor:
    return torch.rand(images.shape, generator=generator, device=images.device)


def _along(images: Tensor, generator: Generator) -> Tensor:
    """Each pixel's distance, in pixels, from a random line near the centre."""
    angle = uniform(images, generator, 0, 6.2832).view(-1, 1, 1)
    centres = torch.arange(SIDE, device=images.device) + 0.5 - SIDE / 2
    offset = uniform(images, generator, -8, 8).view(-1, 1, 1)
    return centres.view(1, -1, 1) * angle.sin() + centres.view(1, 1, -1) * angle.cos() + offset


def _moved(images: Tensor, dx: Tensor, dy: Tensor) -> Tensor:
    """Shift each image by its own number of pixels, bilinear with fill 0."""
    x, y, _ = pixel_centres(images.device)
    place = [x + dx.view(-1, 1) * (2 / SIDE), y + dy.view(-1, 1) * (2 / SIDE)]
    return look_up(images, torch.stack(place, dim=-1).view(-1, SIDE, SIDE, 2))
