"""Gains and costs of many workers: bulk reading, memory, lost workers, studies, tiny tasks.

    python benchmarks/scale.py
    python benchmarks/scale.py --parts reading tiny --pictures 2000 --rounds 1

Each part runs on a local pool of processes and on a Dask cluster on loopback, with one and two
workers of one thread each. The pictures are generated: 100 pages of 160x120 pixels with two digits,
under as many names as needed. Both cores of a two-core machine must be idle.

    reading   pictures per second, warm workers, against the plain reader; ratios within a round
    memory    the peak of all processes together, for few and for many pictures
    killed    a worker is killed ten times during a job: is the file the same as without?
    study     short trainings on two workers: are the rows those of the serial study, and how long?
    tiny      tasks that do nothing: the engine's own overhead per task
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from pathlib import Path
from typing import Any

import cv2
import dask
import psutil
from distributed import LocalCluster
from PIL import Image, ImageDraw

from cnn_mnist.bulk import Addresses, Results, Settings, run
from cnn_mnist.inference.reader import Reader
from cnn_mnist.workers import Workers, workers
from generators.plain_digits import write

ENGINES = ("pool", "cluster")
# As docs/scale.md says: Dask's event loops wake 150 times a second for measures of their own.
SETTINGS = {"distributed.admin.tick.interval": "1s", "distributed.worker.profile.enabled": False}
KILLS, SETTLED = 10, 6  # times, seconds


def pictures(folder: Path, number: int) -> Path:
    """That many names in folders of 1,000, of 100 different files."""
    folder.mkdir()
    originals = [folder / f"{index}.png" for index in range(100)]
    for index, path in enumerate(originals):
        sheet = Image.new("RGB", (160, 120), "white")
        draw = ImageDraw.Draw(sheet)
        corner = 30 + index // 20, 25 + index % 20
        write(draw, ("47", "74")[index % 2], corner, (35, 70), pitch=55, pen=6)
        sheet.save(path)
    named = folder / str(number)
    for index in range(number):
        within = named / f"{index // 1000:05}"
        if index % 1000 == 0:
            within.mkdir(parents=True)
        os.link(originals[index % 100], within / f"{index:08}.png")
    return named


@contextlib.contextmanager
def engine(kind: str, count: int, prepare: Any = None) -> Iterator[Workers]:
    with contextlib.ExitStack() as stack:
        address = None
        if kind == "cluster":
            stack.enter_context(dask.config.set(SETTINGS))
            local = LocalCluster(
                n_workers=count, threads_per_worker=1, dashboard_address="127.0.0.1:0"
            )
            address = stack.enter_context(local).scheduler_address
        more = {"prepare": prepare} if prepare else {}
        yield stack.enter_context(workers(count, address, **more))


def read(
    pool: Workers, source: Path, out: Path, on_done: Callable[[int], None] | None = None
) -> float:
    """Seconds of a job."""
    began = time.perf_counter()
    settings = Settings.here(False, None, 60)
    with Results(out, settings.kept()) as results:
        run(pool, Addresses([str(source)], []), settings, results, on_done)
    return time.perf_counter() - began


def reading(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    number = options.pictures
    source, warm = pictures(folder / "a", number), pictures(folder / "b", 400)
    some = [str(path) for path in sorted(source.rglob("*.png"))[:1000]]
    cv2.setNumThreads(1)
    reader, rates = Reader(threads=1), defaultdict[str, list[float]](list)
    for turn in range(options.rounds):
        began = time.perf_counter()
        for path in some:
            reader.read(path)
        rates["reader"].append(len(some) / (time.perf_counter() - began))
        for kind in ENGINES:
            for count in (1, 2):
                with engine(kind, count) as pool:
                    read(pool, warm, folder / f"warm-{kind}{count}{turn}.jsonl")
                    seconds = read(pool, source, folder / f"{kind}{count}{turn}.jsonl")
                rates[f"{kind} {count}"].append(number / seconds)

    def over(one: str, other: str) -> float:
        within = [a / b for a, b in zip(rates[one], rates[other], strict=True)]
        return float(round(statistics.median(within), 3))

    return {
        "pictures": number,
        "rounds": options.rounds,
        "pictures_a_second": {k: round(statistics.median(v), 1) for k, v in rates.items()},
        "all": {name: [round(rate, 1) for rate in values] for name, values in rates.items()},
        "two_over_one": {kind: over(f"{kind} 2", f"{kind} 1") for kind in ENGINES},
        "cluster_over_pool": {n: over(f"cluster {n}", f"pool {n}") for n in (1, 2)},
    }


def memory(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    peaks = {}
    for number in options.memory:
        source = pictures(folder / f"m{number}", number)
        command = [sys.executable, "-m", "cnn_mnist", "predict", str(source), "--workers", "2"]
        began = time.perf_counter()
        job = subprocess.Popen([*command, "--out", str(folder / f"m{number}.jsonl")])
        most = 0.0
        while job.poll() is None:
            most = max(most, held(psutil.Process(job.pid)))
            time.sleep(0.1)
        assert job.returncode == 0
        seconds = round(time.perf_counter() - began, 1)
        peaks[number] = {"peak_mib": round(most / 2**20, 1), "seconds": seconds}
    return peaks


def held(process: psutil.Process) -> float:
    """Bytes of a process and its children, with shared pages counted once."""
    total = 0
    with contextlib.suppress(psutil.NoSuchProcess):
        for each in [process, *process.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                total += each.memory_full_info().pss
    return total


def killed(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    source, outcome = pictures(folder / "k", options.pictures), {}
    for kind in ENGINES:
        kills: list[int] = []

        def kill(done: int, kind: str = kind, kills: list[int] = kills) -> None:
            if done >= options.pictures * (len(kills) + 1) / (KILLS + 1) and len(kills) < KILLS:
                for worker in working(SETTLED if kind == "cluster" else 0)[:1]:
                    worker.kill()
                    kills.append(worker.pid)

        quiet, disturbed = (folder / f"{kind}-{name}.jsonl" for name in ("quiet", "disturbed"))
        with engine(kind, 2) as pool:
            undisturbed = read(pool, source, quiet)
            seconds = read(pool, source, disturbed, kill)
        outcome[kind] = {
            "kills": len(set(kills)),
            "identical": quiet.read_bytes() == disturbed.read_bytes(),
            "seconds": (round(undisturbed, 1), round(seconds, 1)),
        }
    return outcome


def working(age: float) -> list[psutil.Process]:
    """The workers that have been up for so many seconds; with an age, waits until there is one.

    Dask does not replace a worker that dies while it starts.
    """
    while True:
        found = []
        for child in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):  # it has just died
                settled = time.time() - child.create_time() >= age
                if settled and "spawn_main" in " ".join(child.cmdline()):
                    found.append(child)
        if found or not age:
            return found
        time.sleep(0.1)


def studied(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    import torch

    from cnn_mnist.training import load, recipes
    from cnn_mnist.training.runs.run_folder import load_metrics
    from cnn_mnist.training.studies.study import study
    from cnn_mnist.training.studies.workers import Shared, StudyWorkers

    torch.set_num_threads(1)
    splits = load("digits")
    recipe = recipes.get("reference").changed(epochs=3).sized_for(len(splits.train))
    seeds = range(options.seeds)

    def rows(name: str) -> list[Any]:
        found = []
        for seed in seeds:
            path = folder / name / f"seed-{seed}"
            row = load_metrics(path) | {"run": "", "seconds_train": 0}
            found.append((row, (path / "model.safetensors").read_bytes()))
        return found

    began = time.perf_counter()
    study(recipe, splits, seeds, folder / "serial")
    seconds = {"serial": round(time.perf_counter() - began, 2)}
    equal = {}
    for kind in ENGINES:
        shared = Shared(recipe, splits)
        with engine(kind, 2, shared) as pool:
            wait([pool.submit(time.sleep, 1) for _ in range(2)])
            began = time.perf_counter()
            study(recipe, splits, seeds, folder / kind, workers=StudyWorkers(pool, shared.key))
            seconds[kind] = round(time.perf_counter() - began, 2)
        equal[kind] = rows(kind) == rows("serial")
    return {"seeds": len(seeds), "seconds": seconds, "equal": equal}


def tiny(_: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Microseconds per task, of the engine and everything that waits for it."""
    took = {}
    for kind in ENGINES:
        with engine(kind, 2) as pool:
            wait([pool.submit(abs, n) for n in range(100)])
            began = time.perf_counter()
            wait([pool.submit(abs, n) for n in range(options.tasks)])
            took[kind] = round(1e6 * (time.perf_counter() - began) / options.tasks)
    return {"tasks": options.tasks, "microseconds": took}


PARTS = {"reading": reading, "memory": memory, "killed": killed, "study": studied, "tiny": tiny}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--pictures", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--tasks", type=int, default=10_000)
    options = parser.parse_args()
    figures: dict[str, Any] = {}
    for name in options.parts:
        with tempfile.TemporaryDirectory() as folder:
            figures[name] = PARTS[name](Path(folder), options)
        print({name: figures[name]}, file=sys.stderr)
    from timing import describe  # here: it needs torch, and the workers load this module, too

    print(json.dumps(figures | describe()))


if __name__ == "__main__":
    main()
