"""The loop's use of images that are not digits; other recipes are unaffected."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from cnn_mnist.training import adamw, loop
from cnn_mnist.training.augment.sampling import seeded
from cnn_mnist.training.augment.transforms import augment, normalize
from cnn_mnist.training.data import NOT_A_DIGIT, Split, Splits
from cnn_mnist.training.loop import average, fit, start
from cnn_mnist.training.models import whole_step
from cnn_mnist.training.models.conv3x3 import lay_out
from cnn_mnist.training.recipes import DEFAULT, READER, REFERENCE, Recipe
from cnn_mnist.training.runs import checkpoint
from cnn_mnist.training.schedule import learning_rate
from cnn_mnist.training.synthetic.examples import extend
from cnn_mnist.training.train import begin, finish, resume
from weights import same

TINY = READER.changed(epochs=2, batch_size=64, drawn=60, distil=0.0, mixed_precision=False)


PLAIN = DEFAULT.changed(optimizer="adamw", label_smoothing=0.0)


@pytest.mark.parametrize("recipe", [REFERENCE, PLAIN])
def test_without_drawn_images_training_is_bit_for_bit_the_plain_loop(
    recipe: Recipe, few_digits: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whole_step, "fits", lambda *_: False)  # it rounds in another order
    monkeypatch.setattr(adamw, "library", lambda: None)  # as does its optimizer
    recipe = recipe.changed(epochs=2, batch_size=64)
    expected, train = start(recipe, seed=1), few_digits.train
    for epoch in (1, 2):
        shuffling, generator = (seeded(expected.device, 1, epoch, stream) for stream in (0, 1))
        order = torch.randperm(300, generator=shuffling)
        for index, rows in enumerate(order.split(64)):
            step = (epoch - 1) * 5 + index
            expected.optimizer.param_groups[0]["lr"] = learning_rate(recipe, step, 5)
            x = normalize(augment(train.images[rows], generator, recipe), *recipe.train_norm)
            logits = expected.net(lay_out(x, torch.float32))
            loss = F.cross_entropy(logits, train.labels[rows], reduction="sum")
            expected.optimizer.zero_grad(set_to_none=False)
            (loss * (1 / len(rows))).backward()
            expected.optimizer.step()
            average(expected, step)
    got = fit(recipe, few_digits, seed=1)
    assert same(got.net, expected.net)
    assert same(got.model, expected.model)


def test_non_digits_move_the_weights_but_count_in_no_figure(few_digits: Splits) -> None:
    images = torch.cat([few_digits.train.images[:40], few_digits.train.images[40:60].flip(1)])
    labels = torch.cat([few_digits.train.labels[:40], torch.full((20,), NOT_A_DIGIT)])
    batch = Split(images, labels)
    recipe = TINY.changed(augment="none")
    rows = []
    for weight in (0.0, 0.5):
        run = start(recipe.changed(outlier_weight=weight))
        rows.append((run, loop.train_step(run, batch, torch.Generator(), 1 / 60)))
    (without, figures), (with_outliers, same_figures) = rows
    assert torch.equal(figures, same_figures)
    assert not same(without.net, with_outliers.net)
    plain = start(recipe)
    logits = plain.net(normalize(images, *recipe.train_norm))
    loss = F.cross_entropy(logits[:40], labels[:40], reduction="sum")
    outliers = F.cross_entropy(logits[40:], torch.full((20, 10), 0.1), reduction="sum")
    ((loss + 0.5 * outliers) / 60).backward()
    assert plain.params.grad is not None
    torch.testing.assert_close(with_outliers.params.grad, plain.params.grad)
    assert float(figures[0]) == pytest.approx(float(loss.detach()))
    assert float(figures[1]) == float((logits[:40].argmax(dim=1) == labels[:40]).sum())


def test_the_training_accuracy_is_that_of_the_digits(
    few_digits: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    one_digit_two_others = Split(few_digits.train.images[:3], torch.tensor([4, -1, -1]))
    monkeypatch.setattr(loop, "train_step", lambda *_: torch.tensor([2.0, 1.0]))
    run = start(TINY)
    assert loop.train_epoch(run, one_digit_two_others, 1) == (2.0, 1.0)


def test_every_seed_trains_on_the_same_extended_split(
    few_digits: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Split] = []

    def watched(run: loop.Run, train: Split, *_: object) -> tuple[float, float]:
        seen.append(train)
        return 0.0, 1.0

    monkeypatch.setattr(loop, "train_epoch", watched)
    fit(TINY, few_digits, seed=8)
    expected = extend(few_digits.train, 60)
    assert all(torch.equal(train.images, expected.images) for train in seen)
    assert len(seen) == 2


def test_resuming_the_reader_is_exact(few_digits: Splits, tmp_path: Path) -> None:
    straight = begin(TINY, few_digits, tmp_path / "straight", seed=2)
    finish(straight, few_digits, tmp_path / "straight")
    first = begin(TINY, few_digits, tmp_path / "parts", seed=2)

    def stop(_: loop.Run) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        finish(first, few_digits, tmp_path / "parts", on_epoch=stop)
    resumed = resume(tmp_path / "parts")
    assert len(resumed.history) == 1
    finish(resumed, few_digits, tmp_path / "parts")
    assert same(straight.model, resumed.model)
    assert [replace(row, seconds=0) for row in straight.history] == [
        replace(row, seconds=0) for row in resumed.history
    ]
    assert same(checkpoint.load_model(tmp_path / "straight"), resumed.model)


def test_the_reader_learns_to_be_unsure_of_non_digits(digits: Splits) -> None:
    recipe = TINY.changed(epochs=4, drawn=400, plain_p=0.8)
    run = fit(recipe, digits)
    extended = extend(digits.train, 200, seed=99)
    unseen = extended.images[-400:]
    with torch.no_grad():
        confidence = run.model(normalize(unseen, *recipe.test_norm)).exp().amax(dim=1)
    digits_confidence, others_confidence = confidence.split(200)
    assert run.history[-1].test_accuracy > 0.8
    assert float(others_confidence.median()) < float(digits_confidence.median()) - 0.2
