"""Training on MNIST: fit a recipe, evaluate the result."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cnn_mnist.training import recipes
    from cnn_mnist.training.data import load
    from cnn_mnist.training.evaluation import evaluate
    from cnn_mnist.training.loop import Run, fit
    from cnn_mnist.training.models.networks import Net
    from cnn_mnist.training.recipes import Recipe

__all__ = ["Net", "Recipe", "Run", "evaluate", "fit", "load", "recipes"]

_HOMES = {
    "Net": "models.networks",
    "Recipe": "recipes",
    "Run": "loop",
    "evaluate": "evaluation",
    "fit": "loop",
    "load": "data",
    "recipes": "recipes",  # the module itself
}


def __getattr__(name: str) -> Any:
    """Import what a name needs on first use: a released model is loaded without the rest."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = import_module(f"{__name__}.{_HOMES[name]}")
    return home if name == "recipes" else getattr(home, name)


def __dir__() -> list[str]:
    """The public names, which tab completion and help() then show."""
    return sorted({*globals(), *__all__})
