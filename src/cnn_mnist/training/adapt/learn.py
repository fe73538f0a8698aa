"""A person's handwriting → a model that reads it, evaluated by cross-validation.

Everything measured and chosen comes from models that did not see part of the pictures; the model
that is kept is trained on all of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from cnn_mnist import shelf
from cnn_mnist.inference.recognition.classifier import Classifier
from cnn_mnist.training.adapt import held_out
from cnn_mnist.training.adapt.finetuning import NUM_OLD, RECIPE, FineTuning
from cnn_mnist.training.adapt.handwriting import Handwriting
from cnn_mnist.training.adapt.held_out import FOLDS, Suspect, predictor
from cnn_mnist.training.adapt.overruling import Overruling
from cnn_mnist.training.adapt.score import Comparison, Score
from cnn_mnist.training.data import Split, Splits
from cnn_mnist.training.runs import checkpoint, model_card
from cnn_mnist.training.runs.export import export
from cnn_mnist.training.runs.model_card import Card


@dataclass(frozen=True)
class Adapted:
    """A model, its card, its comparison with the previous model, and the labels to check."""

    model: nn.Module
    card: Card
    comparison: Comparison
    suspects: list[Suspect]


def adapt(
    writing: Handwriting,
    splits: Splits,
    before: Classifier,
    on_training: Callable[[int, int], None],
) -> Adapted:
    """Fine-tune the released model on a person's handwriting.

    Args:
        splits: MNIST, or the bundled digits in its place.
        before: the model that the new one is compared with.
        on_training: called with (trainings done, trainings in all).
    """
    finetuning, overruling = prepare(splits)
    unseen = held_out.answers(writing, finetuning, overruling, _released(), on_training)
    model, card = train(writing, splits, finetuning, overruling)
    on_training(FOLDS + 1, FOLDS + 1)
    test = _test_score(before, splits.test), Score(card["test"]["error_count"], len(splits.test))
    if unseen is None:
        return Adapted(model, card, Comparison(None, test), [])
    own = _own_score(before, writing), Score(int(unseen.wrong.sum()), len(writing))
    card["own"] = own[1].to_dict()
    return Adapted(model, card, Comparison(own, test), held_out.suspects(writing, unseen.probs))


def prepare(splits: Splits) -> tuple[FineTuning, Overruling]:
    """Prepare what all trainings share."""
    released = checkpoint.load_model(shelf.get(shelf.DIGITS).folder)
    old = splits.hold_out(splits.num_val).train
    return FineTuning(released, old), Overruling(splits.train[:NUM_OLD])


def train(
    writing: Handwriting, splits: Splits, finetuning: FineTuning, overruling: Overruling
) -> tuple[nn.Module, Card]:
    """A model fine-tuned on all samples, and its card."""
    model, card = finetuning.train(writing), _released()
    card |= {"recipe": RECIPE.to_dict(), "dataset": splits.name}
    norm, threshold = RECIPE.test_norm, card["threshold"]
    card |= model_card.calibrated(model, norm, splits, splits.num_val, threshold)
    card["decides"] = overruling.thresholds(writing, predictor(model, card["temperature"]))
    return model, card


def _released() -> Card:
    return model_card.released(shelf.get(shelf.DIGITS).folder)


def _own_score(before: Classifier, writing: Handwriting) -> Score:
    """The previous model's score; if it was adapted itself, its cross-validation's."""
    if known := before.about("own"):
        return Score(known["error_count"], known["num_images"])
    wrong = writing.errors(writing.probs(before.probs), before.threshold, before.decides)
    return Score(int(wrong.sum()), len(writing))


def _test_score(before: Classifier, test: Split) -> Score:
    answers = before.logits(test.images.numpy()).argmax(axis=1)
    return Score(int((answers != test.labels.numpy()).sum()), len(test))


def write(adapted: Adapted, out: Path, splits: Splits) -> None:
    """Write a complete model file, or leave the existing one.

    Raises:
        ValueError: it cannot be written, or differs from the model.
    """
    card = adapted.card
    images, about = splits.train.images, model_card.metadata(card)
    export(adapted.model, out, RECIPE.test_norm, images, about, card["temperature"])


def report(adapted: Adapted) -> dict[str, Any]:
    """The report, for JSON."""
    names = "before", "after"
    scores: dict[str, Any] = {"own": None}
    for title, pair in (("own", adapted.comparison.own), ("test", adapted.comparison.test)):
        if pair:
            scores[title] = dict(zip(names, (score.to_dict() for score in pair), strict=True))
    suspects = [vars(doubt) | {"path": str(doubt.path)} for doubt in adapted.suspects]
    chosen = {name: adapted.card[name] for name in ("decides", "temperature", "threshold")}
    return {**scores, **chosen, "suspects": suspects}
