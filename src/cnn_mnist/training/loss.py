"""The loss of a batch: of digits, of drawn non-digits, and of what a teacher answers."""

import torch.nn.functional as F
from torch import Tensor

from cnn_mnist.training.data import NOT_A_DIGIT, Split
from cnn_mnist.training.recipes import Recipe


def batch_loss(
    recipe: Recipe, logits: Tensor, batch: Split, smoothing: float
) -> tuple[Tensor, Tensor]:
    """The loss to minimise, and the cross-entropy of the digits, both as sums over the images.

    Args:
        logits: N×C.
        smoothing: share of each label that is spread over all classes.
    """
    cross_entropy = F.cross_entropy(logits, batch.labels, reduction="sum", ignore_index=NOT_A_DIGIT)
    digits, loss = batch.labels != NOT_A_DIGIT, cross_entropy
    if smoothing:
        loss = loss.lerp(uniform_loss(logits[digits]), smoothing)
    if batch.targets is not None:
        targets = batch.targets[digits]
        taught = distillation_loss(logits[digits], targets, recipe.distil_temperature)
        loss = loss.lerp(taught, recipe.distil)
    if recipe.drawn:
        loss = loss + recipe.outlier_weight * uniform_loss(logits[~digits])
    return loss, cross_entropy


def uniform_loss(logits: Tensor) -> Tensor:
    """Sum of M images' losses towards equal probabilities of all classes.

    Non-digits are trained towards them (Hendrycks et al., ICLR 2019), and digits by a share, which
    smooths the labels (Szegedy et al., CVPR 2016).
    """
    return -logits.log_softmax(dim=1).mean(dim=1).sum()


def distillation_loss(logits: Tensor, targets: Tensor, temperature: float) -> Tensor:
    """Sum of the divergences from a teacher's softened outputs, both N×C logits.

    Scaled by temperature², so that gradients stay as large as the labels' (Hinton et al. 2015).
    """
    answers, wanted = (x.div(temperature).log_softmax(dim=1) for x in (logits, targets))
    divergence = F.kl_div(answers, wanted, reduction="sum", log_target=True)
    return divergence * temperature**2
