"""Microseconds per image on one core, for our networks and public ones rebuilt here.

Each is exported and run by ONNX Runtime, one image per call, one thread, taking turns. Processor
time is measured rather than wall-clock time, so other work on the machine matters less. Weights do
not affect it, so they are random. The last line is one JSON object, read by plot_results.py.

    python benchmarks/latency.py > benchmarks/results/latency_MACHINE_DATE.txt
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"

import argparse
import json
import time
from collections.abc import Callable

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import nn

from cnn_mnist.inference.recognition.classifier import session_options
from cnn_mnist.training.models.networks import MODELS
from cnn_mnist.training.recipes import NORM
from cnn_mnist.training.runs.export import Exported, for_onnx_runtime, to_onnx
from peers.published import WideNet
from timing import describe, spread

NETWORKS: dict[str, Callable[[], nn.Module]] = {
    **{name: MODELS[name] for name in ("net", "bn", "bn-small")},
    "train_mnist_fast": WideNet,
}


def session(network: nn.Module) -> onnxruntime.InferenceSession:
    """A network in a single-threaded session."""
    example = torch.zeros(2, 28, 28, dtype=torch.uint8)
    names = ("images", ["logits", "probabilities"])
    exported = for_onnx_runtime(Exported(network.eval(), NORM, 1.0))
    content = to_onnx(exported, example, {0: "N"}, names, {})
    return onnxruntime.InferenceSession(content, session_options(), ["CPUExecutionProvider"])


def measure(
    sessions: dict[str, onnxruntime.InferenceSession], images: NDArray[np.uint8], rounds: int
) -> dict[str, list[float]]:
    """Processor microseconds per image for each network, in every round."""
    times: dict[str, list[float]] = {name: [] for name in sessions}
    for _ in range(rounds):
        for name, made in sessions.items():
            made.run(["probabilities"], {"images": images[:1]})
            began = time.thread_time()
            for image in images:
                made.run(["probabilities"], {"images": image[None]})
            times[name].append((time.thread_time() - began) / len(images) * 1e6)
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9, help="number of rounds")
    parser.add_argument("--images", type=int, default=500, help="images per round")
    args = parser.parse_args()
    images = np.random.default_rng(0).integers(0, 256, (args.images, 28, 28), dtype=np.uint8)
    sessions = {name: session(make()) for name, make in NETWORKS.items()}
    times = measure(sessions, images, args.rounds)
    rows = {name: spread(values, 1) for name, values in times.items()}
    for name, row in rows.items():
        print(f"{name:18}{row['median']:8.1f} µs ({row['min']:.1f} to {row['max']:.1f})")
    about = {"what": "microseconds an image, one a call", "rounds": args.rounds, **describe()}
    print(json.dumps({**about, "microseconds": rows}))


if __name__ == "__main__":
    main()
