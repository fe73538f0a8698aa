"""The baselines of our training times, rebuilt from descriptions; needs only torch and Pillow.

The original: the reference network, its transforms per image, eager float32. And the last recipe of
train_mnist_fast (github.com/tuomaso/train_mnist_fast): 99.04% after one epoch, mean of 30 seeds.
"""

import random

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

MEAN, STD = 0.1307, 0.3081
BATCH_SIZE = 256  # of both


class PlainNet(nn.Module):
    """The reference network as in the original: each ReLU before its max-pool."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3)
        self.conv2 = nn.Conv2d(8, 16, 3)
        self.conv3 = nn.Conv2d(16, 24, 3)
        self.fc1 = nn.Linear(384, 50)
        self.fc2 = nn.Linear(50, 10)

    def forward(self, images: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.conv1(images)), 2)
        x = F.relu(self.conv2(x))
        x = F.max_pool2d(F.relu(self.conv3(x)), 2)
        x = F.relu(self.fc1(x.flatten(1)))
        return F.log_softmax(self.fc2(x), dim=1)


class WideNet(nn.Module):
    """train_mnist_fast's last network, 215,194 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 24, 5)
        self.conv2 = nn.Conv2d(24, 32, 3)
        self.fc1 = nn.Linear(800, 256)
        self.fc2 = nn.Linear(256, 10)

    def forward(self, images: Tensor) -> Tensor:
        x = F.relu(F.max_pool2d(self.conv1(images), 2))
        x = F.relu(F.max_pool2d(self.conv2(x), 2))
        x = F.relu(self.fc1(x.flatten(1)))
        return F.log_softmax(self.fc2(x), dim=1)


def normalized(images: Tensor) -> Tensor:
    """uint8 N×28×28 → float32 N×1×28×28, the input of both networks."""
    return images.unsqueeze(1).float().div(255).sub(MEAN).div(STD)


def lean_transform(pixels: np.ndarray) -> Tensor:
    """The original's training transforms of one image, as their underlying Pillow calls."""
    image = Image.fromarray(pixels)
    if random.random() < 0.1:
        image = image.crop((3, 3, 25, 25))
    image = image.resize((28, 28), Image.Resampling.BILINEAR)
    image = image.rotate(random.uniform(-15, 15), Image.Resampling.NEAREST)
    return normalized(torch.from_numpy(np.array(image)[None]))[0]


class Original:
    """A training like the original's; `lean_epoch` trains it for one epoch without a loader."""

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        self.net = PlainNet().to(self.device)
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=0.01)

    def step(self, images: Tensor, labels: Tensor) -> None:
        images, labels = images.to(self.device), labels.to(self.device)
        self.optimizer.zero_grad()
        F.cross_entropy(self.net(images), labels).backward()
        self.optimizer.step()

    def lean_epoch(self, images: Tensor, labels: Tensor) -> None:
        """One pass over images uint8 N×28×28."""
        pixels = images.cpu().numpy()
        labels = labels.cpu()
        for rows in torch.randperm(len(labels)).split(BATCH_SIZE):
            batch = torch.stack([lean_transform(pixels[row]) for row in rows.tolist()])
            self.step(batch, labels[rows])


def train_mnist_fast(images: Tensor, labels: Tensor, seed: int) -> nn.Module:
    """Its whole training: one epoch in a fixed order.

    Args:
        images: float32 N×1×28×28, normalised and shuffled, on the device to train on.
    """
    torch.manual_seed(seed)
    net = WideNet().to(images.device)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01, betas=(0.7, 0.9))
    batches = list(zip(images.split(BATCH_SIZE), labels.split(BATCH_SIZE), strict=True))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=0.01, total_steps=len(batches), cycle_momentum=False
    )
    for batch, wanted in batches:
        optimizer.zero_grad()
        F.nll_loss(net(batch), wanted).backward()
        optimizer.step()
        schedule.step()
    return net
