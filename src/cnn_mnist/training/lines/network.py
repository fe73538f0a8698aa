"""The line network: a grey line of any width → for every second column, the sign written there.

Convolutions reduce the height step by step; dilated convolutions then look at the digits to either
side. Connectionist temporal classification (Graves et al., ICML 2006) turns columns into a string.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cnn_mnist.inference.recognition.line import ALPHABET

BLANK = 0  # class of a column without the middle of a sign; the alphabet follows
NUM_CLASSES = 1 + len(ALPHABET)
ALONG = ((1, 1), (2, 1), (4, 1), (16, 20), (32, 20), (8, 1))  # dilation and groups


class LineNet(nn.Module):
    """Five 3×3 convolutions, one over the whole height, and six along the line.

    The two widest are grouped: a tenth of the parameters, for a view of some five digits to either
    side, which tells a word from a number.
    """

    def __init__(self) -> None:
        super().__init__()
        channels, width = (16, 32, 64, 96, 128), 160
        sizes = zip((2, *channels[:-1]), channels, strict=True)
        self.convs = nn.ModuleList(nn.Conv2d(i, o, 3, padding=1, bias=False) for i, o in sizes)
        self.norms = nn.ModuleList(nn.BatchNorm2d(o) for o in channels)
        self.close = nn.Conv2d(channels[-1], width, (5, 1), bias=False)
        self.close_norm = nn.BatchNorm2d(width)
        self.along = nn.ModuleList(
            nn.Conv1d(width, width, 3, padding=d, dilation=d, groups=groups, bias=False)
            for d, groups in ALONG
        )
        self.along_norms = nn.ModuleList(nn.BatchNorm1d(width) for _ in self.along)
        self.classes = nn.Conv1d(width, NUM_CLASSES, 1)
        self.box = nn.Conv1d(width, 4, 1)

    def forward(self, lines: Tensor) -> tuple[Tensor, Tensor]:
        """Lines N×2×40×W → logits N×NUM_CLASSES×W/2 and boxes N×4×W/2.

        A column's box is that of the sign whose middle it is: top and bottom, and the distances to
        its left and right edge, as shares of the line's height.
        """
        x = lines
        pools = ((2, 2), (2, 1), (2, 1), None, None)
        for conv, norm, pool in zip(self.convs, self.norms, pools, strict=True):
            x = conv(x)
            if pool:
                x = F.max_pool2d(x, pool)  # before the norm: a fraction of the work
            x = F.relu(norm(x))
        x = F.relu(self.close_norm(self.close(x)))[:, :, 0]  # N×160×W/2
        for conv, norm in zip(self.along, self.along_norms, strict=True):
            x = x + F.relu(norm(conv(x)))
        return self.classes(x), torch.sigmoid(self.box(x))
