"""The training loop: schedule, order, averaged weights, and what must not affect them."""

import copy
import itertools
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import OneCycleLR, StepLR

from cnn_mnist.training import distributed, loop
from cnn_mnist.training.augment.sampling import seeded
from cnn_mnist.training.augment.transforms import normalize
from cnn_mnist.training.data import Split, Splits
from cnn_mnist.training.loop import (
    DivergedError,
    Run,
    average,
    compute_gradients,
    fit,
    start,
    train_epoch,
    train_step,
)
from cnn_mnist.training.models import whole_step
from cnn_mnist.training.recipes import DEFAULT, REFERENCE, Recipe
from cnn_mnist.training.schedule import label_smoothing, learning_rate
from weights import same


def numbered(count: int) -> Splits:
    """Images that store their index in their first pixels."""
    images = torch.zeros(count, 28, 28, dtype=torch.uint8)
    images[:, 0, 0], images[:, 0, 1] = torch.arange(count) // 256, torch.arange(count) % 256
    split = Split(images, torch.arange(count) % 10)
    return Splits("digits", split, split[:10])


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """The numbers of the images of each step from now on."""
    steps: list[list[int]] = []

    def watched(images: Tensor, *arguments: object) -> Tensor:
        steps.append((images[:, 0, 0].int() * 256 + images[:, 0, 1].int()).tolist())
        return images

    monkeypatch.setattr(loop, "augment", watched)
    return steps


# --- the schedule ---


def torch_rates(scheduler: torch.optim.lr_scheduler.LRScheduler, count: int) -> list[float]:
    rates = []
    for _ in range(count):
        rates.append(float(scheduler.get_last_lr()[0]))
        scheduler.optimizer.step()
        scheduler.step()
    return rates


@pytest.mark.parametrize("warmup", [0.1, 0.2, 0.5])
@pytest.mark.parametrize("epochs", [1, 3, 10])
def test_one_cycle_is_torchs(warmup: float, epochs: int) -> None:
    recipe, steps = DEFAULT.changed(epochs=epochs, warmup=warmup, lr=0.02), 20
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1)
    scheduler = OneCycleLR(optimizer, 0.02, epochs * steps, pct_start=warmup)
    got = [learning_rate(recipe, step, steps) for step in range(epochs * steps)]
    assert got == pytest.approx([*torch_rates(scheduler, epochs * steps - 1), got[-1]])
    assert got[-1] == pytest.approx(0.02 / 25e4)


def test_the_step_schedule_is_torchs() -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=REFERENCE.lr)
    expected = torch_rates(StepLR(optimizer, 5, 0.1), 12)
    steps = 7
    for epoch, step in itertools.product(range(12), range(steps)):
        assert learning_rate(REFERENCE, epoch * steps + step, steps) == pytest.approx(
            expected[epoch]
        )


@pytest.mark.parametrize("warmup", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("steps", [1, 2, 50])
def test_the_shortest_and_most_lopsided_cycles_stay_within_the_lr(
    warmup: float, steps: int
) -> None:
    recipe = DEFAULT.changed(epochs=1, warmup=warmup)
    rates = [learning_rate(recipe, step, steps) for step in range(steps)]
    assert all(0 < rate <= recipe.lr * (1 + 1e-9) for rate in rates)


def test_each_step_runs_at_its_rate(tiny: Recipe, few_digits: Splits) -> None:
    run, rates = start(tiny), []
    fit(
        tiny,
        few_digits,
        run=run,
        on_step=lambda *_: rates.append(run.optimizer.param_groups[0]["lr"]),
    )
    assert rates == [learning_rate(tiny, step, 3) for step in range(6)]
    assert [row.lr for row in run.history] == [rates[2], rates[5]]


def test_labels_are_smoothed_less_and_less(
    tiny: Recipe, few_digits: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    shares: list[float] = []

    def watched(*arguments: Any) -> Tensor:
        shares.append(arguments[-1])
        return compute_gradients(*arguments)

    monkeypatch.setattr(loop, "compute_gradients", watched)
    recipe = tiny.changed(label_smoothing=0.3)
    fit(recipe, few_digits)
    assert shares == [label_smoothing(recipe, step, 3) for step in range(6)]
    assert shares == pytest.approx([0.3, 0.25, 0.2, 0.15, 0.1, 0.05])


@pytest.mark.parametrize("by_kernels", [True, False])
def test_a_step_on_smoothed_labels_is_torchs(
    by_kernels: bool, digits: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not by_kernels:
        monkeypatch.setattr(whole_step, "fits", lambda *_: False)
    run, batch = start(REFERENCE.changed(augment="none")), digits.train[:64]
    compute_gradients(run, batch, torch.Generator(), 1 / 64, 0.3)
    logits = run.net(normalize(batch.images, *REFERENCE.train_norm))
    loss = nn.functional.cross_entropy(logits, batch.labels, label_smoothing=0.3)
    expected = torch.autograd.grad(loss, list(run.net.parameters()))
    assert run.params.grad is not None
    flat = torch.cat([grad.flatten() for grad in expected])
    torch.testing.assert_close(run.params.grad, flat, rtol=1e-4, atol=1e-6)


# --- the order ---


def test_every_image_is_seen_once_an_epoch_in_another_order(
    tiny: Recipe, seen: list[list[int]]
) -> None:
    fit(tiny, numbered(350))
    assert [len(step) for step in seen] == [100, 100, 100, 50] * 2
    first, second = [*itertools.chain(*seen[:4])], [*itertools.chain(*seen[4:])]
    assert sorted(first) == sorted(second) == list(range(350))
    assert first != second
    assert first != sorted(first)


def test_a_smaller_epoch_sees_that_many_images_and_then_others(
    tiny: Recipe, seen: list[list[int]]
) -> None:
    run = fit(tiny.changed(epoch_size=150), numbered(350))
    assert [len(step) for step in seen] == [100, 50] * 2
    first, second = {*itertools.chain(*seen[:2])}, {*itertools.chain(*seen[2:])}
    assert len(first) == len(second) == 150
    assert first != second
    assert 0 < run.history[0].train_loss < 10  # of those images alone


def test_the_seed_decides_the_order(tiny: Recipe, seen: list[list[int]]) -> None:
    for seed in (0, 0, 1):
        fit(tiny.changed(epochs=1), numbered(100), seed=seed)
    assert seen[0] == seen[1] != seen[2]


def test_every_process_draws_numbers_of_its_own(
    tiny: Recipe, few_digits: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, drawn = start(tiny), []

    def watched(images: Tensor, generator: torch.Generator, _: Recipe) -> Tensor:
        drawn.append(float(torch.rand(1, generator=generator)))
        return images

    monkeypatch.setattr(loop, "augment", watched)
    for rank in range(3):
        monkeypatch.setattr(distributed, "rank", partial(int, rank))
        train_epoch(run, few_digits.train[:100], 1)
    order = float(torch.rand(1, generator=seeded(run.device, run.seed, 1, 0)))
    assert len({*drawn, order}) == 4


# --- one training ---


def test_a_seed_gives_the_same_weights_always_and_leaves_the_global_one_alone() -> None:
    state = torch.get_rng_state()
    one, other = start(DEFAULT, 3), start(DEFAULT, 3)
    assert same(one.net, other.net)
    assert not same(one.net, start(DEFAULT, 4).net)
    assert torch.equal(torch.get_rng_state(), state)


def test_training_twice_gives_the_same_bits(tiny: Recipe, few_digits: Splits) -> None:
    one, other = fit(tiny, few_digits), fit(tiny, few_digits)
    assert same(one.net, other.net)
    assert same(one.model, other.model)
    assert not same(one.net, one.model)


def test_evaluating_never_changes_training(
    tiny: Recipe, few_digits: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = fit(tiny, few_digits)
    row = measured.history[0]
    blind = replace(few_digits, test=few_digits.train[:1])
    monkeypatch.setattr(loop, "evaluate", lambda *_: type("Never", (), {"nll": 0, "accuracy": 0}))
    unmeasured = fit(tiny, blind)
    assert same(measured.net, unmeasured.net)
    assert same(measured.model, unmeasured.model)
    assert (row.train_loss, row.lr) == (unmeasured.history[0].train_loss, row.lr)


def test_a_step_on_a_batch_lowers_its_loss(digits: Splits) -> None:
    run = start(REFERENCE.changed(augment="none", lr=1e-3))
    batch = digits.train[:256]
    losses = [float(train_step(run, batch, torch.Generator(), 1 / 256)[0]) for _ in range(5)]
    assert losses == sorted(losses, reverse=True)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_the_recipe_names_the_optimizer(optimizer: str, digits: Splits) -> None:
    """A step of Muon moves a kernel about equally far in each direction."""
    run = start(DEFAULT.changed(optimizer=optimizer))
    kernel = run.net.get_submodule("conv2").weight
    assert isinstance(kernel, Tensor)
    before = kernel.detach().clone()
    train_step(run, digits.train[:64], torch.Generator().manual_seed(0), 1 / 64)
    moved = torch.linalg.svdvals((kernel.detach() - before).flatten(1))
    assert (float(moved.median() / moved[0]) > 0.6) == (optimizer == "muon")


def test_a_step_reports_sums_over_its_images(blank: Split) -> None:
    run = start(REFERENCE.changed(augment="none"))
    before = copy.deepcopy(run.net)
    total = train_step(run, blank, torch.Generator(), 1 / 250)
    logits = before(normalize(blank.images, *REFERENCE.train_norm))
    loss = nn.functional.cross_entropy(logits, blank.labels).detach() * 250
    right = (logits.argmax(dim=1) == blank.labels).sum()
    assert total.tolist() == pytest.approx([float(loss), float(right)], rel=1e-5)


def test_the_history_has_a_row_an_epoch_and_the_mean_loss_an_image(
    tiny: Recipe, few_digits: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = itertools.cycle([5.0, 8.0])
    monkeypatch.setattr("cnn_mnist.training.loop.time.perf_counter", lambda: next(clock))
    lengths: list[int] = []
    run = fit(tiny, few_digits, lambda run: lengths.append(len(run.history)))
    assert lengths == [1, 2]
    assert [row.epoch for row in run.history] == [1, 2]
    assert 1.5 < run.history[0].train_loss < 2.6  # ln 10 = 2.30 at the start
    assert [row.seconds for row in run.history] == [3.0, 3.0]


GOLDEN: dict[str, list[float]] = {
    "reference": [2.2232, 1.0054, 0.4579],
    "tiny": [1.9933, 0.9679, 0.5787],
}


@pytest.mark.parametrize("name", GOLDEN)
def test_the_first_losses_stay_as_they_were(name: str, tiny: Recipe, digits: Splits) -> None:
    recipe = {"reference": REFERENCE, "tiny": tiny}[name].changed(epochs=3)
    losses = [row.train_loss for row in fit(recipe, digits).history]
    # Another processor adds in another order. If that reverses a near tie in a max-pool, the
    # epochs after it move by a percent or two.
    first, *later = GOLDEN[name]
    assert losses[0] == pytest.approx(first, rel=1e-3)
    assert losses[1:] == pytest.approx(later, rel=5e-2)


def test_four_epochs_reach_the_accuracy_that_they_should(digits: Splits) -> None:
    history = fit(REFERENCE.changed(epochs=4), digits).history
    assert 0.82 < history[-1].test_accuracy < 0.97  # above it, test images were trained on
    assert 0.70 < history[-1].train_accuracy < 0.97


def test_bfloat16_learns_as_float32_does(digits: Splits) -> None:
    recipe = REFERENCE.changed(epochs=2)
    rough, fine = (fit(recipe, digits, precision=p) for p in (torch.bfloat16, torch.float32))
    assert next(rough.net.parameters()).dtype == torch.float32
    assert rough.history[-1].train_loss == pytest.approx(fine.history[-1].train_loss, rel=0.1)
    assert rough.history[-1].train_loss != fine.history[-1].train_loss


# --- the averaged weights ---


def test_averaging_is_the_plain_exponential_mean(tiny: Recipe, few_digits: Splits) -> None:
    run = start(tiny)
    mean = {name: value.clone().double() for name, value in run.net.state_dict().items()}
    step = itertools.count()

    def follow(*_: int) -> None:
        number = next(step)
        decay = min(tiny.ema_decay, (1 + number) / (10 + number))
        for name, value in run.net.state_dict().items():
            mean[name] = decay * mean[name] + (1 - decay) * value.double()

    fit(tiny, few_digits, run=run, on_step=follow)
    assert next(step) == 6
    for name, value in run.model.state_dict().items():
        assert torch.allclose(value.double(), mean[name], atol=1e-6)


def test_the_mean_forgets_its_random_start() -> None:
    run = start(DEFAULT.changed(ema_decay=0.9))
    with torch.no_grad():
        run.params.normal_()
    for step in range(60):
        average(run, step)
    assert run.averaged_params is not None
    assert torch.allclose(run.averaged_params, run.params, atol=1e-4)


def test_without_averaging_the_trained_weights_count() -> None:
    run = start(REFERENCE)
    assert run.averaged is None
    assert run.model is run.net


# --- what goes wrong ---


def test_a_loss_that_is_no_number_stops_the_training(tiny: Recipe, few_digits: Splits) -> None:
    def spoil(run: Run) -> None:
        nn.init.constant_(run.net.get_parameter("fc2.bias"), torch.inf)

    run = start(tiny)
    with pytest.raises(DivergedError, match=r"^the loss became nan in epoch 2 at lr 0\.01.*--lr$"):
        fit(tiny, few_digits, spoil, run=run)
    assert len(run.history) == 1


def test_a_run_is_not_resumed_with_another_recipe(tiny: Recipe, few_digits: Splits) -> None:
    with pytest.raises(ValueError, match=r"^the run's settings differ from the recipe tiny"):
        fit(tiny, few_digits, run=start(tiny.changed(epochs=3)))


def test_a_batch_larger_than_the_data_is_refused(few_digits: Splits) -> None:
    with pytest.raises(ValueError, match="batch_size is 301, but there are only 300"):
        fit(DEFAULT.changed(batch_size=301), few_digits)


def test_a_batch_as_large_as_the_data_is_one_step(few_digits: Splits) -> None:
    steps: list[tuple[int, int]] = []
    recipe = DEFAULT.changed(batch_size=300, epochs=1)
    fit(recipe, few_digits, on_step=lambda *counts: steps.append(counts))
    assert steps == [(1, 1)]


@pytest.mark.parametrize("seed", [-1, 2**63, 10**30, 1.5])
def test_a_seed_out_of_range_is_named(seed: int) -> None:
    with pytest.raises(ValueError, match=r"^seed is "):
        start(DEFAULT, seed)


@pytest.mark.parametrize("seed", [0, 2**63 - 1])
def test_the_smallest_and_largest_seed_train(seed: int, tiny: Recipe, few_digits: Splits) -> None:
    run = start(tiny, seed)
    assert train_epoch(run, few_digits.train, 1)[0] > 0
