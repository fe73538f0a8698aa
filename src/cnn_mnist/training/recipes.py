"""Recipes: every training setting with its type, default, check and meaning.

Other modules receive a whole Recipe and read the settings they need.
"""

import difflib
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

MODELS = ("net", "bn", "bn-small", "bn-tiny", "bn-wide", "lines")
OPTIMIZERS = ("adamw", "muon")
AUGMENT = ("none", "reference", "affine", "handwriting")
NORM = (0.1307, 0.3081)  # mean and std of the MNIST training images, of values in 0..1
RENAMED = {"damaged": "corrupted"}  # settings in the files of earlier versions
REMOVED = {"hardening"}  # likewise; only a recipe that is gone used it


class RecipeError(ValueError):
    """A setting is out of range, or there is no such recipe; the message says which."""


def setting(
    default: Any,
    meaning: str,
    low: float = -math.inf,
    high: float = math.inf,
    choices: tuple[str, ...] = (),
) -> Any:
    """A field of Recipe: a number in low..high, or one of the choices."""
    check = {"meaning": meaning, "low": low, "high": high, "choices": choices}
    return field(default=default, metadata=check)


@dataclass(frozen=True)
class Recipe:
    """One way to train. Changing a setting gives a new Recipe (see `changed`)."""

    name: str
    model: str = setting("net", "architecture", choices=MODELS)
    epochs: int = setting(10, "passes over the training images", 1, 10_000)
    epoch_size: int = setting(0, "images per epoch, a new sample each time; 0 = all", 0, 10**6)
    batch_size: int = setting(256, "images per step; the last step takes the rest", 1, 60_000)

    lr: float = setting(0.01, "peak learning rate", 1e-8, 10)
    schedule: str = setting("one_cycle", "learning rate schedule", choices=("one_cycle", "step"))
    warmup: float = setting(0.2, "one_cycle: share of the steps in which the lr rises", 0, 1)
    lr_step: int = setting(5, "step: epochs after which the lr falls", 1, 10_000)
    lr_gamma: float = setting(0.1, "step: factor by which it falls", 0, 1)
    optimizer: str = setting(
        "adamw", "muon: Muon for the hidden layers, AdamW for the rest", choices=OPTIMIZERS
    )
    beta1: float = setting(0.9, "AdamW: decay of the mean gradient", 0, 0.9999)
    beta2: float = setting(0.999, "AdamW: decay of the mean squared gradient", 0, 0.999999)
    weight_decay: float = setting(0.0, "AdamW: decoupled decay; at 0 this is Adam", 0, 10)
    ema_decay: float = setting(0.0, "decay per step of the averaged weights; 0 = off", 0, 0.999999)
    init_share: float = setting(0.0, "share of the initial weights in the final ones", 0, 1)

    label_smoothing: float = setting(
        0.0, "share of labels spread over all classes at first; it falls to 0", 0, 1
    )

    augment: str = setting("affine", "kind of augmentation", choices=AUGMENT)
    crop_p: float = setting(0.1, "reference: probability of the centre crop", 0, 1)
    rotation: float = setting(15.0, "uniform in ± this many degrees", 0, 180)
    scale: float = setting(0.15, "log of the size factor, uniform in ±", 0, 1)
    shear: float = setting(0.15, "uniform in ±", 0, 1)
    shift: float = setting(2.0, "pixels, in x and y uniform in ±", 0, 14)
    plain_p: float = setting(0.0, "handwriting: share of images that only get affine", 0, 1)

    corrupted: float = setting(0.0, "share of images obscured by noise, haze, stains…", 0, 1)

    drawn: int = setting(
        0, "synthetic digits and non-digits added to the training images", 0, 10**6
    )
    outlier_weight: float = setting(
        0.5, "weight of a non-digit's loss towards a uniform answer", 0, 10
    )

    distil: float = setting(0.0, "share of the loss that follows a teacher; 0 = no teacher", 0, 1)
    distil_temperature: float = setting(
        4.0, "softens the teacher's and the student's outputs", 0.1, 100
    )
    num_views: int = setting(
        10, "augmented views of the training images for the teacher", 1, 10_000
    )

    train_norm: tuple[float, float] = setting(NORM, "mean and std of the training input")
    test_norm: tuple[float, float] = setting(NORM, "mean and std of the test input")
    mixed_precision: bool = setting(True, "bfloat16 where that is faster; off = float32")

    def __post_init__(self) -> None:
        for setting_ in fields(self):
            if not setting_.metadata:
                continue
            value = getattr(self, setting_.name)
            problem = _problem(value, setting_.default, setting_.metadata)
            if problem:
                raise RecipeError(f"{setting_.name} is {value!r}; {problem}")

    def changed(self, **settings: Any) -> "Recipe":
        """A copy with the given settings changed; None keeps a setting."""
        return replace(self, **{k: v for k, v in settings.items() if v is not None})

    def sized_for(self, num_images: int) -> "Recipe":
        """A copy of this recipe with batches small enough for at least 40 steps an epoch."""
        return replace(self, batch_size=max(1, min(self.batch_size, num_images // 40)))

    def to_dict(self) -> dict[str, Any]:
        """As in config.json."""
        return asdict(self)

    @classmethod
    def from_dict(cls, settings: dict[str, Any]) -> "Recipe":
        """The recipe from `to_dict`; JSON's lists become tuples again."""
        if not isinstance(settings, dict) or not isinstance(settings.get("name"), str):
            raise RecipeError("not a recipe: it has no name")
        settings = {RENAMED.get(name, name): value for name, value in settings.items()}
        settings = {name: value for name, value in settings.items() if name not in REMOVED}
        unknown = settings.keys() - {f.name for f in fields(cls)}
        if unknown:
            raise RecipeError(f"not a recipe of this version: {', '.join(sorted(unknown))}")
        tupled: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in settings.items()
        }
        return cls(**tupled)


def _problem(value: Any, default: Any, check: Mapping[str, Any]) -> str:
    """What is wrong with a value, or an empty string."""
    if check["choices"]:
        return "" if value in check["choices"] else f"choose one of {', '.join(check['choices'])}"
    if isinstance(default, bool):
        return "" if isinstance(value, bool) else "it must be true or false"
    if isinstance(default, tuple):
        whole = isinstance(value, tuple) and len(value) == 2 and all(map(_is_number, value))
        return "" if whole and value[1] > 0 else "it must be a mean and a standard deviation over 0"
    low, high = check["low"], check["high"]
    kind = "a whole number" if isinstance(default, int) else "a number"
    fits = isinstance(value, int) or isinstance(default, float)
    if _is_number(value) and fits and low <= value <= high:
        return ""
    return f"it must be {kind} in {low:g}..{high:g} ({check['meaning']})"


def _is_number(value: Any) -> bool:
    is_bool = isinstance(value, bool)  # a bool counts as an int in Python
    return isinstance(value, int | float) and not is_bool and math.isfinite(value)


REFERENCE = Recipe(
    name="reference",
    schedule="step",
    augment="reference",
    test_norm=(0.1407, 0.4081),  # the original's slip: not the training pair
    mixed_precision=False,
)
DEFAULT = Recipe(
    name="default",
    optimizer="muon",
    beta2=0.95,
    ema_decay=0.998,
    label_smoothing=0.1,
    rotation=10.0,
    scale=0.1,
    shear=0.1,
    shift=1.5,
)
FAST = DEFAULT.changed(
    name="fast",
    epochs=1,
    epoch_size=40_000,
    batch_size=192,
    lr=0.03,
    beta1=0.8,
    shift=1.0,
)
BEST = DEFAULT.changed(
    name="best",
    epochs=40,
    optimizer="adamw",
    beta2=0.999,
    ema_decay=0.999,
    label_smoothing=0.0,
    distil=0.9,
)
BEST_BN = BEST.changed(name="best-bn", model="bn")
BEST_SMALL = BEST.changed(name="best-small", model="bn-small")
BEST_TINY = BEST.changed(name="best-tiny", model="bn-tiny", epochs=60, optimizer="muon", beta1=0.95)
ROBUST = BEST_BN.changed(name="robust", corrupted=0.08)
READER = BEST.changed(
    name="reader",
    epochs=60,
    augment="handwriting",
    plain_p=0.75,
    drawn=9_000,
    distil_temperature=2.0,
)
TEACHER = READER.changed(
    name="teacher",
    model="bn-wide",
    epochs=24,
    batch_size=128,
    lr=0.005,
    outlier_weight=0.4,
    distil=0.0,
    weight_decay=0.02,
)

TEACHER_AFFINE = TEACHER.changed(
    name="teacher-affine",
    epochs=20,
    augment="affine",
    rotation=15.0,
    scale=0.15,
    shear=0.15,
    shift=2.0,
    drawn=0,
)
TEACHER_WARPED = TEACHER_AFFINE.changed(
    name="teacher-warped",
    augment="handwriting",
    plain_p=0.5,
    weight_decay=0.05,
)
LINES = Recipe(
    name="lines",
    model="lines",
    epochs=24,
    epoch_size=38_400,
    batch_size=48,
    lr=0.01,
    warmup=0.1,
    optimizer="muon",
    beta1=0.95,
    beta2=0.98,
    weight_decay=0.05,
    ema_decay=0.999,
    augment="none",
)
LINES_FINETUNE = LINES.changed(name="lines-finetune", epochs=8, lr=0.003, init_share=0.5)

STUDENTS = (REFERENCE, DEFAULT, FAST, BEST, BEST_BN, BEST_SMALL, BEST_TINY, ROBUST, READER)
TEACHERS = (TEACHER, TEACHER_AFFINE, TEACHER_WARPED)
RECIPES = {recipe.name: recipe for recipe in (*STUDENTS, LINES, LINES_FINETUNE, *TEACHERS)}


def get(name: str) -> Recipe:
    """The recipe with that name.

    Raises:
        RecipeError: there is none; the message suggests the closest name.
    """
    if name in RECIPES:
        return RECIPES[name]
    near = difflib.get_close_matches(name, RECIPES, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise RecipeError(f"no recipe {name!r}; {hint}choose one of {', '.join(RECIPES)}")
