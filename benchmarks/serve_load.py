"""How many drawings per second the server answers, and how long an answer takes.

    python benchmarks/serve_load.py --workers 1 2 --seconds 20

Starts `cnn-mnist serve` on a free port and loads it over loopback with hey (on Debian, `apt install
hey`), which sends a two-digit number as the drawing page does. hey runs on the same
processor. For each number of workers:

    most       enough clients to saturate it
    70 %       70% of that rate, from as many clients
    overload   four times as many clients as may be in flight: the rest must get a 503

In turn with it, the first two are measured of a plain server (peers/plain_server.py) with as many
workers. During the overload a second client checks every answer it gets, and the memory of the
server's processes is read eleven times. The processor time of one answer's parts is measured in
this process.
"""

import argparse
import contextlib
import io
import json
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import httpx
import numpy as np
import psutil
from PIL import Image, ImageDraw

from cnn_mnist import process
from cnn_mnist.inference.layout import grid, lines
from cnn_mnist.inference.pictures import image
from cnn_mnist.inference.reader import Reader
from cnn_mnist.inference.recognition.classifier import tta_probs
from cnn_mnist.inference.recognition.normalize import even_stroke, to_mnist
from cnn_mnist.inference.segmentation import ink, segment
from generators.plain_digits import write
from timing import describe

CANVAS = 640, 448  # px, the drawing page's
HEIGHT, SENT = 240, 64  # px of a digit on the canvas, and in the picture that is sent
CLIENTS = 8
IN_FLIGHT = 32  # a worker's limit
HERE = Path(__file__).parent
TEXT = "47"


def drawing(text: str) -> bytes:
    """What the page sends of `text`, drawn with a pen of 20 px."""
    sheet = Image.new("RGB", CANVAS, "white")
    draw = ImageDraw.Draw(sheet)
    corner = CANVAS[0] / 2 - 100 * len(text) + 40, 100
    write(draw, text, corner, (120, HEIGHT), pitch=200, pen=20)
    content = io.BytesIO()
    scale = SENT / HEIGHT
    size = [round(scale * side) for side in CANVAS]
    sheet.resize(size, Image.Resampling.BOX).save(content, "PNG")
    return content.getvalue()


class Target(NamedTuple):
    """What is loaded: an address, and a request's body and its type."""

    url: str
    body: Path
    kind: str = "image/png"


def hey(target: Target, seconds: int, clients: int, rate: float = 0) -> dict[str, Any]:
    """Send one body for some seconds; rate is requests per second in all, 0 for no limit."""
    limit = ["-q", f"{rate / clients:.3f}"] if rate else []
    command = ["hey", "-z", f"{seconds}s", "-c", str(clients), *limit, "-m", "POST"]
    command += ["-T", target.kind, "-D", str(target.body), "-t", "30", target.url]
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
                answer = client.post(self._url, content=self._body)
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
    return sum(int(each.memory_info().rss) for each in family(pid)) >> 20


def processor_seconds(pid: int) -> float:
    """Processor time of a process and its children so far."""
    return sum(sum(each.cpu_times()[:2]) for each in family(pid))


def family(pid: int) -> list[psutil.Process]:
    """A process and its children."""
    return [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]


@contextlib.contextmanager
def running(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A server, `python -m` something, for the length of a with-block."""
    command = [sys.executable, "-m", *arguments]
    with tempfile.TemporaryFile() as log:
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, cwd=HERE)
        try:
            yield server
        finally:
            server.terminate()
            server.wait()


def load(target: Target, pid: int, seconds: int) -> dict[str, dict[str, Any]]:
    """As much as it answers, with the server's processor time of an answer, and 70% of that."""
    hey(target, 3, CLIENTS)  # warm
    began = processor_seconds(pid)
    most = hey(target, seconds, CLIENTS)
    answered = most["statuses"]["200"]
    most["processor_ms"] = round(1000 * (processor_seconds(pid) - began) / answered, 2)
    return {"most": most, "70 %": hey(target, seconds, CLIENTS, 0.7 * answered / seconds)}


def ours(workers: int, seconds: int, overload: int, body: Path) -> dict[str, dict[str, Any]]:
    limits = ["--workers", str(workers), "--max-in-flight", str(IN_FLIGHT)]
    with running("cnn_mnist", "serve", "--port", "0", *limits) as server:
        assert server.stdout
        target = Target(server.stdout.readline().split()[1] + "v1/predict", body)
        rows = load(target, server.pid, seconds)
        checker = Checker(target.url, body.read_bytes(), server.pid, overload / 10)
        checker.start()
        flood = hey(target, overload, 4 * IN_FLIGHT * workers)
        return rows | {"overload": flood | checker.end()}


def plain(workers: int, seconds: int, body: Path) -> dict[str, dict[str, Any]]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = ["--port", str(port), "--workers", str(workers), "--no-access-log"]
    with running("uvicorn", "peers.plain_server:app", *options) as server:
        url = f"http://127.0.0.1:{port}/"
        while not _answers(url):
            time.sleep(0.2)
        request = httpx.Request("POST", url + "predict", files={"file": body.read_bytes()})
        form, kind = body.with_name("form"), request.headers["content-type"]
        form.write_bytes(request.read())
        return load(Target(str(request.url), form, kind), server.pid, seconds)


def _answers(url: str) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(url).is_client_error
    return False


def where_the_time_goes(body: bytes) -> dict[str, float]:
    """Milliseconds of processor time of each part of one answer, medians."""
    cv2.setNumThreads(1)
    process.keep_memory()
    reader, page = Reader(threads=1), image.load(body)
    marks, grey = ink.find(page.pixels), lines.grey_page(page.pixels)
    glyphs = segment.split(marks).glyphs
    layout = lines.Layout.of([glyph.box for glyph in glyphs])
    (place,) = layout.places(grey.shape)
    line = place.crop(grey)

    def framed() -> np.ndarray:
        return np.stack([to_mnist(even_stroke(glyph.ink)) for glyph in glyphs])

    frames = framed()
    parts: dict[str, Callable[[], object]] = {
        "decode": lambda: image.load(body),
        "grid": lambda: grid.find(grey),
        "ink": lambda: ink.find(page.pixels),
        "segment": lambda: segment.split(marks),
        "line": lambda: lines.Layout.of([glyph.box for glyph in glyphs]).places(grey.shape),
        "line network": lambda: reader.line_reader.look(line),
        "framing": framed,
        "classifier": lambda: tta_probs(reader.classifier.probs, frames),
        "whole reading": lambda: reader.read(body),
        "JSON": lambda: json.dumps(reading.to_dict()),
    }
    reading = reader.read(body)
    return {name: round(1000 * cost(part), 2) for name, part in parts.items()}


def cost(part: Callable[[], object]) -> float:
    times = []
    for _ in range(200):
        began = time.process_time()
        part()
        times.append(time.process_time() - began)
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--seconds", type=int, default=20, help="of each measurement")
    parser.add_argument("--overload", type=int, default=20, help="seconds of the overload")
    options = parser.parse_args()
    if not shutil.which("hey"):
        sys.exit("this needs hey: apt install hey")
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        body = Path(folder) / "drawing.png"
        body.write_bytes(drawing(TEXT))
        for workers in options.workers:
            measured = {
                "cnn-mnist": ours(workers, options.seconds, options.overload, body),
                "plain": plain(workers, options.seconds, body),
            }
            for server, kinds in measured.items():
                for kind, values in kinds.items():
                    rows.append({"server": server, "workers": workers, "kind": kind, **values})
                    print(rows[-1], file=sys.stderr)
        times = where_the_time_goes(body.read_bytes())
    print(json.dumps({"rows": rows, "ms_of_one_reading": times, **describe()}))


if __name__ == "__main__":
    main()
