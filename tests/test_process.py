"""Threads are bound to cores before torch loads, freed memory is kept, and garbage waits."""

import os
import subprocess
import sys

import pytest

ONE_A_CORE = """
from cnn_mnist import process
process.tune()
import os, sys
assert "torch" not in sys.modules
print(os.environ.get("OMP_PROC_BIND"))
"""


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "true"),
        ({"OMP_NUM_THREADS": "1"}, "None"),
        ({"OMP_PROC_BIND": "false"}, "false"),
    ],
)
def test_threads_are_bound_unless_the_environment_says_otherwise(
    given: dict[str, str], expected: str
) -> None:
    plain = {k: v for k, v in os.environ.items() if not k.startswith("OMP_")}
    shown = subprocess.run(
        [sys.executable, "-c", ONE_A_CORE],
        env=plain | given,
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.strip() == expected


FAULTS = """
import resource
from cnn_mnist import process
if {tuned}:
    process.tune()
def faults(): return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def step(): return [bytearray(2**22) for _ in range(20)]
for _ in range(5):
    step()
before = faults()
for _ in range(5):
    step()
print(faults() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_freed_memory_is_kept() -> None:
    # A fixed threshold keeps glibc from raising it by itself, which it does sooner or later.
    fixed = os.environ | {"MALLOC_MMAP_THRESHOLD_": str(2**17)}
    plain, tuned = (
        int(subprocess.check_output([sys.executable, "-c", FAULTS.format(tuned=tuned)], env=fixed))
        for tuned in (False, True)
    )
    assert tuned < 1000 < plain


GARBAGE = """
import gc
from cnn_mnist import process
process.tune()
class Cycle:
    def __init__(self): self.me = self
    def __del__(self): count.append(1)
count = []
for _ in range(process.NEW_OBJECTS): Cycle()
print(len(count) > 0)
Cycle.__del__ = lambda self: print("collected at exit")
"""


def test_garbage_is_collected_but_not_at_exit() -> None:
    assert subprocess.check_output([sys.executable, "-c", GARBAGE], text=True) == "True\n"
