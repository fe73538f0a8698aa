"""How many drawings per second the server answers, and how long an answer takes.

    python benchmarks/serve_load.py --workers 1 2 --seconds 20

Starts `cnn-mnist serve` on a free port and loads it over loopback with hey (on Debian, `apt install
hey`), which sends a two-digit number as the drawing page does. hey runs on the same
processor. For each number of workers:

    most       enough clients to saturate it
    70 %       70% of that rate, from as many clients
    overload   four times as many clients as may be in flight: the rest must get a 503

During the overload a second client checks every answer it gets, and the memory of the server's
processes is read eleven times. The breakdown of one answer's time is measured in this process.
"""

import argparse
import io
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import psutil
from PIL import Image, ImageDraw

from cnn_mnist import process
from cnn_mnist.inference.pictures import image
from cnn_mnist.inference.reader import Reader
from cnn_mnist.inference.recognition.normalize import even_stroke, to_mnist
from cnn_mnist.inference.segmentation import ink, segment

CANVAS = 640, 448  # px, the drawing page's
CLIENTS = 8
IN_FLIGHT = 32  # a worker's limit
STROKES: dict[str, list[list[tuple[float, float]]]] = {
    "4": [[(0.7, 0), (0, 0.65), (1, 0.65)], [(0.7, 0), (0.7, 1)]],
    "7": [[(0, 0), (1, 0), (0.4, 1)]],
}
TEXT = "47"


def drawing(text: str) -> bytes:
    """What the page sends of `text`, drawn with a pen of 20 px: half the canvas' size."""
    sheet = Image.new("RGB", CANVAS, "white")
    draw = ImageDraw.Draw(sheet)
    for index, digit in enumerate(text):
        left = CANVAS[0] / 2 - 100 * len(text) + 200 * index + 40
        for stroke in STROKES[digit]:
            points = [(left + 120 * x, 100 + 240 * y) for x, y in stroke]
            draw.line(points, "black", 20, joint="curve")
    content = io.BytesIO()
    sheet.reduce(2).save(content, "PNG")
    return content.getvalue()


def hey(url: str, body: Path, seconds: int, clients: int, rate: float = 0) -> dict[str, Any]:
    """Send one body for some seconds; rate is requests per second in all, 0 for no limit."""
    limit = ["-q", f"{rate / clients:.3f}"] if rate else []
    command = ["hey", "-z", f"{seconds}s", "-c", str(clients), *limit, "-m", "POST"]
    command += ["-T", "image/png", "-D", str(body), "-t", "30", url + "v1/predict"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    quantiles = dict(re.findall(r"(\d+)%+ in ([\d.]+) secs", text))
    statuses = {code: int(n) for code, n in re.findall(r"\[(\d+)\]\s+(\d+) responses", text)}
    errors = sum(map(int, re.findall(r"^  \[(\d+)\]\s+Post", text, re.M)))
    (per_second,) = re.findall(r"Requests/sec:\s+([\d.]+)", text)
    return {
        "clients": clients,
        "per_second": round(float(per_second), 1),
        "p50": round(1000 * float(quantiles["50"]), 1),
        "p99": round(1000 * float(quantiles["99"]), 1) if "99" in quantiles else None,
        "statuses": statuses | ({"broken": errors} if errors else {}),
    }


class Checker(threading.Thread):
    """A client that keeps asking, reads each answer, and monitors the server's memory."""

    def __init__(self, url: str, body: bytes, pid: int, every: float) -> None:
        super().__init__()
        self._url, self._body, self._over = url, body, threading.Event()
        self._pid, self._every = pid, every  # seconds between two looks at the memory
        self.right = self.wrong = self.shed = 0
        self.memory = [memory(pid)]

    def run(self) -> None:
        began = time.monotonic()
        with httpx.Client(timeout=60) as client:
            while not self._over.is_set():
                if time.monotonic() >= began + self._every * len(self.memory):
                    self.memory.append(memory(self._pid))
                answer = client.post(self._url + "v1/predict", content=self._body)
                if answer.status_code == 503 and answer.headers["retry-after"]:
                    self.shed += 1
                elif answer.status_code == 200 and answer.json()["text"] == TEXT:
                    self.right += 1
                else:
                    self.wrong += 1

    def end(self) -> dict[str, object]:
        self._over.set()
        self.join()
        checked = {"right": self.right, "wrong": self.wrong, "shed": self.shed}
        return {"checked": checked, "memory_mib": self.memory}


def memory(pid: int) -> int:
    """Resident MiB of a process and its children."""
    processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    return sum(int(process.memory_info().rss) for process in processes) >> 20


def measure(workers: int, seconds: int, overload: int, body: Path) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "cnn_mnist", "serve", "--port", "0"]
    command += ["--workers", str(workers), "--max-in-flight", str(IN_FLIGHT)]
    with tempfile.TemporaryFile() as log:
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            assert server.stdout
            url = server.stdout.readline().split()[1]
            hey(url, body, 3, CLIENTS)  # warm
            most = hey(url, body, seconds, CLIENTS)
            answered = most["statuses"]["200"] / seconds
            steady = hey(url, body, seconds, CLIENTS, 0.7 * answered)
            checker = Checker(url, body.read_bytes(), server.pid, overload / 10)
            checker.start()
            flood = hey(url, body, overload, 4 * IN_FLIGHT * workers)
            flood |= checker.end()
        finally:
            server.terminate()
            server.wait()
    kinds = {"most": most, "70 %": steady, "overload": flood}
    return [{"workers": workers, "kind": kind, **values} for kind, values in kinds.items()]


def where_the_time_goes(body: bytes) -> dict[str, float]:
    """Milliseconds of each step of one answer, the minimum of many."""
    cv2.setNumThreads(1)
    process.keep_memory()
    reader, page = Reader(threads=1), image.load(body)
    marks = ink.find(page.pixels)
    glyphs = segment.split(marks)

    def framed() -> np.ndarray:
        return np.stack([to_mnist(even_stroke(glyph.ink)) for glyph in glyphs])

    frames = framed()
    steps: dict[str, Callable[[], object]] = {
        "decode": lambda: image.load(body),
        "ink": lambda: ink.find(page.pixels),
        "segment": lambda: segment.split(marks),
        "normalize": framed,
        "model": lambda: reader.classifier.probs(frames),
        "whole reading": lambda: reader.read(body),
    }
    return {name: round(1000 * least(step), 2) for name, step in steps.items()}


def least(step: Callable[[], object], repeats: int = 50) -> float:
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        step()
        times.append(time.perf_counter() - began)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--seconds", type=int, default=20, help="of each measurement")
    parser.add_argument("--overload", type=int, default=20, help="seconds of the overload")
    options = parser.parse_args()
    if not shutil.which("hey"):
        sys.exit("this needs hey: apt install hey")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        body = Path(folder) / "drawing.png"
        body.write_bytes(drawing(TEXT))
        for workers in options.workers:
            for row in measure(workers, options.seconds, options.overload, body):
                rows.append(row)
                print(row, file=sys.stderr)
        times = where_the_time_goes(body.read_bytes())
    machine = {"processor": platform.processor(), "cores": len(os.sched_getaffinity(0))}
    print(json.dumps({"rows": rows, "ms_of_one_answer": times, **machine}))


if __name__ == "__main__":
    main()
