"""The spread of measured times, and the machine they were measured on."""

import datetime
import os
import platform
import statistics
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import torch


def spread(values: Sequence[float], digits: int) -> dict[str, float]:
    """Median, minimum and maximum."""
    summary = {"median": statistics.median(values), "min": min(values), "max": max(values)}
    return {name: round(value, digits) for name, value in summary.items()}


def describe() -> dict[str, str | int]:
    """Processor, threads and versions, for a benchmark's JSON line."""
    described: dict[str, str | int] = {
        "date": datetime.date.today().isoformat(),
        "processor": _processor(),
        "cores": os.cpu_count() or 1,
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "onnxruntime": version("onnxruntime"),
    }
    if torch.cuda.is_available():
        described["gpu"] = torch.cuda.get_device_name()
    return described


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
