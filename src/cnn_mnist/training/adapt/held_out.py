"""Answers to each of a person's pictures by a model that has not learned from it.

A part is held out, and the others are learned from, in turn (cross-fitting).
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from cnn_mnist.inference.recognition.classifier import Probs
from cnn_mnist.training.adapt.hand import LEAST, Hand
from cnn_mnist.training.adapt.lessons import RECIPE, Lessons
from cnn_mnist.training.adapt.overruling import Overruling
from cnn_mnist.training.data import NOT_A_DIGIT, Split
from cnn_mnist.training.evaluation import predict_logits
from cnn_mnist.training.runs.model_card import Card

PARTS = 4
SUSPECT = 0.8  # probability of another digit, at which a label is doubted


@dataclass(frozen=True)
class Suspect:
    """A picture whose label may be wrong, and what a model that has not seen it reads there."""

    path: Path
    label: int
    answer: int
    confidence: float


class Unseen(NamedTuple):
    """For each sample, the probabilities of a model that has not seen it, and if it misreads it."""

    probs: Probs
    wrong: NDArray[np.bool_]


def answers(
    hand: Hand,
    lessons: Lessons,
    overruling: Overruling,
    card: Card,
    on_part: Callable[[int, int], None],
) -> Unseen | None:
    """What models answer to each sample that has been held out from them; None of too few.

    Args:
        card: the released model's.
        on_part: called with (trainings done, trainings in all).
    """
    if len(hand) < LEAST:
        return None
    found = Unseen(np.zeros((len(hand), 10), np.float32), np.zeros(len(hand), bool))
    for part in range(PARTS):
        rows = _rows(hand, part)
        held, learned = hand.only(rows), hand.without(rows)
        ask = asking(lessons.teach(learned.split), card["temperature"])
        found.probs[rows] = held.probs(ask)
        bars = overruling.bars(learned, ask)
        found.wrong[rows] = held.errors(found.probs[rows], card["threshold"], bars)
        on_part(part + 1, PARTS + 1)
    return found


def _rows(hand: Hand, part: int) -> NDArray[np.int64]:
    """The rows of a part, with as many of each digit as in the others."""
    order = np.random.default_rng(0).permutation(len(hand))
    order = order[np.argsort(np.array(hand.labels)[order], kind="stable")]
    return np.sort(order[part::PARTS])


def asking(model: nn.Module, temperature: float) -> Callable[[NDArray[np.uint8]], Probs]:
    """What gives a model's probabilities N×10 of images N×28×28."""

    def ask(images: NDArray[np.uint8]) -> Probs:
        shown = Split(torch.from_numpy(images), torch.zeros(len(images)))
        logits = predict_logits(model, shown, RECIPE.test_norm)
        return np.asarray((logits / temperature).softmax(dim=1).numpy())

    return ask


def suspects(hand: Hand, probs: Probs) -> list[Suspect]:
    """The labels that these probabilities speak against, the clearest first."""
    answers, confidences = probs.argmax(axis=1), probs.max(axis=1)
    labels = np.array(hand.labels)
    doubted = (labels != NOT_A_DIGIT) & (answers != labels) & (confidences >= SUSPECT)
    rows = sorted(np.flatnonzero(doubted).tolist(), key=lambda row: -float(confidences[row]))
    return [
        Suspect(hand.paths[r], hand.labels[r], int(answers[r]), float(confidences[r])) for r in rows
    ]
