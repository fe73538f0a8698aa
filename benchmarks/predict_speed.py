"""Images per second of ONNX Runtime and torch with the same weights, and start-up of `predict`.

All ways of classifying the same MNIST test images (bytes in, probabilities out) take turns in every
round, at batch 1 and 512:

* torch, n threads: the exported graph's computation, eager, in inference mode.
* session, n threads: ONNX Runtime with that many threads within an operator.
* callers n: n Python threads that share a single-threaded session and the batches.
* Classifier: as in the package, with all images at once, and with one.

Then `cnn-mnist predict` of one picture against `import torch`, as processes. The last line is one
JSON object.

    python benchmarks/predict_speed.py --rounds 9
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from PIL import Image

from cnn_mnist import shelf
from cnn_mnist.inference.recognition.classifier import Classifier
from cnn_mnist.training import load
from cnn_mnist.training.runs import checkpoint
from cnn_mnist.training.runs.config import load_config
from cnn_mnist.training.runs.export import Exported
from timing import describe, spread

Images = NDArray[np.uint8]
Classify = Callable[[Images], Any]  # N×28×28 → probabilities, all at once
THREADS = (1, 2)
PARTS = (32, 64, 128, 512)  # images per call, where all are classified at once


def torch_eager(threads: int) -> Classify:
    """The released weights in torch."""
    model = checkpoint.load_model(shelf.get("reader").folder)
    norm = load_config(shelf.get("reader").folder).recipe.test_norm
    exported = Exported(model.eval(), norm, temperature=1.0)

    @torch.inference_mode()
    def classify(images: Images) -> NDArray[np.float32]:
        torch.set_num_threads(threads)
        return np.asarray(exported(torch.from_numpy(images))[1])

    return classify


def session(threads: int) -> Classify:
    """The released file in a plain session."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    made = onnxruntime.InferenceSession(
        shelf.file("reader", shelf.ONNX), options, ["CPUExecutionProvider"]
    )
    return lambda images: made.run(["probabilities"], {"images": images})[0]


def in_batches(classify: Classify, size: int) -> Classify:
    return lambda images: [classify(images[i : i + size]) for i in range(0, len(images), size)]


def callers(threads: int, size: int) -> Classify:
    """That many Python threads on one single-threaded session, each taking every n-th batch."""
    classify = session(1)
    pool = ThreadPoolExecutor(threads)

    def work(first: int, images: Images) -> None:
        for i in range(first * size, len(images), threads * size):
            classify(images[i : i + size])

    return lambda images: list(pool.map(work, range(threads), [images] * threads))


def ways(size: int) -> dict[str, Classify]:
    """All ways to classify in batches of that size."""
    found = {f"torch, threads {n}": in_batches(torch_eager(n), size) for n in THREADS}
    found |= {f"session, threads {n}": in_batches(session(n), size) for n in THREADS}
    if size == 1:
        return found | {"Classifier": in_batches(Classifier().probs, 1)}
    found |= {f"callers {n}, batch {part}": callers(n, part) for n in THREADS for part in PARTS}
    return found | {"Classifier": Classifier().probs}


def measure(found: dict[str, Classify], images: Images, rounds: int) -> dict[str, list[float]]:
    """Microseconds per image of every way, in every round."""
    times: dict[str, list[float]] = {name: [] for name in found}
    for _ in range(rounds):
        for name, classify in found.items():
            classify(images[: len(images) // 8])  # meanwhile, other ways' threads go to sleep
            began = time.perf_counter()
            classify(images)
            times[name].append((time.perf_counter() - began) / len(images) * 1e6)
    return times


def start_up(rounds: int, image: Images) -> dict[str, list[float]]:
    """Seconds of a process that reads one picture, and of one that imports torch."""
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder, "digit.png")
        Image.fromarray(image).resize((280, 280)).save(picture)
        programs = {
            "predict": ["-m", "cnn_mnist", "predict", str(picture)],
            "import torch": ["-c", "import torch"],
        }
        times: dict[str, list[float]] = {name: [] for name in programs}
        for _ in range(rounds):
            for name, arguments in programs.items():
                began = time.perf_counter()
                subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
                times[name].append(time.perf_counter() - began)
    return times


def compare(images: Images, size: int, rounds: int) -> dict[str, Any]:
    """One batch size's table and figures."""
    times = measure(ways(size), images, rounds)
    medians = {name: statistics.median(values) for name, values in times.items()}
    eager = min(value for name, value in medians.items() if name.startswith("torch"))
    print(f"\nbatch {size:<18}{'µs an image: median, min, max':>34}{'images/s':>12}{'':4}ratio")
    rows = {}
    for name, values in times.items():
        rows[name] = spread(values, 2) | {"torch_ratio": round(eager / medians[name], 2)}
        columns = " ".join(f"{rows[name][what]:10.2f}" for what in ("median", "min", "max"))
        print(f"{name:24}{columns:>34}{1e6 / medians[name]:12,.0f}{rows[name]['torch_ratio']:9.2f}")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, help="number of rounds")
    parser.add_argument("--images", type=int, default=8192, help="a round; a sixteenth at batch 1")
    args = parser.parse_args()

    images = load("mnist").test.images.numpy()[: args.images]
    batches = {
        str(size): compare(some, size, args.rounds)
        for size, some in ((1, images[: max(1, len(images) // 16)]), (512, images))
    }
    print("\nratio: the faster torch's median over this one's")
    starts = {name: spread(values, 3) for name, values in start_up(5, images[0]).items()}
    for name, values in starts.items():
        print(f"{name:16}{values['median']:6.2f} s ({values['min']:.2f} to {values['max']:.2f})")
    result = {
        "what": "microseconds an image, and seconds of a process",
        "rounds": args.rounds,
        "images": len(images),
        **describe(),
        "batch": batches,
        "start_up": starts,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
