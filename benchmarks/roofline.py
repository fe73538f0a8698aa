"""How close training and inference come to the machine's limits, and how their time grows.

The ceilings are measured here: multiply-adds from registers only (all threads at once, compiled by
cc), matrix products in float32 and bfloat16, and copying memory. For training and inference, the
multiply-adds of the convolutions and linear layers are counted from the shapes that pass through
them: a training step has each layer's forward pass, the gradient of its weights and, except for the
first layer, the gradient of its input. Augmentation, pooling, ReLU, softmax and optimizer take time
but count as nothing. One multiply-add is two operations.

Then seconds per image over batch sizes, and seconds over numbers of images and of epochs. The last
line is one JSON object.

    python benchmarks/roofline.py
"""

import argparse
import contextlib
import ctypes
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from cnn_mnist import process

CORES = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
if __name__ == "__main__":
    process.tune()  # before torch loads, as the command line does

import torch
from torch import nn

from cnn_mnist.training import load, recipes
from cnn_mnist.training.data import Split
from cnn_mnist.training.device import precision
from cnn_mnist.training.loop import start, train_epoch
from cnn_mnist.training.models.networks import Net, layer_outputs
from predict_speed import in_batches, session
from timing import describe, spread

SIZES = {"steps": 10_000_000, "side": 2048, "megabytes": 256}  # sizes of the ceilings' measurements
CHAINS = 12  # independent sums, enough to hide each multiply-add's latency
FMA = f"""
#ifdef __AVX512F__
#define BYTES 64
#else
#define BYTES 32
#endif
typedef float vector __attribute__((vector_size(BYTES)));  // wider sums spill to memory
int lanes(void) {{ return BYTES / sizeof(float); }}
float multiply_add(long steps, float a, float b) {{
    vector sums[{CHAINS}], factor = a - (vector){{0}};
    for (int i = 0; i < {CHAINS}; i++) sums[i] = (float)i - (vector){{0}};  // else merged
    while (steps--)
        for (int i = 0; i < {CHAINS}; i++)
            sums[i] = sums[i] * factor + b;
    float total = 0;
    for (int i = 0; i < {CHAINS}; i++) total += sums[i][0];
    return total;
}}
"""


def multiply_adds(net: Net) -> dict[str, int]:
    """The forward pass of one image, cut to what the network sees, by layer."""
    return {
        name: output[0].numel() * layer.weight[0].numel()
        for name, layer, output in layer_outputs(net, net.seen)
        if isinstance(layer, nn.Conv2d | nn.Linear)
    }


def training_multiply_adds(net: Net) -> int:
    """One image's forward and backward pass, without the gradient of the image itself."""
    counts = list(multiply_adds(net).values())
    return 3 * sum(counts) - counts[0]


def seconds(work: Callable[[], object], rounds: int) -> list[float]:
    """Seconds of each round, after an uncounted one."""
    work()
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return times


@contextlib.contextmanager
def unbound() -> Iterator[None]:
    """Threads started meanwhile may use every core; torch binds this one, and its children."""
    if not CORES:
        yield
        return
    bound = os.sched_getaffinity(0)
    os.sched_setaffinity(0, CORES)
    yield
    os.sched_setaffinity(0, bound)


def fma_rate(rounds: int, steps: int) -> float | None:
    """GFLOP/s of float32 from registers on as many threads as torch uses; None without cc."""
    threads = torch.get_num_threads()
    with tempfile.TemporaryDirectory() as folder:
        code, library = Path(folder, "fma.c"), Path(folder, "fma.so")
        code.write_text(FMA)
        line = ["cc", "-O3", "-march=native", "-fPIC", "-shared"]
        try:
            subprocess.run([*line, code, "-o", library], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            return None
        compiled = ctypes.CDLL(str(library))
    run, lanes = compiled.multiply_add, int(compiled.lanes())
    work = [(steps, 0.5, 1.0)] * threads
    run.argtypes, run.restype = [ctypes.c_long, ctypes.c_float, ctypes.c_float], ctypes.c_float
    with unbound(), ThreadPoolExecutor(threads) as pool:
        best = min(seconds(lambda: list(pool.map(run, *zip(*work, strict=True))), rounds))
    return 2 * threads * steps * CHAINS * lanes / best / 1e9


def matrix_rate(dtype: torch.dtype, rounds: int, side: int) -> float:
    """GFLOP/s of the product of two square matrices."""
    a, b = (torch.randn(side, side).to(dtype) for _ in "ab")
    return 2 * side**3 / min(seconds(lambda: a @ b, rounds)) / 1e9


def copy_rate(rounds: int, megabytes: int) -> float:
    """GB/s read and written together, of a block larger than any cache."""
    source = torch.zeros(megabytes << 20, dtype=torch.uint8)
    target = torch.zeros_like(source)
    return 2 * source.numel() / min(seconds(lambda: target.copy_(source), rounds)) / 1e9


def training_seconds(train: Split, batch_size: int, rounds: int, epochs: int = 1) -> list[float]:
    """Seconds of epochs of the default recipe, in float32 or bfloat16 as it chooses."""
    recipe = recipes.get("default").changed(batch_size=batch_size, epochs=epochs)
    run = start(recipe, precision=precision(torch.device("cpu"), recipe))

    def work() -> None:
        for epoch in range(epochs):
            train_epoch(run, train, epoch + 1)

    return seconds(work, rounds)


def inference_seconds(train: Split, batch_size: int, rounds: int) -> list[float]:
    """Seconds of ONNX Runtime in float32 on as many threads as torch uses."""
    with unbound():
        classify = in_batches(session(torch.get_num_threads()), batch_size)
    images = train.images.numpy()
    return seconds(lambda: classify(images), rounds)


def table(
    title: str, unit: float, rows: Iterable[tuple[int, list[float]]]
) -> dict[str, dict[str, float]]:
    """Print and return the spread of each row's seconds, in that unit."""
    print(f"\n{title}: median, min, max")
    found = {}
    for key, values in rows:
        found[str(key)] = spread([value / unit for value in values], 3)
        print(f"{key:>8,}" + "".join(f"{value:10.3f}" for value in found[str(key)].values()))
    return found


def measure(train: Split, rounds: int, batch_sizes: Iterable[int]) -> dict[str, Any]:
    """All ceilings, fractions and growth; train holds all training images."""
    count, step = sum(multiply_adds(Net()).values()), training_multiply_adds(Net())
    print(f"multiply-adds an image: forward {count:,}, training {step:,}")
    ceilings = {
        "fma_float32": fma_rate(rounds, SIZES["steps"]),
        "matrix_float32": matrix_rate(torch.float32, rounds, SIZES["side"]),
        "matrix_bfloat16": matrix_rate(torch.bfloat16, rounds, SIZES["side"]),
    }
    for name, rate in ceilings.items():
        print(f"{name:16} {rate or float('nan'):8.1f} GFLOP/s")
    print(f"{'copy':16} {(copied := copy_rate(rounds, SIZES['megabytes'])):8.1f} GB/s")

    some = train[: len(train) // 4]
    batch = {
        "training": table(
            "training, µs an image by batch size",
            len(some) * 1e-6,
            ((size, training_seconds(some, size, rounds)) for size in batch_sizes),
        ),
        "inference": table(
            "inference, µs an image by batch size",
            len(some) * 1e-6,
            ((size, inference_seconds(some, size, rounds)) for size in batch_sizes),
        ),
    }
    sizes = [len(train) // 4, len(train) // 2, len(train)]
    grows = {
        "images": table(
            "training, seconds an epoch by images",
            1,
            ((size, training_seconds(train[:size], 256, rounds)) for size in sizes),
        ),
        "epochs": table(
            f"training, seconds by epochs of {len(some):,} images",
            1,
            ((n, training_seconds(some, 256, rounds, n)) for n in (1, 2, 4)),
        ),
    }

    done = {
        "training, batch 256": 2e-3 * step / batch["training"]["256"]["median"],
        "inference, batch 512": 2e-3 * count / batch["inference"]["512"]["median"],
    }
    reached = {}
    for name, rate in done.items():
        shares = {ceiling: rate / limit for ceiling, limit in ceilings.items() if limit}
        reached[name] = {"gflops": round(rate, 2)} | {k: round(v, 4) for k, v in shares.items()}
        listed = ", ".join(f"{share:.1%} of {ceiling}" for ceiling, share in shares.items())
        print(f"\n{name}: {rate:.1f} GFLOP/s, {listed}")
    return {
        "multiply_adds": {"forward": count, "training": step},
        "gflops": {name: rate and round(rate, 1) for name, rate in ceilings.items()},
        "copy_gb_per_s": round(copied, 2),
        "reached": reached,
        "us_an_image_by_batch": batch,
        "seconds_by": grows,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    found = measure(load("mnist").train, args.rounds, (64, 128, 256, 512, 1024, 2048))
    print(json.dumps({"rounds": args.rounds, **describe(), **found}))


if __name__ == "__main__":
    main()
