"""Threads are bound to cores before torch loads, unless the user limits them."""

import os
import subprocess
import sys

import pytest

ONE_A_CORE = """
from cnn_mnist import threads
threads.bind()
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
def test_threads_are_bound_unless_the_environment_says_otherwise(given, expected):
    plain = {k: v for k, v in os.environ.items() if not k.startswith("OMP_")}
    shown = subprocess.run(
        [sys.executable, "-c", ONE_A_CORE],
        env=plain | given,
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.strip() == expected
