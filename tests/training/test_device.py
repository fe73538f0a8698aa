"""Choosing a device, without trusting what it reports about itself."""

from types import SimpleNamespace

import pytest
import torch

from cnn_mnist.training import device
from cnn_mnist.training.device import DeviceError, choose, memory_checked, precision
from cnn_mnist.training.recipes import DEFAULT, TEACHER

CPU = torch.device("cpu")
needs_no_cuda = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a working GPU here")


@pytest.fixture
def claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU that is reported but does not work."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


def test_the_cpu_is_taken_by_name_without_a_notice() -> None:
    assert choose("cpu") == (CPU, "")


def test_auto_takes_the_first_device_that_works() -> None:
    kind, notice = choose("auto")
    assert kind.type in device.available()
    assert notice == "" or kind.type != device.available()[0]


@needs_no_cuda
def test_a_claimed_device_that_does_not_work_is_passed_over_with_a_notice(claimed: None) -> None:
    chosen, notice = choose("auto")
    assert chosen == CPU
    assert notice.startswith("cuda is skipped: it does not work here (")
    assert "\n" not in notice


@needs_no_cuda
def test_a_claimed_device_asked_for_by_name_is_an_error(claimed: None) -> None:
    with pytest.raises(DeviceError, match=r"^--device cuda cannot be used: .*--device auto$"):
        choose("cuda")


def test_a_device_that_computes_wrongly_is_passed_over(
    claimed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = device._gradient("cpu")
    for factor, is_wrong in ((1.0001, False), (1.05, True), (float("nan"), True)):
        answers = {"cpu": right, "cuda": right * factor}
        monkeypatch.setattr(device, "_gradient", answers.__getitem__)
        chosen, notice = choose("auto")
        assert (chosen.type == "cpu") is is_wrong
        assert ("gradient differs" in notice) is is_wrong


def test_full_memory_is_told_in_one_line() -> None:
    with pytest.raises(MemoryError, match=r"^out of memory; .*--batch-size$"), memory_checked():
        torch.empty(2**50, dtype=torch.uint8)
    with pytest.raises(RuntimeError, match="must match"), memory_checked():
        torch.ones(2) + torch.ones(3)


def test_an_unknown_device_is_an_error() -> None:
    with pytest.raises(DeviceError, match=r"no device 'tpu'.*auto, cpu, cuda, mps"):
        choose("tpu")


def test_the_check_leaves_the_random_numbers_alone() -> None:
    state = torch.get_rng_state()
    assert device.check("cpu") == ""
    assert torch.equal(torch.get_rng_state(), state)


def test_each_process_takes_its_own_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert device._numbered("cuda") == torch.device("cuda", 3)
    assert device._numbered("cpu") == CPU


def test_the_precision_is_float32_where_bfloat16_is_not_wanted_or_not_fast(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wide = TEACHER.changed(mixed_precision=False)
    assert precision(CPU, wide) == torch.float32
    for fast, expected in ((True, torch.bfloat16), (False, torch.float32)):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda fast=fast: fast)
        assert precision(CPU, TEACHER) == expected
    assert precision(torch.device("mps"), TEACHER) == torch.float32


def test_a_narrow_network_has_the_precision_in_which_our_kernels_are_fast(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    slow, fast = (SimpleNamespace(fast_pairs=lambda it=it: it) for it in (0, 1))
    for kernels, expected in (
        *((slow, torch.float32), (fast, torch.bfloat16)),
        (None, torch.bfloat16),
    ):
        monkeypatch.setattr("cnn_mnist.training.kernels.library", lambda it=kernels: it)
        assert precision(CPU, DEFAULT) == expected
