"""Recipes: their settings, and invalid ones."""

import json
import math
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnn_mnist.training import recipes
from cnn_mnist.training.models.networks import MODELS, count_params
from cnn_mnist.training.recipes import (
    DEFAULT,
    RECIPES,
    REFERENCE,
    ROBUST,
    Recipe,
    RecipeError,
)

ROOT = Path(__file__).parents[2]
NUMBERS = {
    f.name: (f.metadata["low"], f.metadata["high"])
    for f in fields(Recipe)
    if f.metadata and math.isfinite(f.metadata["low"])
}
CHOICES = {f.name: f.metadata["choices"] for f in fields(Recipe) if f.metadata.get("choices")}


def test_the_reference_is_the_published_design() -> None:
    assert REFERENCE.model == "net"
    assert REFERENCE.epochs == 10
    assert REFERENCE.batch_size == 256
    assert REFERENCE.lr == 0.01
    assert (REFERENCE.schedule, REFERENCE.lr_step, REFERENCE.lr_gamma) == ("step", 5, 0.1)
    assert (REFERENCE.beta1, REFERENCE.beta2, REFERENCE.weight_decay) == (0.9, 0.999, 0)
    assert (REFERENCE.augment, REFERENCE.crop_p, REFERENCE.rotation) == ("reference", 0.1, 15)
    assert REFERENCE.train_norm == (0.1307, 0.3081)
    assert REFERENCE.test_norm == (0.1407, 0.4081)
    assert REFERENCE.ema_decay == 0
    assert not REFERENCE.mixed_precision


def test_only_the_reference_keeps_the_slip_in_the_test_normalisation() -> None:
    slipped = [name for name, recipe in RECIPES.items() if recipe.test_norm != recipe.train_norm]
    assert slipped == ["reference"]


def test_the_documented_recipes_are_these() -> None:
    table = (ROOT / "docs/design.md").read_text().split("## Recipes")[1]
    rows = re.findall(r"^\| `(.+?)` \| (.+?) \| (\d+)(.*?) \|", table, re.M)
    assert [name for name, *_ in rows] == list(RECIPES)
    for name, network, epochs, more in rows:
        recipe = RECIPES[name]
        (model, *_) = re.findall("`(.+?)`", network.replace("the line network", "`lines`"))
        images, num_params = re.search(r"of ([\d,]+)", more), re.search(r"([\d,]+) par", network)
        assert model.lower() == recipe.model
        assert int(epochs) == recipe.epochs
        assert (images[1] if images else "0") == f"{recipe.epoch_size:,}"
        assert not num_params or num_params[1] == f"{count_params(MODELS[recipe.model]()):,}"


@pytest.mark.parametrize(("typo", "near"), [("refrence", "reference"), ("defualt", "default")])
def test_a_typo_is_answered_with_the_nearest_recipe(typo: str, near: str) -> None:
    with pytest.raises(RecipeError, match=f"no recipe '{typo}'; did you mean '{near}'"):
        recipes.get(typo)


def test_a_name_like_no_other_is_answered_with_all_of_them() -> None:
    with pytest.raises(RecipeError, match="; choose one of reference, default, fast, best"):
        recipes.get("zzz")


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("side", ["low", "high"])
def test_a_number_at_its_limit_is_taken_and_beyond_it_refused(name: str, side: str) -> None:
    low, high = NUMBERS[name]
    limit, beyond = (low, low - 1) if side == "low" else (high, high + 1)
    assert getattr(DEFAULT.changed(**{name: limit}), name) == limit
    with pytest.raises(RecipeError, match=rf"^{name} is [^\n]*must be [^\n]* in [^\n]*$"):
        DEFAULT.changed(**{name: beyond})


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, "ten", [1], True])
def test_what_is_no_number_is_refused(name: str, value: Any) -> None:
    with pytest.raises(RecipeError, match=f"^{name} is "):
        DEFAULT.changed(**{name: value})


@pytest.mark.parametrize("name", ["epochs", "batch_size", "lr_step"])
def test_a_count_is_whole(name: str) -> None:
    with pytest.raises(RecipeError, match=f"^{name} is 2.5"):
        DEFAULT.changed(**{name: 2.5})


@pytest.mark.parametrize("name", CHOICES)
@pytest.mark.parametrize("value", ["no such", 3, ["affine"]])
def test_what_is_no_choice_is_refused_with_the_choices(name: str, value: Any) -> None:
    with pytest.raises(RecipeError, match=rf"^{name} is .*{CHOICES[name][0]}"):
        DEFAULT.changed(**{name: value})


@pytest.mark.parametrize("name", ["train_norm", "test_norm"])
@pytest.mark.parametrize("value", [(0.1, 0.0), (0.1, -1), (0.1,), (math.nan, 1), 3, ("a", "b")])
def test_a_norm_is_a_mean_and_a_positive_std(name: str, value: Any) -> None:
    with pytest.raises(RecipeError, match=f"^{name} is "):
        DEFAULT.changed(**{name: value})


def test_every_choice_of_a_model_is_a_model() -> None:
    assert set(CHOICES["model"]) == set(MODELS)


def test_a_setting_that_is_none_stays_as_it_was() -> None:
    assert DEFAULT.changed(epochs=None, lr=None) == DEFAULT


def value_of(name: str) -> st.SearchStrategy[Any]:
    if name in CHOICES:
        return st.sampled_from(CHOICES[name])
    low, high = NUMBERS[name]
    if isinstance(getattr(DEFAULT, name), int):
        return st.integers(int(low), int(high))
    return st.floats(low, high)


@given(st.fixed_dictionaries({}, optional={n: value_of(n) for n in (*NUMBERS, *CHOICES)}))
def test_a_recipe_survives_json(settings: dict[str, Any]) -> None:
    recipe = DEFAULT.changed(**settings)
    assert Recipe.from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe


def test_a_setting_is_read_by_its_earlier_name() -> None:
    settings = ROBUST.to_dict()
    settings["damaged"] = settings.pop("corrupted")
    assert Recipe.from_dict(settings) == ROBUST


@pytest.mark.parametrize(
    "settings", [{}, {"epochs": 3}, {"name": "x", "dropout": 0.5}, {"name": 3}, [], "name", None]
)
def test_what_is_no_recipe_is_refused(settings: Any) -> None:
    with pytest.raises(RecipeError):
        Recipe.from_dict(settings)
