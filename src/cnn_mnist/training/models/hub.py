"""The digit classifiers in Hugging Face's format: save_pretrained, from_pretrained, push_to_hub."""

from typing import cast

from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn

from cnn_mnist import shelf
from cnn_mnist.training.models.networks import MODELS
from cnn_mnist.training.models.pretrained import load_model
from cnn_mnist.training.recipes import NORM


class HubModel(nn.Module, PyTorchModelHubMixin):
    """A network that can be restored: config.json holds its architecture and its input."""

    def __init__(self, architecture: str, mean: float = NORM[0], std: float = NORM[1]) -> None:
        """Build the network with fresh weights.

        Args:
            architecture: net, bn, bn-small or bn-tiny.
            mean: of the input's normalisation; stored for users of the model.
            std: likewise.
        """
        super().__init__()
        self.mean, self.std = mean, std
        self.model = MODELS[architecture]()

    @classmethod
    def released(cls, name: str) -> "HubModel":
        """A model of the shelf, ready to save or push.

        Raises:
            ShelfError: there is no such model.
        """
        made = cls(architecture=shelf.get(name).architecture)
        made.model = load_model(name)
        return made.eval()

    def forward(self, images: Tensor) -> Tensor:
        """Normalised images N×1×28×28 → logits N×10."""
        return cast(Tensor, self.model(images))
