"""How a recipe's settings were chosen: variants compared on validation images.

Each variant is trained on 50,000 training images with several seeds and evaluated on the other
10,000; the test set is never read. An interrupted comparison is resumed.

    python benchmarks/choose.py default --seeds 3
    python benchmarks/choose.py best-bn --seeds 1 --teacher runs/teachers
"""

import argparse
import json
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from cnn_mnist import process

if __name__ == "__main__":
    process.tune()  # before torch loads, as the command line does

from cnn_mnist.training import load, recipes
from cnn_mnist.training.models.networks import MODELS, BatchNormNet
from cnn_mnist.training.studies.study import study

CHOSEN: dict[str, dict[str, Any]] = {"chosen": {}}
STRONG = {"rotation": 15.0, "scale": 0.15, "shear": 0.15, "shift": 2.0}
TAUGHT: dict[str, dict[str, Any]] = {
    "temperature 2": {"distil_temperature": 2.0},
    "temperature 8": {"distil_temperature": 8.0},
    "labels not used": {"distil": 1.0},
    "stronger affine": STRONG,
    "batch 128": {"batch_size": 128},
    "weight decay 0.02": {"weight_decay": 0.02},
    "12 epochs": {"epochs": 12},
    "24 epochs": {"epochs": 24},
    "no teacher": {"distil": 0.0},
}
LONGER: dict[str, dict[str, Any]] = TAUGHT | {"60 epochs": {"epochs": 60}}
SHORT = (5, 0.01), (4, 0.015), (3, 0.02), (2, 0.02)
VARIANTS: dict[str, dict[str, dict[str, Any]]] = {
    "default": {
        "AdamW": {"optimizer": "adamw", "beta2": 0.999},
        "labels not smoothed": {"label_smoothing": 0.0},
        "both": {"optimizer": "adamw", "beta2": 0.999, "label_smoothing": 0.0},
        "smoothing 0.05": {"label_smoothing": 0.05},
        "lr 0.007": {"lr": 0.007},
        "lr 0.015": {"lr": 0.015},
        "lr 0.02": {"lr": 0.02},
        "beta2 0.999": {"beta2": 0.999},
        "stronger affine": STRONG,
        "no averaging": {"ema_decay": 0.0},
        "no augmentation": {"augment": "none"},
        "the reference's augmentation": {"augment": "reference", "rotation": 15.0},
        **{f"{epochs} epochs, lr {lr}": {"epochs": epochs, "lr": lr} for epochs, lr in SHORT},
    },
    "fast": {
        "AdamW, lr 0.015": {"optimizer": "adamw", "lr": 0.015},
        "labels not smoothed": {"label_smoothing": 0.0},
        "smoothing 0.15": {"label_smoothing": 0.15},
        "48,000 images": {"epoch_size": 48_000},
        "32,000 images": {"epoch_size": 32_000},
        "lr 0.02": {"lr": 0.02},
        "lr 0.04": {"lr": 0.04},
        "beta1 0.9": {"beta1": 0.9},
        "batch 128": {"batch_size": 128},
        "batch 256": {"batch_size": 256},
        "warmup 0.1": {"warmup": 0.1},
    },
    "best": LONGER,
    "best-bn": LONGER | {"four convolutions": {}, "four wider ones": {}, "six convolutions": {}},
    "best-small": LONGER | {"four small convolutions": {}, "six small convolutions": {}},
    "best-tiny": TAUGHT | {"wide first": {}, "wide fourth": {}, "four tiny convolutions": {}},
    "robust": {f"corrupted share {share}": {"corrupted": share} for share in (0.15, 0.4)},
}
NETS = {  # other architectures: channels, and the convolutions that a pool follows
    "four convolutions": ((8, 16, 32, 40), (1, 3)),
    "four wider ones": ((12, 20, 32, 36), (1, 3)),
    "six convolutions": ((8, 12, 20, 24, 28, 36), (1, 4)),
    "four small convolutions": ((8, 12, 16, 16), (1, 3)),
    "six small convolutions": ((8, 12, 12, 12, 16, 16), (1, 4)),
    "wide first": ((8, 8, 8, 8, 4), (1, 3)),
    "wide fourth": ((4, 8, 8, 12, 4), (1, 3)),
    "four tiny convolutions": ((4, 8, 8, 8), (1, 3)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", choices=VARIANTS)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--teacher", type=Path, help="run folder, or folder of several")
    parser.add_argument("--out", type=Path, help="default: runs/choose-RECIPE")
    parser.add_argument("--only", nargs="*", help="names of variants")
    args = parser.parse_args()

    splits, base = load("mnist").hold_out(), recipes.get(args.recipe)
    variants, chosen = CHOSEN | VARIANTS[args.recipe], MODELS[base.model]
    results = {}
    for name in args.only or variants:
        recipe = base.changed(**variants[name])
        MODELS[recipe.model] = partial(BatchNormNet, *NETS[name]) if name in NETS else chosen
        folder = (args.out or Path(f"runs/choose-{args.recipe}")) / name.replace(" ", "-")
        teacher = args.teacher if recipe.distil else None
        result = study(recipe, splits, range(args.seeds), folder, teacher=teacher)
        results[name] = asdict(result)
        print(
            f"{name:30} {result.mean:.3%} ± {result.std:.3%} (n = {result.num_seeds})", flush=True
        )
    print(json.dumps({"split": "val", "recipe": args.recipe, "variants": results}))


if __name__ == "__main__":
    main()
