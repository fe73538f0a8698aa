"""Random batch transforms: (images, generator) → images, on the images' device.

Images are N×28×28 with values 0..255, uint8 or float32. Every image of a batch draws its own
random numbers, all from the generator passed in.
"""

import math
from ctypes import CDLL

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from cnn_mnist.training.augment.sampling import SIDE, look_up, pixel_centres, sweep, uniform
from cnn_mnist.training.kernels import library
from cnn_mnist.training.recipes import Recipe


def augment(images: Tensor, generator: Generator, recipe: Recipe) -> Tensor:
    """Apply the recipe's augmentation to its training images, before normalisation."""
    if recipe.augment == "reference":
        images = crop_and_resize(images, generator, recipe.crop_p)
        return rotate(images, generator, recipe.rotation)
    if recipe.augment == "affine":
        return affine(images, generator, recipe.rotation, recipe.scale, recipe.shear, recipe.shift)
    if recipe.augment == "handwriting":
        return handwriting(images, generator, recipe)
    return images


def normalize(images: Tensor, mean: float, std: float) -> Tensor:
    """Images N×28×28, 0..255 → the network's input, float32 N×1×28×28."""
    return images.unsqueeze(1).float().mul(1 / (255 * std)).sub_(mean / std)


def crop_and_resize(images: Tensor, generator: Generator, p: float) -> Tensor:
    """With probability p, enlarge an image's central 22×22 to full size (bilinear).

    Same as RandomApply([CenterCrop(22)], p) and Resize(28) on Pillow images.
    """
    chosen = uniform(images, generator, 0, 1) < p
    centre = images[chosen, None, 3:-3, 3:-3].float()
    zoomed = F.interpolate(centre, SIDE, mode="bilinear", align_corners=False)
    images = images.clone()
    images[chosen] = zoomed[:, 0].round().to(images.dtype)
    return images


def rotate(images: Tensor, generator: Generator, degrees: float) -> Tensor:
    """Rotate each image about its centre by a uniform angle in ±degrees, counter-clockwise.

    Nearest neighbour with fill 0: each pixel takes the value of the pixel that its centre falls
    into, as in Pillow's Image.rotate.
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
    size = (5, len(images))
    numbers = torch.rand(size, generator=generator, device=images.device) * 2 - 1
    on_cpu = images.device.type == "cpu" and images.dtype == torch.uint8
    kernels = library() if on_cpu and images.shape[1:] == (SIDE, SIDE) else None
    if kernels:
        return _affine_in_c(kernels, images, numbers, (rotation, scale, shear, shift))

    angle = numbers[0] * (rotation * math.pi / 180)
    zoom = (numbers[1] * scale).exp()
    slant = numbers[2] * shear
    dx, dy = numbers[3:] * (shift * 2 / SIDE)

    # From output coordinates in -1..1 to the input coordinates they show, as grid_sample wants
    # them; one matrix product is 50 times faster here than F.affine_grid.
    cos, sin = angle.cos() / zoom, angle.sin() / zoom
    rows = torch.stack([cos, slant * cos - sin, dx, sin, slant * sin + cos, dy], dim=1)
    grid = (rows.view(-1, 3) @ pixel_centres(images.device)).view(-1, 2, SIDE, SIDE)
    return look_up(images.float(), grid.permute(0, 2, 3, 1))


def _affine_in_c(
    kernels: CDLL, images: Tensor, numbers: Tensor, limits: tuple[float, ...]
) -> Tensor:
    """`affine` with these 5×N numbers in -1..1: kernels/affine.c, in a quarter of the time."""
    images, out = images.contiguous(), torch.empty(images.shape)
    threads = torch.get_num_threads()
    addresses = images.data_ptr(), numbers.data_ptr()
    kernels.affine(*addresses, *limits, out.data_ptr(), len(images), threads)
    return out


def handwriting(images: Tensor, generator: Generator, recipe: Recipe) -> Tensor:
    """Other pens, writers and cameras, as float32; a share plain_p of images only gets `affine`."""
    plain = uniform(images, generator, 0, 1) < recipe.plain_p
    varied = images[~plain].float()
    for step in (stroke_width, warp, reframe, blur, contrast, noise):
        varied = step(varied, generator)
    result = torch.empty(images.shape, device=images.device)
    result[~plain] = varied
    result[plain] = affine(
        images[plain], generator, recipe.rotation, recipe.scale, recipe.shear, recipe.shift
    )
    return result


def stroke_width(images: Tensor, generator: Generator) -> Tensor:
    """Make strokes up to 1.7 px narrower or 1.2 px wider, equally dark.

    A blend with the 3×3 minimum or maximum: the share is uniform in -0.85..0.6.
    """
    share = uniform(images, generator, -0.85, 0.6).view(-1, 1, 1)
    wide = sweep(images, lambda a, b, c: torch.maximum(torch.maximum(a, b), c))
    narrow = sweep(images, lambda a, b, c: torch.minimum(torch.minimum(a, b), c))
    varied = images.lerp(wide, share.clamp(min=0)).lerp(narrow, (-share).clamp(min=0))
    # Minima dim a thin stroke; from a fifth of full ink on, full contrast is restored.
    return varied * (255 / varied.amax(dim=(1, 2), keepdim=True).clamp(min=51))


def warp(
    images: Tensor,
    generator: Generator,
    rotation: float = 15.0,
    scale: float = 0.18,
    shear: float = 0.25,
    elastic: float = 0.54,
) -> Tensor:
    """A random affine map about the centre and a smooth distortion, bilinear with fill 0.

    Args:
        rotation, shear: as `affine`.
        scale: as `affine`, but width and height each have a factor of their own.
        elastic: pixels; an image's 5×5 control points move by this times a normal random number,
            times a uniform one in 0..1 for the whole image.
    """
    angle = uniform(images, generator, -rotation, rotation) * (math.pi / 180)
    slant = uniform(images, generator, -shear, shear)
    wide, high = (uniform(images, generator, -scale, scale).exp() for _ in "xy")
    cos, sin, none = angle.cos(), angle.sin(), torch.zeros_like(angle)
    rows = [wide * cos, wide * (slant * cos - sin), none]
    rows += [high * sin, high * (slant * sin + cos), none]
    grid = torch.stack(rows, dim=1).view(-1, 3) @ pixel_centres(images.device)

    strength = uniform(images, generator, 0, elastic * 2 / SIDE).view(-1, 1, 1, 1)
    size = (len(images), 2, 5, 5)
    moves = torch.randn(size, generator=generator, device=images.device) * strength
    spread = _spread(5, images.device)
    grid = grid.view(-1, 2, SIDE, SIDE) + spread @ moves @ spread.T  # N×2×28×28
    return look_up(images, grid.permute(0, 2, 3, 1))


def _spread(num_points: int, device: torch.device) -> Tensor:
    """28×num_points: cubic weights that interpolate equally spaced values over the side."""
    points = torch.eye(num_points, device=device).view(1, num_points, num_points, 1)
    weights = F.interpolate(points, (SIDE, 1), mode="bicubic", align_corners=True)
    return weights[0, :, :, 0].T


def reframe(images: Tensor, generator: Generator, shift: float = 1.4, zoom: float = 0.07) -> Tensor:
    """Restore MNIST's frame, up to small errors: a box of 20 px, centre of mass on pixel 14.

    Args:
        shift: pixels, each way uniform in ±shift.
        zoom: log of the size factor, uniform in ±zoom.
    """
    pixels = torch.arange(SIDE, device=images.device, dtype=torch.float32)
    total = images.sum(dim=(1, 2)).clamp(min=1e-3)
    centres = [(images.sum(dim=dim) @ pixels) / total for dim in (1, 2)]  # x, y
    spans = [_span((images > 64).any(dim=dim)) for dim in (1, 2)]
    side = torch.maximum(*spans).clamp(min=12)
    step = side / 20 * uniform(images, generator, -zoom, zoom).exp()  # of the source, a pixel
    x, y = (
        (centre + uniform(images, generator, -shift, shift) * step).view(-1, 1)
        + step.view(-1, 1) * (pixels - 14)
        for centre in centres
    )
    x, y = ((source + 0.5) * (2 / SIDE) - 1 for source in (x, y))  # N×28
    columns, rows = x.unsqueeze(1).expand(-1, SIDE, -1), y.unsqueeze(2).expand(-1, -1, SIDE)
    return look_up(images, torch.stack([columns, rows], dim=-1))


def _span(inked: Tensor) -> Tensor:
    """From the first to the last true value of N×28, in pixels."""
    flags = inked.float()  # argmax gives the first of equal values
    return SIDE - flags.flip(1).argmax(dim=1) - flags.argmax(dim=1)


def blur(images: Tensor, generator: Generator) -> Tensor:
    """Blend half of the images, by a uniform share, with their 3×3 binomial mean."""
    share = uniform(images, generator, -1, 1).clamp(min=0).view(-1, 1, 1)
    return images.lerp(sweep(images, lambda a, b, c: (a + 2 * b + c) / 4), share)


def contrast(images: Tensor, generator: Generator) -> Tensor:
    """Multiply each image by a number uniform in 0.85..1.5, clipped at full ink."""
    return (images * uniform(images, generator, 0.85, 1.5).view(-1, 1, 1)).clamp(0, 255)


def noise(images: Tensor, generator: Generator) -> Tensor:
    """Normal noise on three of eight images, with a standard deviation uniform up to 13."""
    level = uniform(images, generator, -5 / 3 * 13.0, 13.0).clamp(min=0).view(-1, 1, 1)
    grain = torch.randn(images.shape, generator=generator, device=images.device)
    return (images + level * grain).clamp(0, 255)
