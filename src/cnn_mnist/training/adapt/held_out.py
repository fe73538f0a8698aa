"""Answers to each of a person's pictures by a model that was not trained on it.

This is a k-fold cross-validation: each fold is held out once, and the others are trained on.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from cnn_mnist.inference.recognition.classifier import Predict, Probs
from cnn_mnist.training.adapt.finetuning import RECIPE, FineTuning
from cnn_mnist.training.adapt.handwriting import MIN_FOR_CROSS_VALIDATION, Handwriting
from cnn_mnist.training.adapt.overruling import Overruling
from cnn_mnist.training.data import NOT_A_DIGIT, Split
from cnn_mnist.training.evaluation import predict_logits
from cnn_mnist.training.runs.model_card import Card

FOLDS = 4
SUSPECT = 0.8  # probability of another digit from which a label is doubted


@dataclass(frozen=True)
class Suspect:
    """A picture whose label may be wrong, and the answer of a model that was not trained on it."""

    path: Path
    label: int
    answer: int
    confidence: float


class Unseen(NamedTuple):
    """For each sample: a model's probabilities, and whether it is misread.

    The model was not trained on that sample.
    """

    probs: Probs
    wrong: NDArray[np.bool_]


def answers(
    writing: Handwriting,
    finetuning: FineTuning,
    overruling: Overruling,
    card: Card,
    on_training: Callable[[int, int], None],
) -> Unseen | None:
    """The answers to each sample by the model not trained on it; None if there are too few samples.

    Args:
        card: the released model's.
        on_training: called with (trainings done, trainings in all).
    """
    if len(writing) < MIN_FOR_CROSS_VALIDATION:
        return None
    found = Unseen(np.zeros((len(writing), 10), np.float32), np.zeros(len(writing), bool))
    for fold in range(FOLDS):
        rows = _rows(writing, fold)
        held, learned = writing.only(rows), writing.without(rows)
        predict = predictor(finetuning.train(learned), card["temperature"])
        found.probs[rows] = held.probs(predict)
        thresholds = overruling.thresholds(learned, predict)
        found.wrong[rows] = held.errors(found.probs[rows], card["threshold"], thresholds)
        on_training(fold + 1, FOLDS + 1)
    return found


def _rows(writing: Handwriting, fold: int) -> NDArray[np.int64]:
    """The rows of a fold, with as many of each digit as in the others (stratified)."""
    order = np.random.default_rng(0).permutation(len(writing))
    order = order[np.argsort(np.array(writing.labels)[order], kind="stable")]
    return np.sort(order[fold::FOLDS])


def predictor(model: nn.Module, temperature: float) -> Predict:
    """The model with its temperature as a function from images to probabilities."""

    def predict(images: NDArray[np.uint8]) -> Probs:
        shown = Split(torch.from_numpy(images), torch.zeros(len(images)))
        logits = predict_logits(model, shown, RECIPE.test_norm)
        return np.asarray((logits / temperature).softmax(dim=1).numpy())

    return predict


def suspects(writing: Handwriting, probs: Probs) -> list[Suspect]:
    """The samples whose labels these probabilities contradict, most confident first."""
    answers, confidences = probs.argmax(axis=1), probs.max(axis=1)
    labels = np.array(writing.labels)
    doubted = (labels != NOT_A_DIGIT) & (answers != labels) & (confidences >= SUSPECT)
    rows = sorted(np.flatnonzero(doubted).tolist(), key=lambda row: -float(confidences[row]))
    return [
        Suspect(writing.paths[r], writing.labels[r], int(answers[r]), float(confidences[r]))
        for r in rows
    ]
