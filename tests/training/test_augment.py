"""Augmentation against Pillow, which the original pipeline used."""

import itertools
import math

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Generator, Tensor

from cnn_mnist.training import recipes
from cnn_mnist.training.augment import sampling
from cnn_mnist.training.augment.sampling import uniform
from cnn_mnist.training.augment.transforms import (
    affine,
    augment,
    crop_and_resize,
    normalize,
    rotate,
)
from cnn_mnist.training.data import Split, Splits


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def same_draws(images: Tensor, *ranges: float) -> list[list[float]]:
    """The numbers that a function drawing uniformly in ±each range takes from seeded()."""
    generator = seeded()
    return [uniform(images, generator, -limit, limit).tolist() for limit in ranges]


def framed(images: Tensor) -> Tensor:
    """The images with black edges, so that nothing depends on what lies beyond the frame."""
    images = images.clone()
    images[:, :7] = images[:, -7:] = images[:, :, :7] = images[:, :, -7:] = 0
    return images


def test_streams_of_random_numbers_differ_by_seed_epoch_and_stream() -> None:
    def draw(*numbers: int) -> float:
        return float(torch.rand(1, generator=sampling.seeded(torch.device("cpu"), *numbers)))

    draws = [draw(*key) for key in itertools.product(range(3), repeat=3)]
    assert len(set(draws)) == 27
    assert draw(1, 2, 0) == draw(1, 2, 0)


def test_rotation_is_pillows(blank: Split) -> None:
    angles = same_draws(blank.images, 15)[0]
    expected = np.stack(
        [
            np.asarray(Image.fromarray(image).rotate(angle, Image.Resampling.NEAREST))
            for image, angle in zip(blank.images.numpy(), angles, strict=True)
        ]
    )
    got = rotate(blank.images, seeded(), 15)
    assert got.dtype == torch.uint8
    # Pillow counts in 16.16 fixed point: where a point falls on a pixel's edge it may differ.
    assert (got.numpy() != expected).mean() < 1e-3


def test_rotation_is_counter_clockwise() -> None:
    images = torch.zeros(100, 28, 28, dtype=torch.uint8)
    images[:, 3:6, 13:15] = 255  # above the centre
    angles = torch.tensor(same_draws(images, 15)[0])
    ink = rotate(images, seeded(), 15).float().sum(dim=1)
    column = (ink * torch.arange(28)).sum(dim=1) / ink.sum(dim=1)
    assert (column[angles > 5] < 13.2).all()
    assert (column[angles < -5] > 13.8).all()


def test_every_angle_up_to_the_limit_comes_up(blank: Split) -> None:
    angles = torch.tensor(same_draws(blank.images, 15)[0])
    assert angles.abs().max() <= 15
    assert angles.max() > 14
    assert angles.min() < -14


def test_the_enlarged_centre_is_pillows(blank: Split) -> None:
    expected = np.stack(
        [
            np.asarray(
                Image.fromarray(image)
                .crop((3, 3, 25, 25))
                .resize((28, 28), Image.Resampling.BILINEAR)
            )
            for image in blank.images.numpy()
        ]
    )
    got = crop_and_resize(blank.images, seeded(), p=1.0)
    assert got.dtype == torch.uint8
    assert np.abs(got.numpy().astype(int) - expected.astype(int)).max() <= 1


@pytest.mark.parametrize("p", [0.0, 0.1, 1.0])
def test_an_image_is_enlarged_with_probability_p_or_left_alone(p: float, blank: Split) -> None:
    images = blank.images.repeat(40, 1, 1)  # 10,000
    changed = (crop_and_resize(images, seeded(), p) != images).flatten(1).any(dim=1)
    spread = math.sqrt(p * (1 - p) / len(images))
    assert abs(float(changed.double().mean()) - p) <= 4 * spread


def test_the_affine_map_is_pillows(blank: Split) -> None:
    images = framed(blank.images).float()
    limits = {"rotation": 15.0, "scale": 0.15, "shear": 0.15, "shift": 2.0}
    draws = zip(*same_draws(images, *limits.values(), limits["shift"]), strict=True)
    expected = []
    for image, (angle, scale, shear, dx, dy) in zip(images.numpy(), draws, strict=True):
        matrix = centred(turned(angle) @ sheared(shear) @ scaled(math.exp(-scale)), dx, dy)
        picture = Image.fromarray(image)
        coefficients = tuple(matrix[:2].ravel())
        kind, filter_ = Image.Transform.AFFINE, Image.Resampling.BILINEAR
        expected.append(np.asarray(picture.transform((28, 28), kind, coefficients, filter_)))
    got = affine(images, seeded(), **limits)
    assert got.dtype == torch.float32
    assert np.abs(got.numpy() - np.stack(expected)).max() < 0.1  # of 255


def turned(degrees: float) -> np.ndarray:
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])


def sheared(slant: float) -> np.ndarray:
    return np.array([[1, slant, 0], [0, 1, 0], [0, 0, 1]])


def scaled(factor: float) -> np.ndarray:
    return np.diag([factor, factor, 1])


def moved(dx: float, dy: float) -> np.ndarray:
    return np.array([[1, 0, dx], [0, 1, dy], [0, 0, 1]])


def centred(matrix: np.ndarray, dx: float, dy: float) -> np.ndarray:
    """Output pixel → input pixel, about the image's centre, then shifted."""
    return np.asarray(moved(14 + dx, 14 + dy) @ matrix @ moved(-14, -14))


@pytest.mark.parametrize("threads", [1, 3])
def test_the_affine_map_in_c_is_that_of_torch(blank: Split, threads: int) -> None:
    torch.set_num_threads(threads)
    limits = {"rotation": 40.0, "scale": 0.4, "shear": 0.4, "shift": 9.0}  # far out of the frame
    images = torch.randint(0, 256, blank.images.shape, dtype=torch.uint8, generator=seeded(1))
    plain = affine(images.float(), seeded(), **limits)
    torch.testing.assert_close(affine(images, seeded(), **limits), plain, rtol=0, atol=0.05)


def test_an_affine_map_of_nothing_leaves_images_alone(blank: Split) -> None:
    got = affine(blank.images, seeded(), 0, 0, 0, 0)
    assert torch.allclose(got, blank.images.float(), atol=1e-2)


@pytest.mark.parametrize("name", ["reference", "default"])
def test_each_image_of_a_batch_draws_its_own_numbers(name: str, digits: Splits) -> None:
    images = digits.train.images[:1].repeat(16, 1, 1)
    seen = augment(images, seeded(), recipes.get(name))
    assert len(seen.flatten(1).unique(dim=0)) > 12


@pytest.mark.parametrize("name", ["reference", "default"])
def test_the_generator_alone_decides(name: str, blank: Split) -> None:
    recipe = recipes.get(name)
    state = torch.get_rng_state()
    first = augment(blank.images, seeded(1), recipe)
    torch.rand(5)
    torch.set_rng_state(state)
    assert torch.equal(augment(blank.images, seeded(1), recipe), first)
    assert not torch.equal(augment(blank.images, seeded(2), recipe), first)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("name", ["reference", "default"])
def test_the_images_given_stay_as_they_were(name: str, blank: Split) -> None:
    before = blank.images.clone()
    seen = augment(blank.images, seeded(), recipes.get(name))
    assert torch.equal(blank.images, before)
    assert seen.shape == before.shape
    assert seen.min() >= 0
    assert seen.max() <= 255


def test_no_augmentation_is_no_change(blank: Split) -> None:
    recipe = recipes.DEFAULT.changed(augment="none")
    assert augment(blank.images, seeded(), recipe) is blank.images


def test_normalizing_is_plain_arithmetic(blank: Split) -> None:
    got = normalize(blank.images, 0.1307, 0.3081)
    expected = (blank.images.numpy()[:, None] / 255 - 0.1307) / 0.3081
    assert got.shape == (250, 1, 28, 28)
    assert got.dtype == torch.float32
    np.testing.assert_allclose(got.numpy(), expected, atol=1e-6)
