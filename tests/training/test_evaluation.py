"""Evaluation counts every image of the split, and changes no state."""

import pytest
import torch

from cnn_mnist.training.data import Split, Splits
from cnn_mnist.training.evaluation import BATCH_SIZE, evaluate, predict_logits
from cnn_mnist.training.models.networks import Net
from cnn_mnist.training.recipes import NORM


@pytest.mark.parametrize("count", [1, BATCH_SIZE - 1, BATCH_SIZE, BATCH_SIZE + 7])
def test_every_image_is_counted(count: int, digits: Splits) -> None:
    test = digits.train[:count]
    figures = evaluate(Net(), Splits("digits", digits.train, test), NORM)
    assert figures.num_images == count
    assert sum(map(sum, figures.confusion)) == count


def test_the_logits_do_not_depend_on_the_batches(digits: Splits) -> None:
    net = Net()
    whole = predict_logits(net, digits.train, NORM)
    last = predict_logits(net, digits.train[-7:], NORM)
    assert whole.shape == (1437, 10)
    assert torch.allclose(whole[-7:], last, atol=1e-5)


@pytest.mark.parametrize("training", [True, False])
def test_the_model_keeps_its_mode(training: bool, blank: Split) -> None:
    net = Net().train(training)
    predict_logits(net, blank, NORM)
    assert net.training is training


def test_no_random_number_is_drawn_and_no_gradient_kept(blank: Split) -> None:
    state, net = torch.get_rng_state(), Net()
    torch.set_rng_state(state)
    logits = predict_logits(net, blank, NORM)
    assert torch.equal(torch.get_rng_state(), state)
    assert not logits.requires_grad
    assert all(param.grad is None for param in net.parameters())


def test_dropout_is_off(blank: Split) -> None:
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Dropout(0.5), torch.nn.Linear(784, 10))
    first, second = (predict_logits(net.train(), blank, NORM) for _ in range(2))
    assert torch.equal(first, second)


def test_the_norm_is_applied(blank: Split) -> None:
    net = Net()
    plain = predict_logits(net, blank, NORM)
    assert not torch.allclose(plain, predict_logits(net, blank, (0.1407, 0.4081)))


def test_each_split_is_its_own(digits: Splits) -> None:
    many = Split(digits.train.images.repeat(8, 1, 1), digits.train.labels.repeat(8))
    splits = Splits("digits", many, digits.test)
    counts = {name: evaluate(Net(), splits, NORM, name).num_images for name in ("train", "test")}
    assert counts == {"train": 8 * 1437, "test": 360}
    net = Net()
    held_out = splits.hold_out()
    assert evaluate(net, splits, NORM, "val") == evaluate(net, held_out, NORM, "test")


def test_an_unknown_split_is_an_error(digits: Splits) -> None:
    with pytest.raises(ValueError, match=r"no split 'vaal'.*test, train, val"):
        evaluate(Net(), digits, NORM, "vaal")


def test_wrong_labels_of_the_test_split_are_left_out_once(digits: Splits) -> None:
    test = Split(digits.test.images, digits.test.labels, wrong_labels=(0, 1, 2))
    figures = evaluate(Net(), Splits("mnist", digits.train, test), NORM)
    assert figures.clean_label_accuracy is not None
    assert (
        evaluate(Net(), Splits("mnist", digits.train, test), NORM, "train").clean_label_accuracy
        is None
    )
