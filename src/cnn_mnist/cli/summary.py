"""cnn-mnist summary: show the network."""

from cnn_mnist.cli.options import extra


def summary() -> None:
    """Show the network. Each layer has its output shape and number of parameters."""
    with extra("train"):
        from cnn_mnist.training.models.networks import Net
        from cnn_mnist.training.models.networks import summary as table
    print(table(Net()))
