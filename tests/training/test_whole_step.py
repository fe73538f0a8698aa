"""One call gives the gradients that autograd gives, with any number of threads."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from cnn_mnist.training.augment.transforms import normalize
from cnn_mnist.training.data import NOT_A_DIGIT
from cnn_mnist.training.kernels import library
from cnn_mnist.training.models import whole_step
from cnn_mnist.training.models.conv3x3 import lay_out
from cnn_mnist.training.models.networks import MODELS, Net

NORM = (0.1307, 0.3081)


@pytest.fixture(autouse=True)
def needs_a_compiler() -> None:
    if library() is None:
        pytest.skip("C compiler: apt install gcc")


def batch(count: int = 64) -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    images = torch.randint(0, 256, (count, 28, 28), dtype=torch.uint8)
    return images, torch.arange(count) % 11 - 1  # some are no digits


def in_one_call(
    net: Net, precision: torch.dtype = torch.float32, smoothing: float = 0.0
) -> tuple[Tensor, Tensor]:
    images, labels = batch()
    grads = torch.full((sum(p.numel() for p in net.parameters()),), torch.nan)
    with torch.autocast("cpu", precision, precision != torch.float32):
        totals = whole_step.gradients(net, images, NORM, labels, 1 / 64, grads, smoothing)
    return totals, grads


def by_autograd(net: Net, smoothing: float = 0.0) -> tuple[Tensor, Tensor]:
    images, labels = batch()
    logits = net(normalize(images, *NORM)).float()
    loss, smoothed = (
        F.cross_entropy(
            logits, labels, reduction="sum", ignore_index=NOT_A_DIGIT, label_smoothing=share
        )
        for share in (0.0, smoothing)
    )
    grads = torch.autograd.grad(smoothed / 64, list(net.parameters()))
    totals = torch.stack([loss.detach(), (logits.argmax(dim=1) == labels).sum()])
    return totals, torch.cat([grad.flatten() for grad in grads])


@pytest.mark.parametrize(("classes", "smoothing"), [(10, 0.0), (11, 0.1), (47, 1.0)])
def test_gradients_and_totals_are_those_of_autograd(classes: int, smoothing: float) -> None:
    torch.manual_seed(1)
    net = Net(classes)
    totals, grads = in_one_call(net, smoothing=smoothing)
    expected_totals, expected = by_autograd(net, smoothing)
    torch.testing.assert_close(totals, expected_totals, rtol=1e-5, atol=0)
    torch.testing.assert_close(grads, expected, rtol=1e-4, atol=1e-6)


def test_bfloat16_is_no_rougher_than_torchs() -> None:
    torch.manual_seed(1)
    net = Net()
    _, expected = by_autograd(net)
    with torch.autocast("cpu", torch.bfloat16):
        _, theirs = by_autograd(net)
    _, ours = in_one_call(net, torch.bfloat16)
    assert 0 < (ours - expected).norm() < 1.1 * (theirs - expected).norm()


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_the_threads_do_not_change_a_bit(precision: torch.dtype) -> None:
    torch.manual_seed(1)
    net, results = Net(), []
    for threads in (1, 2, 5):
        torch.set_num_threads(threads)
        results.append(in_one_call(net, precision))
    torch.set_num_threads(1)
    for result in results[1:]:
        assert all(map(torch.equal, result, results[0]))


def test_only_net_fits_and_only_full_groups_of_images() -> None:
    images, _ = batch()
    assert whole_step.fits(Net(), images, torch.float32)
    assert not whole_step.fits(Net(), images[1:], torch.float32)
    assert not whole_step.fits(MODELS["bn"](), images, torch.float32)
    side_by_side = lay_out(images.float()[:, None], torch.bfloat16).dim() == 5
    assert whole_step.fits(Net(), images, torch.bfloat16) is side_by_side
