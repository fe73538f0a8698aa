"""The loss of the line network: for the string, and for the places of its signs."""

import torch
import torch.nn.functional as F
from torch import Tensor

from cnn_mnist.training.lines.network import BLANK
from cnn_mnist.training.lines.stream import IGNORED, Batch

PLACE, BOX = 0.5, 1.0  # weights, relative to CTC


def line_loss(logits: Tensor, boxes: Tensor, batch: Batch) -> Tensor:
    """Mean loss per line: CTC, plus cross-entropy and box error at the middles of signs.

    The second part teaches places, and makes the start of training much faster.
    """
    log_probs = logits.log_softmax(dim=1)
    ctc = F.ctc_loss(
        log_probs.permute(2, 0, 1),
        batch.targets,
        batch.num_columns,
        batch.num_targets,
        BLANK,
        reduction="sum",
        zero_infinity=True,
    ) / len(logits)
    place = F.nll_loss(log_probs, batch.middles, ignore_index=IGNORED, reduction="sum")
    known = (batch.middles > BLANK).unsqueeze(1)
    off = ((boxes - batch.boxes).abs() * known).sum()
    return ctc + (PLACE * place + BOX * off) / len(logits)


@torch.no_grad()
def greedy(logits: Tensor, num_columns: Tensor) -> list[list[int]]:
    """The classes of each line by best-path decoding: repeats merged, blanks removed."""
    best = logits.argmax(dim=1)
    strings = []
    for path, columns in zip(best, num_columns, strict=True):
        merged = path[: int(columns)].unique_consecutive()
        strings.append(merged[merged != BLANK].tolist())
    return strings
