"""One epoch of the original's pipeline as commonly run: torchvision's transforms, a DataLoader.

Run by train_speed.py in an environment that has torch and torchvision; it imports nothing else from
this project. FOLDER is the root of a torchvision.datasets.MNIST. The loader has no workers, since
on two cores they slow it down. Prints one JSON object.

    cd benchmarks && python -m peers.torchvision_epoch FOLDER
"""

import json
import sys
import time

import torch

from peers.published import BATCH_SIZE, MEAN, STD, Original

try:
    import torchvision
except RuntimeError:
    # torchvision's compiled operators are built for CUDA and do not load with a CPU build of torch.
    # No transform needs them, but the import requires these two names.
    for module in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[module]
    operators = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        operators.define(f"{name}(Tensor boxes, Tensor scores, float threshold) -> Tensor")
    import torchvision

from torchvision import datasets, transforms

TRANSFORM = transforms.Compose(
    [
        transforms.RandomApply([transforms.CenterCrop(22)], p=0.1),
        transforms.Resize((28, 28)),
        transforms.RandomRotation((-15.0, 15.0), fill=0),
        transforms.ToTensor(),
        transforms.Normalize((MEAN,), (STD,)),
    ]
)


def main() -> None:
    train = datasets.MNIST(sys.argv[1], train=True, transform=TRANSFORM)
    training = Original()

    def epoch(dataset: torch.utils.data.Dataset[tuple[torch.Tensor, int]]) -> float:
        began = time.perf_counter()
        for images, labels in torch.utils.data.DataLoader(dataset, BATCH_SIZE, shuffle=True):
            training.step(images, labels)
        return time.perf_counter() - began

    epoch(torch.utils.data.Subset(train, range(min(len(train), 10 * BATCH_SIZE))))  # warm up
    versions = {"torchvision": torchvision.__version__, "torch": str(torch.__version__)}
    print(json.dumps({"seconds": epoch(train), **versions}))


if __name__ == "__main__":
    main()
