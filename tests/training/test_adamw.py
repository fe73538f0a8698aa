"""Our step of AdamW equals torch's."""

import pytest
import torch

from cnn_mnist.training import adamw


def optimizer(values: torch.Tensor) -> torch.optim.AdamW:
    params = torch.nn.Parameter(values.clone())
    params.grad = torch.empty_like(values)
    return torch.optim.AdamW([params], lr=0.02, betas=(0.8, 0.95), weight_decay=0.05, fused=True)


def test_a_step_is_that_of_torch() -> None:
    values = torch.randn(1003, generator=torch.Generator().manual_seed(0))
    ours, theirs = optimizer(values), optimizer(values)
    for seed in range(20):
        for one in (ours, theirs):
            grad = one.param_groups[0]["params"][0].grad
            grad.normal_(generator=torch.Generator().manual_seed(seed))
            one.param_groups[0]["lr"] = 0.02 / (1 + seed)
        adamw.step(ours)
        theirs.step()
    (group,), (expected,) = ours.param_groups, theirs.param_groups
    torch.testing.assert_close(group["params"], expected["params"], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(
        ours.state[group["params"][0]], theirs.state[expected["params"][0]], rtol=1e-5, atol=1e-6
    )


def test_without_kernels_it_is_the_one_of_torch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(adamw, "library", lambda: None)
    ours, theirs = optimizer(torch.ones(8)), optimizer(torch.ones(8))
    for one in (ours, theirs):
        one.param_groups[0]["params"][0].grad.fill_(0.5)
    for _ in range(3):
        adamw.step(ours)
        theirs.step()
    assert torch.equal(ours.param_groups[0]["params"][0], theirs.param_groups[0]["params"][0])
