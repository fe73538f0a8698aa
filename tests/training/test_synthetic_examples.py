"""Drawn digits and non-digits: what is added, in which order, and that labels are right."""

import numpy as np
import pytest
import torch
from scipy.ndimage import center_of_mass, label
from sklearn.svm import SVC

from cnn_mnist.training.data import NOT_A_DIGIT, Split, Splits
from cnn_mnist.training.synthetic.examples import draw_digit, extend, flourish, pair
from cnn_mnist.training.synthetic.glyphs import DIGITS
from cnn_mnist.training.synthetic.nondigits import SYMBOLS, scribble, symbol, zigzag


@pytest.fixture(scope="module")
def train(digits: Splits) -> Split:
    return digits.train


@pytest.fixture(scope="module")
def extended(train: Split) -> Split:
    return extend(train, 200, seed=3)


def test_the_training_images_come_first_then_digits_then_non_digits(
    train: Split, extended: Split
) -> None:
    assert extended.images.shape == (len(train) + 400, 28, 28)
    assert extended.images.dtype == torch.uint8
    assert extended.labels.dtype == torch.int64
    assert torch.equal(extended.images[: len(train)], train.images)
    assert torch.equal(extended.labels[: len(train)], train.labels)
    digits, others = extended.labels[len(train) :].split(200)
    assert digits.unique().tolist() == list(range(10))
    assert (others == NOT_A_DIGIT).all()


def test_the_seed_decides_everything(train: Split, extended: Split) -> None:
    again, other = extend(train, 200, seed=3), extend(train, 200, seed=4)
    assert torch.equal(again.images, extended.images)
    assert torch.equal(again.labels, extended.labels)
    assert not torch.equal(other.images, extended.images)


def test_what_is_drawn_stands_in_mnists_frame(train: Split, extended: Split) -> None:
    drawn = extended.images[len(train) + 100 :].numpy()
    for image in drawn:
        rows, columns = (np.flatnonzero(image.any(axis=axis)) for axis in (1, 0))
        assert max(np.ptp(rows), np.ptp(columns)) + 1 == pytest.approx(20, abs=1)
        assert center_of_mass(image) == pytest.approx((14, 14), abs=0.55)


def test_a_stranger_recognises_the_drawn_digits(train: Split) -> None:
    """A support vector machine trained on real handwriting only agrees far above chance."""
    judge = SVC().fit(train.images.flatten(1).numpy() / 255, train.labels.numpy())
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(10), 30)
    images = np.stack([draw_digit(int(digit), rng) for digit in labels])
    answers = judge.predict(images.reshape(len(images), -1) / 255)
    for digit in range(10):
        right = (answers[labels == digit] == digit).mean()
        assert right > 3 * (answers[labels != digit] == digit).mean()
    assert (answers == labels).mean() > 0.5


@pytest.mark.parametrize("digit", [0, 1, 7])
def test_a_flourish_only_adds_ink(train: Split, digit: int) -> None:
    rng = np.random.default_rng(digit)
    for image in train.images[train.labels == digit][:30].numpy():
        flourished = flourish(image, digit, rng)
        assert (flourished >= image).all()
        assert (flourished > image).sum() >= 3
        pieces, pieces_before = (label(i > 0, np.ones((3, 3)))[1] for i in (flourished, image))
        assert pieces <= pieces_before, "the flourish touches the digit"


def test_a_pair_holds_both_digits_in_one_frame(train: Split) -> None:
    rng = np.random.default_rng(0)
    left, right = train.images[:2].numpy()
    image = pair(left, right, rng)
    assert image.shape == (28, 28)
    assert np.ptp(np.flatnonzero(image.any(axis=0))) + 1 == 20
    assert np.ptp(np.flatnonzero(image.any(axis=1))) + 1 < 20


def test_every_form_of_every_glyph_has_ink_and_a_sane_size() -> None:
    rng = np.random.default_rng(0)
    makers = [*DIGITS, symbol, scribble, zigzag]
    glyphs = [make(rng) for make in makers for _ in range(100)] + list(SYMBOLS.values())
    for glyph in glyphs:
        points = np.concatenate([np.array(stroke) for stroke in glyph])
        assert all(len(stroke) >= 2 for stroke in glyph)
        assert np.isfinite(points).all()
        assert -6 < points.min() < points.max() < 16
