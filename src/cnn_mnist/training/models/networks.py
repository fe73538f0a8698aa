"""The networks: their weights and shapes. They know nothing about data or training."""

from collections.abc import Callable
from functools import partial
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cnn_mnist.training.augment.sampling import SIDE
from cnn_mnist.training.models.conv3x3 import Step, convolve, one_by_one, output_side, seen


class Net(nn.Module):
    """The reference design: three 3×3 convolutions and two linear layers.

    It has 24,488 parameters for the ten digits.
    """

    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3)
        self.conv2 = nn.Conv2d(8, 16, 3)
        self.conv3 = nn.Conv2d(16, 24, 3)
        self.fc1 = nn.Linear(384, 50)
        self.fc2 = nn.Linear(50, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Normalised images N×1×28×28 → log-probabilities N×C, which serve as logits.

        With images side by side (see `lay_out`), so are the layers in between.
        """
        return self.head(convolve(images, *self.steps()))

    def head(self, x: Tensor) -> Tensor:
        """The last convolution's output N×24×4×4 → log-probabilities N×C."""
        x = F.relu(self.fc1(one_by_one(x)))  # N×50
        return F.log_softmax(self.fc2(x), dim=1)  # N×C

    def steps(self) -> tuple[Step, ...]:
        """The convolutions, and what follows each."""
        return (
            Step(self.conv1, pool=True),  # N×8×13×13
            Step(self.conv2),  # N×16×11×11
            Step(self.conv3, pool=True),  # N×24×4×4
        )

    @property
    def seen(self) -> int:
        """The first rows, and columns, of an image that the output depends on: 26 of 28."""
        return seen(SIDE, [step.pool for step in self.steps()])


class BatchNormNet(nn.Module):
    """3×3 convolutions without padding, each with batch norm, and one linear layer."""

    def __init__(
        self, channels: tuple[int, ...], pooled: tuple[int, int], num_classes: int = 10
    ) -> None:
        """Build the network with fresh weights.

        Args:
            channels: number of output channels of each convolution.
            pooled: the two convolutions, counted from 0, that a max-pool follows.
            num_classes: number of outputs.
        """
        super().__init__()
        sizes = zip((1, *channels[:-1]), channels, strict=True)
        self.convs = nn.ModuleList(nn.Conv2d(i, o, 3, bias=False) for i, o in sizes)
        self.norms = nn.ModuleList(nn.BatchNorm2d(o) for o in channels)
        self.pools = [index in pooled for index in range(len(channels))]
        side = SIDE
        for pool in self.pools:
            side = output_side(side, pool)
        self.fc = nn.Linear(channels[-1] * side**2, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Normalised images N×1×28×28 → logits N×C."""
        x = images
        for conv, norm, pool in zip(self.convs, self.norms, self.pools, strict=True):
            x = convolve(x, Step(cast(nn.Conv2d, conv), pool, relu=False))
            x = F.relu(norm(x.flatten(3)).view_as(x))
        return cast(Tensor, self.fc(one_by_one(x)))


def _line_net(_: int = 10) -> nn.Module:
    from cnn_mnist.training.lines.network import LineNet  # needs OpenCV

    return LineNet()


# Each takes the number of classes; parameters are given for ten.
MODELS: dict[str, Callable[..., nn.Module]] = {
    "net": Net,
    "bn": partial(BatchNormNet, (8, 16, 24, 32, 36), (1, 3)),  # 23,642 parameters
    "bn-small": partial(BatchNormNet, (8, 12, 16, 16, 12), (1, 3)),  # 7,314 parameters
    "bn-tiny": partial(BatchNormNet, (4, 8, 8, 8, 8), (1, 3)),  # 2,454 parameters
    "bn-wide": partial(BatchNormNet, (32, 48, 64, 96), (1, 3)),  # 112,906; a teacher model
    "lines": _line_net,  # 614,238; it has its own alphabet
}

# With so few channels, our kernels in float32 are faster than torch in bfloat16.
NARROW = {"net", "bn-small", "bn-tiny"}


def count_params(model: nn.Module) -> int:
    """Number of trainable parameters."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


@torch.no_grad()
def layer_outputs(model: nn.Module, side: int = SIDE) -> list[tuple[str, nn.Module, Tensor]]:
    """The name, the module and the output of each layer for one blank 1×side×side image."""
    found: list[tuple[str, nn.Module, Tensor]] = []
    layers = [(n, m) for n, m in model.named_modules() if n and not any(m.children())]
    hooks = [
        layer.register_forward_hook(lambda m, _, out, name=name: found.append((name, m, out)))
        for name, layer in layers
    ]
    model(torch.zeros(1, 1, side, side, device=next(model.parameters()).device))
    for hook in hooks:
        hook.remove()
    return found


def summary(model: nn.Module) -> str:
    """The layer table for one 1×28×28 image: name, kind, output shape (batch as -1), parameters."""
    lines = [f"{'layer':<16} {'output shape':<18} {'parameters':>10}", "-" * 46]
    for name, layer, output in layer_outputs(model):
        title, shape = f"{name} ({type(layer).__name__})", str([-1, *output.shape[1:]])
        lines.append(f"{title:<16} {shape:<18} {count_params(layer):>10,}")
    total = count_params(model)
    lines += ["-" * 46, f"total parameters {total:,}, {total * 4 / 2**20:.2f} MB in float32"]
    return "\n".join(lines)
