"""Seconds an epoch: our `default` recipe beside the original's pipeline in its leanest form.

The lean form makes the same Pillow calls an image as the original's torchvision transforms, in a
plain loop, and trains eagerly in float32: no DataLoader, no worker processes. Both train on the
same 60,000 images in one process, turn by turn; the last line of stdout is one JSON object.

    python benchmarks/train_speed.py --rounds 3
"""

import argparse
import json
import platform
import random
import statistics
import time

from cnn_mnist import process

process.tune()  # before torch loads, as the command line does

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from cnn_mnist.training import load, recipes
from cnn_mnist.training.data import Split
from cnn_mnist.training.device import precision
from cnn_mnist.training.loop import start, train_epoch
from cnn_mnist.training.model import Net


class PlainNet(Net):
    """The reference network as the original writes it: each ReLU before its max-pool."""

    def forward(self, images: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.conv1(images)), 2)
        x = F.relu(self.conv2(x))
        x = F.max_pool2d(F.relu(self.conv3(x)), 2)
        x = F.relu(self.fc1(x.flatten(1)))
        return F.log_softmax(self.fc2(x), dim=1)


def lean_transform(pixels: np.ndarray) -> Tensor:
    """The original's training transforms of one image, as the Pillow calls they come down to."""
    image = Image.fromarray(pixels)
    if random.random() < 0.1:
        image = image.crop((3, 3, 25, 25))
    image = image.resize((28, 28), Image.Resampling.BILINEAR)
    image = image.rotate(random.uniform(-15, 15), Image.Resampling.NEAREST)
    tensor = torch.from_numpy(np.array(image)).unsqueeze(0).float().div(255)
    return tensor.sub(0.1307).div(0.3081)


def lean_epoch(net: nn.Module, optimizer: torch.optim.Optimizer, train: Split) -> None:
    """One epoch of the original's pipeline without its loader."""
    images = train.images.numpy()
    for rows in torch.randperm(len(train)).split(256):
        x = torch.stack([lean_transform(images[row]) for row in rows.tolist()])
        optimizer.zero_grad()
        F.cross_entropy(net(x), train.labels[rows]).backward()
        optimizer.step()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="epochs of each, turn by turn")
    args = parser.parse_args()

    train = load("mnist").train
    recipe = recipes.get("default")
    run = start(recipe, precision=precision(torch.device("cpu"), recipe))
    net = PlainNet()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    train_epoch(run, train[:2560], 1)  # warm up

    seconds: dict[str, list[float]] = {"ours": [], "lean": []}
    for _ in range(args.rounds):
        began = time.perf_counter()
        train_epoch(run, train, 1)
        middle = time.perf_counter()
        lean_epoch(net, optimizer, train)
        seconds["ours"].append(middle - began)
        seconds["lean"].append(time.perf_counter() - middle)
        print(f"ours {seconds['ours'][-1]:.2f} s   lean original {seconds['lean'][-1]:.2f} s")

    medians = {name: statistics.median(values) for name, values in seconds.items()}
    result = {
        "what": "seconds an epoch of 60,000 images, medians",
        "rounds": args.rounds,
        **{f"{name}_seconds": round(value, 3) for name, value in medians.items()},
        "ratio": round(medians["lean"] / medians["ours"], 2),
        "threads": torch.get_num_threads(),
        "torch": str(torch.__version__),
        "precision": str(run.precision),
        "machine": platform.machine(),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
