"""The fifteen corruptions: seeded, within range, each what its name says."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from corruptions import CORRUPTIONS, corrupted, plasma

NAMES = [corruption.__name__ for corruption in CORRUPTIONS]
BY_NAME = dict(zip(NAMES, CORRUPTIONS, strict=True))
Images = NDArray[np.uint8]


@pytest.fixture(scope="module")
def images() -> Images:
    """Twenty rings, some thick and some thin, off the middle."""
    y, x = np.mgrid[:28, :28]
    rings = []
    for index in range(20):
        away = np.hypot(y - 13 - index % 3, x - 14 + index % 2)
        rings.append(255 * np.clip(2 + index % 2 - np.abs(away - 6), 0, 1))
    return np.array(rings).astype(np.uint8)


def test_there_are_fifteen() -> None:
    assert len(set(NAMES)) == 15


@pytest.mark.parametrize("name", NAMES)
def test_a_corruption_is_seeded_and_changes_every_image(name: str, images: Images) -> None:
    made = corrupted(images, BY_NAME[name], seed=3)
    assert made.dtype == np.uint8
    assert made.shape == images.shape
    assert np.array_equal(made, corrupted(images, BY_NAME[name], seed=3))
    assert (made != images).any(axis=(1, 2)).all()


def test_noise_has_the_variance_of_its_law() -> None:
    grey = np.full((200, 28, 28), 128, np.uint8)
    shot = corrupted(grey, BY_NAME["shot_noise"]) / 255
    counts = np.minimum(np.random.default_rng(1).poisson(3 * 128 / 255, 10**6) / 3, 1)
    assert shot.mean() == pytest.approx(counts.mean(), abs=0.01)
    assert shot.var() == pytest.approx(counts.var(), rel=0.03)
    salt = corrupted(grey, BY_NAME["impulse_noise"])
    assert ((salt == 0).mean(), (salt == 255).mean()) == pytest.approx((0.085, 0.085), abs=0.005)


@pytest.mark.parametrize(
    ("name", "matrix"),
    [
        ("rotate", [[np.cos(0.6), np.sin(0.6)], [-np.sin(0.6), np.cos(0.6)]]),
        ("scale", [[1 / 0.7, 0], [0, 1 / 0.7]]),
        ("shear", [[1, 0], [np.tan(0.4), 1]]),
    ],
)
def test_maps_about_the_middle_are_scipys(
    name: str, matrix: list[list[float]], images: Images
) -> None:
    """scipy counts rows first; a mirrored direction is as good."""
    made = corrupted(images, BY_NAME[name])
    for got, image in zip(made, images, strict=True):
        options = []
        for sign in (1, -1):
            turned = np.array(matrix) * np.array([[1, sign], [sign, 1]])
            offset = 13.5 - turned @ [13.5, 13.5]
            options.append(ndimage.affine_transform(image / 255, turned, offset, order=1))
        assert min(np.abs(option * 255 - got).max() for option in options) < 12


def test_translation_moves_by_three_pixels_each_way(images: Images) -> None:
    for got, image in zip(corrupted(images, BY_NAME["translate"]), images, strict=True):
        moves = [(dy, dx) for dy in (-3, 3) for dx in (-3, 3)]
        assert any(np.array_equal(got, np.roll(image, move, (0, 1))) for move in moves)


def test_glass_blur_keeps_the_ink_and_motion_blur_spreads_it(images: Images) -> None:
    for name in ("glass_blur", "motion_blur"):
        made = corrupted(images, BY_NAME[name]).astype(float)
        assert made.sum() == pytest.approx(images.sum(dtype=float), rel=0.02)
        assert (made > 20).sum() > (images > 20).sum()


def test_lines_only_add_and_fog_keeps_the_order_of_what_it_hides(images: Images) -> None:
    for name in ("dotted_line", "zigzag"):
        assert (corrupted(images, BY_NAME[name]) >= images).all()
    foggy = corrupted(images, BY_NAME["fog"])
    blank = corrupted(np.zeros_like(images), BY_NAME["fog"])
    assert (foggy >= blank).all()


def test_a_cloud_fills_its_range_and_is_smooth() -> None:
    clouds = np.array([plasma(np.random.default_rng(seed), 1.5) for seed in range(20)])
    assert clouds.min() >= 0
    assert clouds.max() <= 1
    steps = np.abs(np.diff(clouds, axis=2)).mean()
    assert steps < 0.75 * np.abs(clouds - np.roll(clouds, 1, axis=0)).mean()
