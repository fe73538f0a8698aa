"""The digits for which an adapted classifier overrules the line network.

They are those that the released reader misreads in the person's pictures: the line network, which
was not trained on them, would outvote the classifier, which was. For the others nothing changes.
"""

import numpy as np

from cnn_mnist.inference.recognition.classifier import NEVER, Predict, Thresholds, tta_probs
from cnn_mnist.training.adapt.handwriting import Handwriting
from cnn_mnist.training.data import NOT_A_DIGIT, Split
from cnn_mnist.training.synthetic.examples import extend

LOW = 0.9  # probability below which the classifier never overrules
PASS = 0.998  # share of the drawn non-digits that must stay below the threshold
NUM_DRAWN = 1_000


class Overruling:
    """Finds the probability from which a classifier may overrule the line network."""

    def __init__(self, old: Split) -> None:
        """Draw the non-digits.

        Args:
            old: MNIST images, from which some of the non-digits are made.
        """
        drawn = extend(old, NUM_DRAWN, seed=1)  # not those of the training
        self._others = drawn.images[drawn.labels == NOT_A_DIGIT].numpy()

    def thresholds(self, writing: Handwriting, predict: Predict) -> Thresholds:
        """The threshold of each digit, for a classifier fine-tuned on the handwriting."""
        misread = sorted(set(np.array(writing.labels)[writing.misread()].tolist()) - {NOT_A_DIGIT})
        probs = tta_probs(predict, self._others)
        passing = np.where(np.isin(probs.argmax(axis=1), misread), probs.max(axis=1), 0)
        threshold = max(LOW, float(np.quantile(passing, PASS)))
        return tuple(threshold if digit in misread else NEVER[digit] for digit in range(10))
