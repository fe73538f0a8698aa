"""From a hand to a model that reads it, measured on pictures that it has not learned from.

What is measured and chosen comes from models that a part of the pictures was held out from; the
one that is kept has learned from all.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from cnn_mnist import shelf
from cnn_mnist.inference.recognition.classifier import Classifier
from cnn_mnist.training.adapt import held_out
from cnn_mnist.training.adapt.hand import Hand
from cnn_mnist.training.adapt.held_out import PARTS, Suspect, asking
from cnn_mnist.training.adapt.lessons import NUM_OLD, RECIPE, Lessons
from cnn_mnist.training.adapt.overruling import Overruling
from cnn_mnist.training.adapt.score import Comparison, Score
from cnn_mnist.training.data import Split, Splits
from cnn_mnist.training.runs import checkpoint, model_card
from cnn_mnist.training.runs.export import export
from cnn_mnist.training.runs.model_card import Card


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
    lessons, overruling = prepare(splits)
    unseen = held_out.answers(hand, lessons, overruling, _released(), on_part)
    model, card = teach(hand, splits, lessons, overruling)
    on_part(PARTS + 1, PARTS + 1)
    test = _test_score(before, splits.test), Score(card["test"]["error_count"], len(splits.test))
    if unseen is None:
        return Adapted(model, card, Comparison(None, test), [])
    own = _own_score(before, hand), Score(int(unseen.wrong.sum()), len(hand))
    card["own"] = own[1].to_dict()
    return Adapted(model, card, Comparison(own, test), held_out.suspects(hand, unseen.probs))


def prepare(splits: Splits) -> tuple[Lessons, Overruling]:
    """What all trainings share."""
    released = checkpoint.load_model(shelf.get(shelf.DIGITS).folder)
    old = splits.hold_out(splits.num_val).train
    return Lessons(released, old), Overruling(splits.train[:NUM_OLD])


def teach(
    hand: Hand, splits: Splits, lessons: Lessons, overruling: Overruling
) -> tuple[nn.Module, Card]:
    """A model that has learned from all of a hand, and its card."""
    model, card = lessons.teach(hand.split), _released()
    card |= {"recipe": RECIPE.to_dict(), "dataset": splits.name}
    norm, threshold = RECIPE.test_norm, card["threshold"]
    card |= model_card.calibrated(model, norm, splits, splits.num_val, threshold)
    card["decides"] = overruling.bars(hand, asking(model, card["temperature"]))
    return model, card


def _released() -> Card:
    return model_card.released(shelf.get(shelf.DIGITS).folder)


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
    export(adapted.model, out, RECIPE.test_norm, some, about, card["temperature"])


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
