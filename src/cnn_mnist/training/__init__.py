"""Training on MNIST: fit a recipe, evaluate the result."""

from cnn_mnist.training import recipes
from cnn_mnist.training.data import load
from cnn_mnist.training.evaluate import evaluate
from cnn_mnist.training.loop import Run, fit
from cnn_mnist.training.models.networks import Net
from cnn_mnist.training.recipes import Recipe

__all__ = ["Net", "Recipe", "Run", "evaluate", "fit", "load", "recipes"]
