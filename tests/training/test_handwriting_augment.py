"""The transforms of kind "handwriting", against SciPy and against plain loops."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Generator, Tensor

from cnn_mnist.training.augment.sampling import uniform
from cnn_mnist.training.augment.transforms import (
    augment,
    blur,
    contrast,
    noise,
    reframe,
    stroke_width,
    warp,
)
from cnn_mnist.training.data import Splits
from cnn_mnist.training.recipes import READER

Transform = Callable[[Tensor, Generator], Tensor]
BINOMIAL = np.outer([1, 2, 1], [1, 2, 1]) / 16
STEPS: list[Transform] = [
    stroke_width,
    warp,
    reframe,
    blur,
    contrast,
    noise,
    lambda images, generator: augment(images, generator, READER),
]


@pytest.fixture(scope="module")
def images(digits: Splits) -> Tensor:
    return digits.train.images[:64]


def seeded(seed: int = 0) -> Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("step", STEPS)
def test_every_step_keeps_shape_and_range_and_follows_its_generator(
    step: Transform, images: Tensor
) -> None:
    before = images.float()
    state = torch.random.get_rng_state()
    first, again = step(before.clone(), seeded()), step(before.clone(), seeded())
    assert first.shape == images.shape
    assert first.dtype == torch.float32
    assert float(first.min()) >= 0
    assert float(first.max()) <= 255.01
    assert torch.equal(first, again)
    assert not torch.equal(first, step(before.clone(), seeded(1)))
    assert torch.equal(torch.random.get_rng_state(), state)


def test_the_plain_share_goes_through_affine_alone(images: Tensor) -> None:
    still = READER.changed(rotation=0.0, scale=0.0, shear=0.0, shift=0.0)
    many, original = images.repeat(16, 1, 1), images.clone()
    varied = augment(many, seeded(), still.changed(plain_p=0.25))
    unchanged = (varied - many).abs().flatten(1).amax(dim=1) < 0.01
    assert float(unchanged.double().mean()) == pytest.approx(0.25, abs=0.04)
    all_plain = augment(images, seeded(), still.changed(plain_p=1.0))
    assert all_plain.numpy() == pytest.approx(images.numpy(), abs=0.01)
    assert torch.equal(images, original)
    assert len(augment(images[:0], seeded(), READER)) == 0


def test_stroke_width_blends_with_scipys_minimum_and_maximum(images: Tensor) -> None:
    got = stroke_width(images.float(), seeded()).numpy()
    shares = uniform(images, seeded(), -0.85, 0.6).tolist()
    for image, share, result in zip(images.double().numpy(), shares, got, strict=True):
        edge = {"size": 3, "mode": "constant", "cval": 0}
        window = ndimage.maximum_filter if share > 0 else ndimage.minimum_filter
        expected = image + abs(share) * (window(image, **edge) - image)
        expected *= 255 / max(expected.max(), 51)
        assert result == pytest.approx(expected, abs=0.01)


def test_blur_blends_with_scipys_binomial_mean(images: Tensor) -> None:
    got = blur(images.float(), seeded()).numpy()
    shares = uniform(images, seeded(), -1, 1).clamp(min=0).tolist()
    for image, share, result in zip(images.double().numpy(), shares, got, strict=True):
        soft = ndimage.convolve(image, BINOMIAL, mode="constant")
        assert result == pytest.approx(image + share * (soft - image), abs=0.01)


def test_contrast_multiplies_and_clips(images: Tensor) -> None:
    gains = uniform(images, seeded(), 0.85, 1.5).view(-1, 1, 1)
    expected = np.minimum(images.numpy() * gains.numpy(), 255)
    assert contrast(images.float(), seeded()).numpy() == pytest.approx(expected, abs=0.01)


def test_noise_has_its_share_and_its_strength() -> None:
    grey = torch.full((4000, 28, 28), 128.0)
    deviations = (noise(grey, seeded()) - grey).flatten(1).std(dim=1)
    assert float((deviations > 0).double().mean()) == pytest.approx(3 / 8, abs=0.03)
    assert float(deviations.max()) == pytest.approx(13, rel=0.1)


def test_warp_without_distortion_is_scipys_affine_map(images: Tensor) -> None:
    smooth = torch.from_numpy(ndimage.gaussian_filter(images.double().numpy(), (0, 1, 1)))
    got = warp(smooth.float(), seeded(), elastic=0).numpy()
    generator = seeded()
    angles, slants, wides, highs = (
        uniform(images, generator, -most, most).double().numpy() for most in (15, 0.25, 0.18, 0.18)
    )
    for row, image in enumerate(smooth.numpy()):
        cos, sin = np.cos(np.radians(angles[row])), np.sin(np.radians(angles[row]))
        turn, slant = np.array([[cos, -sin], [sin, cos]]), np.array([[1, slants[row]], [0, 1]])
        matrix = np.diag(np.exp([wides[row], highs[row]])) @ turn @ slant  # of (x, y)
        matrix = matrix[::-1, ::-1]  # of (row, column)
        offset = 13.5 - matrix @ [13.5, 13.5]
        expected = ndimage.affine_transform(image, matrix, offset, order=1, mode="grid-constant")
        assert got[row] == pytest.approx(expected, abs=0.1)


def test_elastic_moves_ink_smoothly_by_a_pixel_or_so() -> None:
    ramp = torch.arange(28.0).mul(5).expand(500, 28, 28)  # its value tells where it came from
    moved = (warp(ramp, seeded(), 0, 0, 0) - ramp)[:, 6:22, 6:22] / 5
    assert 0.1 < float(moved.std()) < 0.6
    assert float(moved.diff(dim=2).abs().max()) < 1


def test_reframe_restores_mnists_box_and_centre_of_mass(images: Tensor) -> None:
    crisp = (images > 100) * 255.0
    small = warp(crisp, seeded(), 0, 0.3, 0, elastic=0).roll((3, -2), dims=(1, 2))
    for image in reframe(small, seeded(), shift=0, zoom=0).numpy():
        rows, columns = (np.flatnonzero((image > 64).any(axis=axis)) for axis in (1, 0))
        assert max(np.ptp(rows), np.ptp(columns)) + 1 == pytest.approx(20, abs=1.5)
        assert ndimage.center_of_mass(image) == pytest.approx((14, 14), abs=0.5)


def test_reframe_errs_by_its_shift(images: Tensor) -> None:
    many = images[:1].float().repeat(2000, 1, 1)
    framed = reframe(many, seeded(), shift=1.4, zoom=0).numpy()
    centres = np.array([ndimage.center_of_mass(image) for image in framed])
    assert np.abs(centres - 14).max() == pytest.approx(1.4, abs=0.15)
    assert centres.std(axis=0) == pytest.approx(1.4 / np.sqrt(3), rel=0.1)


def test_reframe_measures_clear_ink_and_enlarges_small_digits_by_five_thirds_at_most() -> None:
    images = torch.zeros(3, 28, 28)
    images[1, 5:24, 5:24] = 65  # counts as ink
    images[2, 5:24, 5:24] = 64  # does not
    images[:, 10:19, 10:19] = 255
    framed = reframe(images, seeded(), shift=0, zoom=0)
    sides = (framed > 160).sum(dim=(1, 2)).sqrt()
    assert sides.tolist() == pytest.approx([9 * 20 / 12, 9 * 20 / 19, 9 * 20 / 12], abs=0.6)
