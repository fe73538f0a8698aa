"""Corruptions hide a digit in the documented ways, and leave the rest unchanged."""

from collections.abc import Callable

import pytest
import torch
from torch import Generator, Tensor

from cnn_mnist.training.augment import corrupt
from cnn_mnist.training.augment.corrupt import (
    cloud,
    haze,
    invert_band,
    light,
    line,
    outline,
    stain,
)
from cnn_mnist.training.augment.sampling import seeded
from cnn_mnist.training.data import Splits
from cnn_mnist.training.loop import fit
from cnn_mnist.training.recipes import Recipe

NAMES = ["speckle", "grain", "smear", "jitter", "light"]
NAMES += ["haze", "stain", "invert_band", "line", "outline"]
WAYS: list[Callable[[Tensor, Generator], Tensor]] = [getattr(corrupt, name) for name in NAMES]


@pytest.fixture
def generator() -> Generator:
    return seeded(torch.device("cpu"), 3)


@pytest.fixture
def images(digits: Splits) -> Tensor:
    return digits.train.images[:90].float()


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_every_way_changes_most_images_and_depends_on_the_generator_alone(
    way: Callable[[Tensor, Generator], Tensor], images: Tensor
) -> None:
    results = [way(images.clone(), seeded(torch.device("cpu"), seed)) for seed in (1, 1, 2)]
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])
    assert ((results[0] - images).abs().amax(dim=(1, 2)) > 1).float().mean() > 0.6
    assert results[0].isfinite().all()


# The mean ink, the mean change, and the mean step from a pixel to the next one.
GOLDEN: dict[str, list[float]] = {
    "corrupt": [53.88, 25.113, 14.315],
    "speckle": [50.278, 16.077, 39.136],
    "grain": [39.252, 24.860, 40.977],
    "smear": [39.336, 10.045, 10.406],
    "jitter": [39.305, 11.201, 11.188],
    "light": [107.311, 73.600, 8.412],
    "haze": [92.913, 67.162, 13.213],
    "stain": [50.091, 13.261, 20.090],
    "invert_band": [127.297, 99.524, 19.295],
    "line": [48.749, 9.410, 19.862],
    "outline": [12.546, 38.003, 11.587],
}


@pytest.mark.parametrize("name", GOLDEN)
def test_the_corruptions_stay_as_they_were(name: str, images: Tensor, generator: Generator) -> None:
    """The measured accuracy of a recipe holds for these corruptions, and no others."""
    share = {"share": 0.5} if name == "corrupt" else {}
    result = getattr(corrupt, name)(images, generator, **share)
    figures = [result, (result - images).abs(), result.diff(dim=2).abs()]
    assert [float(figure.mean()) for figure in figures] == pytest.approx(GOLDEN[name], rel=1e-3)


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_a_share_of_the_images_is_corrupted(
    images: Tensor, generator: Generator, share: float
) -> None:
    many = images.repeat(30, 1, 1)
    corrupted = corrupt.corrupt(many, generator, share)
    assert corrupted.min() >= 0
    assert corrupted.max() <= 255.001
    changed = ((corrupted - many).abs().amax(dim=(1, 2)) > 1).float().mean()
    assert changed == pytest.approx(share, abs=0.1)


def test_light_keeps_the_order_of_the_pixels(images: Tensor, generator: Generator) -> None:
    lit = light(images, generator).flatten(1)
    order = images.flatten(1).argsort(dim=1, stable=True)
    assert (lit.gather(1, order).diff(dim=1) >= -1e-3).all()


def test_haze_has_its_share_of_the_cloud(images: Tensor, generator: Generator) -> None:
    hazy = haze(images, generator)
    assert hazy.max() <= 255.001
    assert (hazy.std(dim=(1, 2)) < images.std(dim=(1, 2))).float().mean() > 0.9


def test_a_cloud_is_smooth_and_spans_its_range(images: Tensor, generator: Generator) -> None:
    clouds = cloud(images, generator)
    assert torch.equal(clouds.amin(dim=(1, 2)), torch.zeros(len(images)))
    assert torch.equal(clouds.amax(dim=(1, 2)), torch.ones(len(images)))
    assert clouds.diff(dim=2).abs().mean() < 0.1


def test_a_band_is_either_as_it_was_or_inverted(images: Tensor, generator: Generator) -> None:
    banded = invert_band(images, generator)
    assert torch.where(banded == images, images, 255 - banded).equal(images)


def test_a_line_only_adds_full_ink(images: Tensor, generator: Generator) -> None:
    lined = line(images, generator)
    assert ((lined == images) | (lined == 255)).all()
    assert (lined != images).float().mean() < 0.15


def test_a_stain_is_of_one_grey(images: Tensor, generator: Generator) -> None:
    stained = stain(images, generator)
    for before, after in zip(images, stained, strict=True):
        assert len(after[after != before].unique()) <= 1


def test_blank_paper_has_no_outline(generator: Generator) -> None:
    assert outline(torch.zeros(5, 28, 28), generator).max() == 0


def test_a_recipe_corrupts_what_the_network_sees(digits: Splits, tiny: Recipe) -> None:
    losses = []
    for share in (0.0, 0.8):
        run = fit(tiny.changed(epochs=3, corrupted=share), digits, seed=1)
        losses.append([run.history[-1].train_loss, run.history[-1].test_accuracy])
    assert losses[1][0] > 1.3 * losses[0][0]  # the corrupted ones are harder
    assert losses[1][1] > 0.6
