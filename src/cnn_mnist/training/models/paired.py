"""The reference network as ONNX Runtime computes it fastest."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cnn_mnist.training.models.conv3x3 import convolve
from cnn_mnist.training.models.networks import Net


class PairedNet(Net):
    """`Net`, with the two columns of each first pool as channels of their own.

    ONNX Runtime computes channels in blocks of 16 where the processor has AVX-512, and pools them
    without reordering if their number is a multiple of 16. The first convolution has 8; as 16 of
    half the width, it takes two thirds of the time, and its pool a third.
    """

    def __init__(self, net: Net) -> None:
        super().__init__(net.fc2.out_features)
        self.load_state_dict(net.state_dict())
        weight, bias = (param.detach() for param in net.conv1.parameters())
        self.conv1 = nn.Conv2d(1, 2 * len(weight), (3, 4), stride=(1, 2))
        columns = torch.cat([F.pad(weight, (0, 1)), F.pad(weight, (1, 0))])
        self.conv1.load_state_dict({"weight": columns, "bias": torch.cat([bias, bias])})

    def forward(self, images: Tensor) -> Tensor:
        """Normalised images N×1×H×W, H and W even → log-probabilities N×C."""
        x = F.max_pool2d(F.relu(self.conv1(images)), (2, 1))
        x = torch.maximum(*x.chunk(2, dim=1))  # N×8×13×13 for images of 28×28
        return self.head(convolve(x, *self.steps()[1:]))


def unpaired(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The state of the network that a `PairedNet` was made from; any other as it is."""
    weight, bias = state.get("conv1.weight"), state.get("conv1.bias")
    if weight is None or bias is None or weight.shape[-1] == 3:
        return state
    count = len(weight) // 2
    return state | {"conv1.weight": weight[:count, ..., :3], "conv1.bias": bias[:count]}
