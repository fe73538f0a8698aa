"""Our convolutions equal torch's, forward and backward, with any number of threads."""

from collections.abc import Iterator
from ctypes import CDLL
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from cnn_mnist.training import kernels
from cnn_mnist.training.kernels import library
from cnn_mnist.training.models.conv3x3 import Step, convolve, lay_out, one_by_one
from cnn_mnist.training.models.networks import MODELS, BatchNormNet

# Inputs, outputs, side.
SHAPES = [(1, 8, 28), (8, 16, 13), (16, 24, 11), (4, 12, 4), (12, 20, 9), (24, 8, 10)]


@pytest.fixture(autouse=True)
def needs_a_compiler() -> None:
    if library() is None:
        pytest.skip("C compiler: apt install gcc")


def side_by_side(x: Tensor) -> Tensor:
    """N×C×H×W → G×C×H×W×L."""
    laid: Tensor = x.unflatten(0, (-1, lanes()))
    return laid.movedim(1, -1).contiguous()


def kernels_of() -> CDLL:
    kernels = library()
    assert kernels is not None
    return kernels


def lanes() -> int:
    return int(kernels_of().lanes())


def rounded(x: Tensor) -> Tensor:
    """Numbers that bfloat16 holds: products of two are exact, whatever multiplies them."""
    return x.bfloat16().float()


def in_bfloat16(enabled: bool = True) -> torch.autocast:
    return torch.autocast("cpu", torch.bfloat16, enabled)


@pytest.mark.parametrize("bfloat16", [False, True])
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("pool", [False, True])
@pytest.mark.parametrize(("inputs", "outputs", "side"), SHAPES)
def test_outputs_and_gradients_are_those_of_torch(
    inputs: int, outputs: int, side: int, pool: bool, relu: bool, bfloat16: bool
) -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(inputs, outputs, 3)
    layer.weight.data = rounded(layer.weight.data)
    images = rounded(torch.randn(48, inputs, side, side))
    x = images.requires_grad_(inputs > 1)  # the pixels' gradient is never asked for
    ours = side_by_side(images.detach()).requires_grad_(inputs > 1)

    expected = convolve(x, Step(layer, pool, relu))
    grad = rounded(torch.randn_like(expected))
    expected.backward(grad)
    weight, bias = layer.parameters()
    wanted = [weight.grad, bias.grad]
    layer.zero_grad()
    with in_bfloat16(bfloat16):
        out = convolve(ours, Step(layer, pool, relu))
    out.backward(side_by_side(grad))

    torch.testing.assert_close(out, side_by_side(expected), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close([weight.grad, bias.grad], wanted, rtol=1e-4, atol=1e-3)
    if inputs > 1:
        assert x.grad is not None
        torch.testing.assert_close(ours.grad, side_by_side(x.grad), rtol=1e-5, atol=1e-5)


def test_bfloat16_rounds_to_the_nearest_and_of_two_to_the_even_one() -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(4, 4, 3)
    x = torch.randn(lanes(), 4, 3, 3)
    x[0, 0, 0, :2] = torch.tensor([1 + 2**-8, 1 + 3 * 2**-8])  # in the middle of two
    with in_bfloat16():
        out = convolve(side_by_side(x), Step(layer, relu=False))
    weight, bias = layer.parameters()
    expected = nn.functional.conv2d(rounded(x), rounded(weight), bias)
    torch.testing.assert_close(one_by_one(out), expected.flatten(1), rtol=1e-6, atol=1e-6)


def test_torch_computes_layers_that_the_kernels_do_not_fit() -> None:
    torch.manual_seed(0)
    net = BatchNormNet((6, 8, 7, 4, 5), (1, 3))
    images = torch.randn(4 * lanes(), 1, 28, 28)
    torch.testing.assert_close(net(lay_out(images, torch.float32)), net(images))
    layer, colours = nn.Conv2d(3, 4, 3), torch.randn(lanes(), 3, 6, 6)
    with in_bfloat16():
        out, expected = convolve(side_by_side(colours), Step(layer)), layer(colours).relu()
    assert torch.equal(out, expected)


def test_a_pixels_gradient_is_that_of_torch() -> None:
    torch.manual_seed(0)
    images = torch.randn(2 * lanes(), 1, 28, 28)
    layer, grads = nn.Conv2d(1, 8, 3), []
    for x in (images, side_by_side(images)):
        x.requires_grad_()
        one_by_one(convolve(x, Step(layer))).square().sum().backward()
        grads.append(x.grad)
    assert grads[0] is not None
    torch.testing.assert_close(grads[1], side_by_side(grads[0]))


def test_a_chain_is_one_step_after_the_other() -> None:
    torch.manual_seed(0)
    layers = [nn.Conv2d(4, 8, 3), nn.Conv2d(8, 12, 3, bias=False), nn.Conv2d(12, 4, 3)]
    steps = [Step(layers[0], pool=True), Step(layers[1], relu=False), Step(layers[2])]
    x = torch.randn(3, 4, 19, 17, lanes(), requires_grad=True)
    results = []
    for chains in ([steps], [steps[:1], steps[1:]], [[step] for step in steps]):
        y = x
        for chain in chains:
            y = convolve(y, *chain)
        params = [p for layer in layers for p in layer.parameters()]
        results.append([y, *torch.autograd.grad(y.square().sum(), [x, *params])])
    for result in results[1:]:
        assert all(map(torch.equal, result, results[0]))


def test_no_images_have_no_gradient() -> None:
    layer, x = nn.Conv2d(4, 8, 3), torch.empty(0, 4, 6, 6, lanes())
    for _ in range(5):  # memory that another call has left
        layer.zero_grad()
        convolve(side_by_side(torch.randn(lanes(), 4, 6, 6)), Step(layer)).sum().backward()
        layer.zero_grad()
        convolve(x, Step(layer)).sum().backward()
        assert layer.weight.grad is not None
        assert not layer.weight.grad.any()


def test_of_equal_values_the_first_is_the_largest() -> None:
    layer = nn.Conv2d(4, 4, 3)
    x = torch.ones(lanes(), 4, 4, 4).requires_grad_()
    ours = side_by_side(x.detach()).requires_grad_()
    for images in (x, ours):
        convolve(images, Step(layer, pool=True, relu=False)).sum().backward()
    assert x.grad is not None
    assert ours.grad is not None
    torch.testing.assert_close(ours.grad, side_by_side(x.grad))


def test_the_threads_do_not_change_a_bit() -> None:
    torch.manual_seed(0)
    layer, x = nn.Conv2d(8, 16, 3), torch.randn(6, 8, 13, 13, lanes(), requires_grad=True)
    results = []
    for bfloat16 in (False, True):
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            with in_bfloat16(bfloat16):
                out = convolve(x, Step(layer))
            grads = torch.autograd.grad(out.square().sum(), [x, *layer.parameters()])
            results.append([out, *grads])
        torch.set_num_threads(1)
        assert all(map(torch.equal, results[-1], results[-2]))
        assert all(map(torch.equal, results[-1], results[-3]))


@pytest.mark.parametrize("name", sorted(MODELS.keys() - {"lines"}))
def test_a_network_gives_the_same_for_images_side_by_side(name: str) -> None:
    torch.manual_seed(0)
    model, images = MODELS[name](), torch.randn(2 * lanes(), 1, 28, 28)
    laid_out = lay_out(images, torch.float32)
    assert laid_out.dim() == 5
    torch.testing.assert_close(model(laid_out), model(images), rtol=1e-4, atol=1e-4)


def test_images_go_side_by_side_only_where_the_kernels_take_them() -> None:
    images = torch.randn(2 * lanes(), 1, 28, 28)
    assert lay_out(images[1:], torch.float32).dim() == 4
    assert lay_out(images, torch.bfloat16).dim() == (5 if kernels_of().fast_pairs() else 4)
    assert lay_out(images[:, :, :27, :27], torch.float32).dim() == 4
    assert torch.equal(one_by_one(lay_out(images, torch.float32)), images.flatten(1))
    assert lay_out(images[:0], torch.float32).shape == (0, 1, 28, 28, lanes())


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """No kernels are compiled yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    library.cache_clear()
    yield tmp_path
    library.cache_clear()


def test_without_a_compiler_torch_does_the_work(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(empty_cache))
    assert library() is None
    assert lay_out(torch.zeros(32, 1, 28, 28), torch.float32).dim() == 4


def test_without_the_instruction_bfloat16_is_the_same_but_slow(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not kernels_of().fast_pairs():
        pytest.skip("a processor with AVX-512 BF16")
    torch.manual_seed(0)
    layer, x = nn.Conv2d(8, 16, 3), torch.randn(2, 8, 13, 13, lanes(), requires_grad=True)
    results = []
    for has_instruction in (True, False):
        if not has_instruction:
            request.getfixturevalue("empty_cache")
            monkeypatch.setattr(kernels, "COMPILE", (*kernels.COMPILE, "-mno-avx512bf16"))
        with in_bfloat16():
            out = convolve(x, Step(layer))
        results.append([out, *torch.autograd.grad(out.sum(), [x, *layer.parameters()])])
    assert not kernels_of().fast_pairs()
    assert lay_out(torch.zeros(32, 1, 28, 28), torch.bfloat16).dim() == 4
    torch.testing.assert_close(results[1], results[0], rtol=1e-5, atol=1e-4)


def test_the_kernels_are_compiled_once_and_kept_whole(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernels, "COMPILE", (*kernels.COMPILE, "-O0"))  # in a quarter of the time
    times = []
    for _ in range(2):
        assert library() is not None
        library.cache_clear()
        (kept,) = (empty_cache / "cnn-mnist").iterdir()
        times.append(kept.stat().st_mtime_ns)
    assert times[0] == times[1]
