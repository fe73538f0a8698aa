"""The `reference` recipe against the published run, epoch by epoch, and the cost of its slip.

Trains several seeds (or reads them, if they exist), averages each epoch's test accuracy, and
evaluates every final model with the original's test normalisation and with the training one. The
last line of stdout is one JSON object.

    python benchmarks/reference.py --seeds 5
"""

import argparse
import json
import statistics
from pathlib import Path

from cnn_mnist import process

process.tune()

from cnn_mnist.training import evaluate, load, recipes
from cnn_mnist.training.runs import checkpoint
from cnn_mnist.training.runs.plots import PUBLISHED
from cnn_mnist.training.studies.study import study, summarize


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("runs/study-reference"))
    args = parser.parse_args()

    splits, recipe = load("mnist"), recipes.get("reference")
    study(recipe, splits, range(args.seeds), args.out)
    folders = [args.out / f"seed-{seed}" for seed in range(args.seeds)]
    histories = [checkpoint.load_history(folder) for folder in folders]

    print("| epoch | published train | ours train | published test | ours test | spread |")
    print("|---|---|---|---|---|---|")
    for index, rows in enumerate(zip(*histories, strict=True)):
        train = [100 * row.train_accuracy for row in rows]
        test = [100 * row.test_accuracy for row in rows]
        print(
            f"| {index + 1} | {PUBLISHED['train_accuracy'][index]:.2f} "
            f"| {statistics.fmean(train):.2f} | {PUBLISHED['test_accuracy'][index]:.2f} "
            f"| {statistics.fmean(test):.2f} | {summarize(test).std:.2f} |"
        )

    models = [checkpoint.load_model(folder) for folder in folders]
    result = {"recipe": recipe.name, "seeds": args.seeds}
    for name, norm in {"with_slip": recipe.test_norm, "without_slip": recipe.train_norm}.items():
        summary = summarize([evaluate(model, splits, norm).accuracy for model in models])
        result[name] = {"mean": summary.mean, "std": summary.std, "interval": summary.interval}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
