"""The network is the reference design, layer by layer."""

import pytest
import torch

from cnn_mnist.training.models.networks import MODELS, Net, count_params, summary
from cnn_mnist.training.models.paired import PairedNet, unpaired
from peers.published import PlainNet

LAYERS = {
    "conv1 (Conv2d)": ([-1, 8, 26, 26], 80),
    "conv2 (Conv2d)": ([-1, 16, 11, 11], 1_168),
    "conv3 (Conv2d)": ([-1, 24, 9, 9], 3_480),
    "fc1 (Linear)": ([-1, 50], 19_250),
    "fc2 (Linear)": ([-1, 10], 510),
}


def published(net: Net) -> PlainNet:
    """The design in its own order, with the same weights."""
    plain = PlainNet()
    plain.load_state_dict(net.state_dict())
    return plain


def test_frozen_parameters_are_not_counted() -> None:
    net = Net()
    net.fc2.requires_grad_(False)
    assert count_params(net) == 24_488 - 510


def test_the_summary_is_the_published_table() -> None:
    lines = summary(Net()).splitlines()
    for line, (title, (shape, params)) in zip(lines[2:7], LAYERS.items(), strict=True):
        assert line.startswith(title)
        assert str(shape) in line
        assert line.endswith(f" {params:,}")
    assert "24,488" in lines[-1]
    assert "0.09 MB" in lines[-1]


def test_a_summary_leaves_the_net_without_hooks() -> None:
    net = Net()
    summary(net)
    assert not any(layer._forward_hooks for layer in net.modules())


def test_the_output_depends_on_the_pixels_that_are_seen_and_on_no_others() -> None:
    net, images = Net(), torch.randn(250, 1, 28, 28, requires_grad=True)
    net(images)[:, 0].sum().backward()
    assert images.grad is not None
    used = (images.grad != 0).any(dim=0)[0]
    assert used[: net.seen, : net.seen].all()
    assert used.sum() == net.seen**2


@pytest.mark.parametrize("count", [1, 3, 250])
def test_the_output_is_log_probabilities(count: int) -> None:
    logits = Net()(torch.randn(count, 1, 28, 28))
    assert logits.shape == (count, 10)
    assert torch.allclose(logits.exp().sum(dim=1), torch.ones(count), atol=1e-5)


def test_pooling_first_gives_the_same_as_the_published_order() -> None:
    net, images = Net(), torch.randn(64, 1, 28, 28)
    assert torch.equal(net(images), published(net)(images))


def test_the_gradient_is_that_of_the_published_order() -> None:
    net, images = Net(), torch.randn(64, 1, 28, 28)
    got, expected = (
        torch.autograd.grad(one(images)[:, 3].sum(), list(one.parameters()))
        for one in (net, published(net))
    )
    for ours, theirs in zip(got, expected, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_every_architecture_keeps_the_promised_size() -> None:
    sizes = {name: count_params(build()) for name, build in MODELS.items()}
    nets = {"net": 24_488, "bn": 23_642, "bn-small": 7_314, "bn-tiny": 2_454, "bn-wide": 112_906}
    assert sizes == nets | {"lines": 614_238}


def test_paired_columns_compute_the_same_and_give_the_weights_back() -> None:
    net = Net().eval()
    paired = PairedNet(net)
    images = torch.randn(3, 1, 28, 28)
    torch.testing.assert_close(paired(images), net(images))
    again = unpaired(paired.state_dict())
    assert all(torch.equal(again[name], value) for name, value in net.state_dict().items())
    assert unpaired(again) is again
