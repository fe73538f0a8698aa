"""Three plots: test accuracy against seconds of training, parameters, and microseconds per image.

The first is drawn from the JSON line of train_speed.py, in any file with its output, the second
from results/accuracy.json, the third from that and the JSON line of latency.py.

    python benchmarks/plot_results.py benchmarks/results/train_speed_MACHINE_DATE.txt \
        --latency benchmarks/results/latency_MACHINE_DATE.txt
"""

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from cnn_mnist.training.runs.plots import PUBLISHED

ROOT = Path(__file__).parent.parent
OURS, OTHERS = "#c1440e", "#5f6b7a"
STYLES = {"original, lean": "o-", "original, torchvision": "s--"}


def last_json(path: Path) -> dict[str, Any]:
    """The last line of a file that is a JSON object.

    Raises:
        ValueError: there is none.
    """
    lines = [line for line in path.read_text().splitlines() if line.startswith("{")]
    if not lines:
        raise ValueError(f"{path} holds no JSON line; keep the benchmark's whole output")
    return dict(json.loads(lines[-1]))


def accuracy_by_seconds(result: dict[str, Any]) -> Figure:
    """Whole trainings as points; the original by its published accuracies, epoch by epoch."""
    figure, axes = canvas()
    for name, system in result["systems"].items():
        seconds = system["seconds"]
        if name in STYLES:
            epoch, published = statistics.median(seconds), PUBLISHED["test_accuracy"]
            times = [epoch * (number + 1) for number in range(len(published))]
            label = f"{name}: ten epochs, published accuracies"
            axes.plot(times, published, STYLES[name], color=OTHERS, ms=4, label=label, alpha=0.8)
        elif "accuracy" in system:
            ours = name.startswith("recipe ")
            colour = OURS if ours else OTHERS
            accuracies = [100 * value for value in system["accuracy"]]
            mean = statistics.median(seconds), statistics.fmean(accuracies)
            axes.plot(seconds, accuracies, ".", color=colour, alpha=0.4)
            axes.plot(*mean, "D" if ours else "^", color=colour, ms=8)
            annotate(axes, name.removeprefix("recipe "), mean, colour)
    axes.set(
        xlabel="seconds of training, without the test",
        ylabel="MNIST test accuracy (%)",
        title=f"{result['cores']} cores of {result['processor']}, torch {result['torch']}",
    )
    figure.legend(frameon=False, loc="outside lower center", fontsize=9)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    return figure


def accuracy_by_params(rows: list[dict[str, Any]]) -> Figure:
    """Means with their 95% intervals; single runs as open marks without one."""
    figure, axes = canvas()
    axes.margins(x=0.2)
    for row in rows:
        mark(axes, row, row["params"])
    axes.set(
        xlabel="parameters", title="open: one run; filled: the mean of n, with its 95% interval"
    )
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    return figure


def accuracy_by_latency(rows: list[dict[str, Any]], result: dict[str, Any]) -> Figure:
    """As by parameters, for the timed networks; horizontal bars show the rounds' spread."""
    figure, axes = canvas()
    axes.margins(x=0.25)
    for row in rows:
        if times := result["microseconds"].get(row.get("network")):
            colour = OURS if row["ours"] else OTHERS
            axes.hlines(row["mean"], times["min"], times["max"], color=colour, lw=1, alpha=0.6)
            mark(axes, row, times["median"])
    axes.set(
        xlabel="microseconds an image on one core, one image a call, ONNX Runtime",
        title=f"{result['processor']}; open: one run; filled: the mean of n, 95% interval",
    )
    axes.set_xlim(left=0)
    return figure


def mark(axes: Axes, row: dict[str, Any], x: float) -> None:
    """Plot a model's accuracy at x."""
    colour = OURS if row["ours"] else OTHERS
    if row["low"] is not None:
        axes.vlines(x, row["low"], row["high"], color=colour, lw=2)
    face = colour if row["n"] > 1 else "white"
    axes.plot(x, row["mean"], "D" if row["ours"] else "o", color=colour, mfc=face, ms=7)
    axes.set_ylabel("MNIST test accuracy (%)")
    runs = f" (n = {row['n']})" if row["n"] > 1 else ""
    annotate(axes, f"{row['name']}{runs}", (x, row["mean"]), colour, left=not row["ours"])


def canvas() -> tuple[Figure, Axes]:
    figure = Figure(figsize=(8, 5), layout="constrained", dpi=150)
    axes = figure.add_subplot()
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def annotate(
    axes: Axes, text: str, point: tuple[float, float], colour: str, left: bool = False
) -> None:
    offset, side = ((-9, -12), "right") if left else ((9, 4), "left")
    axes.annotate(
        text, point, offset, textcoords="offset points", ha=side, color=colour, fontsize=9
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("speed", type=Path, nargs="?", help="output of train_speed.py")
    parser.add_argument("--latency", type=Path, help="output of latency.py")
    parser.add_argument("--accuracy", type=Path, default=ROOT / "benchmarks/results/accuracy.json")
    parser.add_argument("--out", type=Path, default=ROOT / "docs/pictures")
    args = parser.parse_args()
    if args.speed:
        accuracy_by_seconds(last_json(args.speed)).savefig(args.out / "speed.png")
    rows = json.loads(args.accuracy.read_text())
    accuracy_by_params(rows).savefig(args.out / "accuracy.png")
    if args.latency:
        accuracy_by_latency(rows, last_json(args.latency)).savefig(args.out / "latency.png")


if __name__ == "__main__":
    main()
