"""From a hand to a model that reads it, measured on pictures that it has not learned from.

What is measured and chosen comes from models that a part of the pictures was held out from; the
one that is kept has learned from all.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from cnn_mnist import shelf
from cnn_mnist.inference.recognition.classifier import NEVER, Classifier, Probs, steady
from cnn_mnist.training.adapt import held_out
from cnn_mnist.training.adapt.hand import Hand
from cnn_mnist.training.adapt.held_out import PARTS, Suspect, asking
from cnn_mnist.training.adapt.lessons import NUM_OLD, RECIPE, Lessons
from cnn_mnist.training.adapt.score import Comparison, Score
from cnn_mnist.training.data import NOT_A_DIGIT, Split, Splits
from cnn_mnist.training.runs import checkpoint, model_card
from cnn_mnist.training.runs.export import export
from cnn_mnist.training.runs.model_card import Card
from cnn_mnist.training.synthetic.examples import extend

LOW, HIGH = 0.85, 0.98  # probabilities, between which it may decide without the line network:
PASS = 0.998  # where so many drawn non-digits stay below
NUM_DRAWN = 1_000  # non-digits


@dataclass(frozen=True)
class Adapted:
    """A model, its card, how it compares with the one before, and the labels to look at again."""

    model: nn.Module
    card: Card
    comparison: Comparison
    suspects: list[Suspect]


def learn(
    hand: Hand, splits: Splits, before: Classifier, on_part: Callable[[int, int], None]
) -> Adapted:
    """Teach the released model a hand.

    Args:
        splits: MNIST, or what stands in for it.
        before: the model that the new one is compared with.
        on_part: called with (trainings done, trainings in all).
    """
    folder = shelf.get(shelf.DIGITS).folder
    released, card = checkpoint.load_model(folder), model_card.released(folder)
    num_val = splits.num_val
    lessons = Lessons(released, splits.hold_out(num_val).train)
    unseen = held_out.probs(lessons, hand, card["temperature"], on_part)
    model = lessons.teach(hand.split)
    on_part(PARTS + 1, PARTS + 1)
    card |= {"recipe": RECIPE.to_dict(), "dataset": splits.name}
    card |= model_card.calibrated(model, RECIPE.test_norm, splits, num_val, card["threshold"])
    return _judged(hand, splits, before, model, card, unseen)


def _judged(
    hand: Hand,
    splits: Splits,
    before: Classifier,
    model: nn.Module,
    card: Card,
    unseen: Probs | None,
) -> Adapted:
    ask = asking(model, card["temperature"])
    # Of too few to hold any out, the pictures themselves say whether it may decide alone.
    probs = hand.probs(ask) if unseen is None else unseen
    bars = _bar(ask, splits.train[:NUM_OLD]), NEVER  # the first, where both are as good
    errors = {bar: int(hand.errors(probs, card["threshold"], bar).sum()) for bar in bars}
    card["decides"] = min(bars, key=lambda bar: errors[bar])
    test = _test_score(before, splits.test), Score(card["test"]["error_count"], len(splits.test))
    if unseen is None:
        return Adapted(model, card, Comparison(None, test), [])
    own = _own_score(before, hand), Score(errors[card["decides"]], len(hand))
    card["own"] = own[1].to_dict()
    return Adapted(model, card, Comparison(own, test), held_out.suspects(hand, unseen))


def _bar(ask: Callable[..., Probs], old: Split) -> float:
    """The probability from which a model may decide alone and hardly takes a letter for a digit."""
    drawn = extend(old, NUM_DRAWN, seed=1)  # others than it has learned from
    others = drawn.images[drawn.labels == NOT_A_DIGIT].numpy()
    highest = steady(ask, others).max(axis=1)
    return float(np.clip(np.quantile(highest, PASS), LOW, HIGH))


def _own_score(before: Classifier, hand: Hand) -> Score:
    """Of the old model; of an adapted one, what it was worth on pictures that it had not seen."""
    if known := before.about("own"):
        return Score(known["error_count"], known["num_images"])
    wrong = hand.errors(hand.probs(before.probs), before.threshold, before.decides)
    return Score(int(wrong.sum()), len(hand))


def _test_score(before: Classifier, test: Split) -> Score:
    answers = before.logits(test.images.numpy()).argmax(axis=1)
    return Score(int((answers != test.labels.numpy()).sum()), len(test))


def write(adapted: Adapted, out: Path, splits: Splits) -> None:
    """Write a complete model file, or leave what was there.

    Raises:
        ValueError: it cannot be written, or does not compute what the model does.
    """
    card = adapted.card
    some, about = splits.train.images[-1000:], model_card.metadata(card)
    try:
        export(adapted.model, out, RECIPE.test_norm, some, about, card["temperature"])
    except OSError as error:
        raise ValueError(f"{out} cannot be written: {error.strerror}; it is as it was") from error


def report(adapted: Adapted) -> dict[str, Any]:
    """What there is to say of it, for JSON."""
    names = "before", "after"
    scores: dict[str, Any] = {"own": None}
    for title, pair in (("own", adapted.comparison.own), ("test", adapted.comparison.test)):
        if pair:
            scores[title] = dict(zip(names, (score.to_dict() for score in pair), strict=True))
    suspects = [vars(doubt) | {"path": str(doubt.path)} for doubt in adapted.suspects]
    chosen = {name: adapted.card[name] for name in ("decides", "temperature", "threshold")}
    return {**scores, **chosen, "suspects": suspects}
