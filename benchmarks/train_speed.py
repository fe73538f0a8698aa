"""Seconds per epoch and per training: ours against the original's pipeline and train_mnist_fast.

All train on the same images in one process tree, taking turns; each round has another seed:

* original, lean: the Pillow calls per image of the original's torchvision transforms, in a plain
  loop, eager float32: no DataLoader. One epoch.
* original, torchvision: the same with torchvision's transforms and a DataLoader, in an environment
  that has them. One epoch.
* train_mnist_fast: its last recipe, data in memory and normalised in advance. One epoch, its whole
  training.
* default: one epoch of our default recipe.
* recipe NAME: a whole training by fit, without evaluation and loading the data.

The last line is one JSON object; plot_results.py draws it.

    python benchmarks/train_speed.py --rounds 5 --recipes fast --torchvision venv/bin/python
"""

import argparse
import json
import statistics
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from cnn_mnist import process

if __name__ == "__main__":
    process.tune()  # before torch loads, as the command line does

import torch
from torch import Tensor

from cnn_mnist.training import evaluate, fit, load, recipes
from cnn_mnist.training.data import Splits
from cnn_mnist.training.device import choose, precision
from cnn_mnist.training.loop import start, train_epoch
from cnn_mnist.training.recipes import NORM, Recipe
from peers.published import Original, normalized, train_mnist_fast
from timing import describe, spread

HERE = Path(__file__).resolve().parent
OURS = "default"
Turn = Callable[[int], dict[str, float]]  # seed → seconds, and the accuracy if there is one


def systems(
    splits: Splits, names: Iterable[str], device: torch.device, torchvision: Path | None
) -> dict[str, Turn]:
    """All systems to be timed, warmed up."""
    splits = splits.to(device)
    train = splits.train
    few = Splits(splits.name, train[:2560], splits.test[:1])
    original = Original(device)
    default = recipes.get(OURS)
    run = start(default, device=device, precision=precision(device, default))
    order = torch.randperm(len(train), device=device)
    floats, labels = normalized(train.images[order]), train.labels[order]

    def lean(seed: int) -> dict[str, float]:
        return {"seconds": timed(device, lambda: original.lean_epoch(train.images, train.labels))}

    def peer(seed: int) -> dict[str, float]:
        nets = []
        seconds = timed(device, lambda: nets.append(train_mnist_fast(floats, labels, seed)))
        return {"seconds": seconds, "accuracy": evaluate(nets[0], splits, NORM).accuracy}

    def epoch(seed: int) -> dict[str, float]:
        return {"seconds": timed(device, lambda: train_epoch(run, train, seed + 1))}

    original.lean_epoch(few.train.images, few.train.labels)
    train_mnist_fast(floats[:2560], labels[:2560], 0)
    train_epoch(run, few.train, 1)
    turns: dict[str, Turn] = {OURS: epoch, "original, lean": lean, "train_mnist_fast": peer}
    turns |= {f"recipe {name}": whole(recipes.get(name), splits, few, device) for name in names}
    if torchvision:
        torchvision_epoch(torchvision, few)
        turns["original, torchvision"] = lambda seed: torchvision_epoch(torchvision, splits)
    return turns


def whole(recipe: Recipe, splits: Splits, few: Splits, device: torch.device) -> Turn:
    """A recipe's training from fresh weights to its last epoch."""
    bits = precision(device, recipe)
    untested = Splits(splits.name, splits.train, splits.test[:1])
    fit(recipe.changed(epochs=1), few, device=device, precision=bits)

    def turn(seed: int) -> dict[str, float]:
        runs = []

        def train() -> None:
            runs.append(fit(recipe, untested, seed=seed, device=device, precision=bits))

        seconds = timed(device, train)
        accuracy = evaluate(runs[0].model, splits, recipe.test_norm).accuracy
        return {"seconds": seconds, "accuracy": accuracy}

    return turn


def timed(device: torch.device, work: Callable[[], object]) -> float:
    """Seconds until the device has done the work."""
    began = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - began


def torchvision_epoch(python: Path, splits: Splits) -> dict[str, float]:
    """One epoch by peers/torchvision_epoch.py in another environment, which times itself."""
    with tempfile.TemporaryDirectory() as root:
        write_mnist(splits, Path(root, "MNIST", "raw"))
        try:
            command = [str(python), "-m", "peers.torchvision_epoch", root]
            done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=True)
        except OSError as error:
            raise SystemExit(f"--torchvision {python}: {error.strerror}") from None
        except subprocess.CalledProcessError as error:
            reason = error.stderr.strip().splitlines()[-1]
            raise SystemExit(f"--torchvision {python} cannot train with it: {reason}") from None
    return {"seconds": json.loads(done.stdout)["seconds"]}


def write_mnist(splits: Splits, folder: Path) -> None:
    """The four unpacked files that torchvision.datasets.MNIST reads."""
    folder.mkdir(parents=True)
    for name, split in (("train", splits.train), ("t10k", splits.test)):
        for kind, values in (("images-idx3", split.images), ("labels-idx1", split.labels)):
            write_idx(values, folder / f"{name}-{kind}-ubyte")


def write_idx(values: Tensor, path: Path) -> None:
    header = struct.pack(f">I{values.dim()}I", 0x800 + values.dim(), *values.shape)
    path.write_bytes(header + values.cpu().to(torch.uint8).numpy().tobytes())


def measure(turns: dict[str, Turn], rounds: int) -> dict[str, Any]:
    """Each system once per round: {system: {"seconds": per round, "accuracy": likewise}}."""
    found: dict[str, dict[str, list[float]]] = {name: {} for name in turns}
    for seed in range(rounds):
        for name, turn in turns.items():
            for what, value in turn(seed).items():
                found[name].setdefault(what, []).append(round(value, 5))
        print("  ".join(f"{name} {found[name]['seconds'][-1]:.2f} s" for name in turns), flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="number of rounds")
    parser.add_argument("--recipes", nargs="*", default=["fast"], help="timed as whole trainings")
    parser.add_argument("--torchvision", type=Path, help="a python that can import torchvision")
    parser.add_argument("--device", default="cpu", help="auto, cpu, cuda or mps")
    args = parser.parse_args()

    device, _ = choose(args.device)
    found = measure(systems(load("mnist"), args.recipes, device, args.torchvision), args.rounds)
    ours = found[OURS]["seconds"]
    print(f"\n{'':24}{'seconds: median, min, max':>30}{f'times {OURS!r}':>24}  accuracy, mean")
    for name, values in found.items():
        ratios = [other / own for other, own in zip(values["seconds"], ours, strict=True)]
        values |= {"summary": spread(values["seconds"], 3), "ratio": spread(ratios, 2)}
        columns = [
            " ".join(f"{value:8.2f}" for value in values[what].values())
            for what in ("summary", "ratio")
        ]
        mean = f"{statistics.fmean(values['accuracy']):.2%}" if "accuracy" in values else ""
        print(f"{name:24}{columns[0]:>30}{columns[1]:>28}  {mean}")
    result = {
        "what": "seconds of an epoch, or of a whole training, of 60,000 images",
        "rounds": args.rounds,
        "device": str(device),
        **describe(),
        "systems": found,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
