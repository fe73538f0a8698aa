"""How the settings of the `default` recipe were chosen: variants compared on validation images.

Each variant is trained on 50,000 training images with several seeds and measured on the other
10,000; the test set is never read. A stopped comparison goes on where it was.

    python benchmarks/choose_default.py --seeds 3 --out runs/choose-default
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from cnn_mnist import process

process.tune()

from cnn_mnist.training import load, recipes
from cnn_mnist.training.study import study

VARIANTS = {
    "chosen": {},
    "batch 128": {"batch_size": 128},
    "lr 0.006": {"lr": 0.006},
    "lr 0.015": {"lr": 0.015},
    "weaker affine": {"rotation": 8.0, "scale": 0.07, "shear": 0.07, "shift": 1.0},
    "stronger affine": {"rotation": 15.0, "scale": 0.15, "shear": 0.15, "shift": 2.0},
    "no shift": {"shift": 0.0},
    "no averaging": {"ema_decay": 0.0},
    "betas 0.8, 0.95": {"beta1": 0.8, "beta2": 0.95},
    "warmup 0.1": {"warmup": 0.1},
    "weight decay 0.02": {"weight_decay": 0.02},
    "no augmentation": {"augment": "none"},
    "the reference's augmentation": {"augment": "reference", "rotation": 15.0},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("runs/choose-default"))
    parser.add_argument("--only", nargs="*", default=list(VARIANTS), help="names of variants")
    args = parser.parse_args()

    splits = load("mnist").hold_out()
    results = {}
    for name in args.only:
        recipe = recipes.get("default").changed(**VARIANTS[name])
        folder = args.out / name.replace(" ", "-")
        result = study(recipe, splits, range(args.seeds), folder)
        results[name] = asdict(result)
        print(
            f"{name:30} {result.mean:.3%} ± {result.std:.3%} (n = {result.num_seeds})", flush=True
        )
    print(json.dumps({"split": "val", "variants": results}))


if __name__ == "__main__":
    main()
