"""No odd or damaged picture crashes the reader, hangs it or makes its memory grow."""

import contextlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from cnn_mnist import ImageError, Reader, Reading

READER = Reader()
NUMBERS = [np.bool_, np.uint8, np.int8, np.uint16, np.int64, np.float16, np.float32, np.float64]


@given(
    array=st.sampled_from(NUMBERS).flatmap(
        lambda dtype: arrays(dtype, array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=60))
    ),
    single=st.booleans(),
)
def test_any_array_is_read_or_refused(array: np.ndarray, single: bool) -> None:
    with contextlib.suppress(ImageError):
        assert_well_formed(READER.read(array, single), array.shape[1], array.shape[0])


@given(
    height=st.integers(1, 400),
    width=st.integers(1, 400),
    seed=st.integers(0, 2**32),
    strokes=st.integers(0, 6),
    noise=st.floats(0, 60),
    single=st.booleans(),
)
def test_any_page_gives_a_reading_inside_it(
    height: int, width: int, seed: int, strokes: int, noise: float, single: bool
) -> None:
    rng = np.random.default_rng(seed)
    page = np.full((height, width, 3), rng.integers(0, 256, 3), float)
    for _ in range(strokes):
        y, x = rng.integers(0, height), rng.integers(0, width)
        tall, wide = int(rng.integers(1, 1 + height)), int(rng.integers(1, 1 + width))
        page[y : y + tall, x : x + max(1, wide // 8)] = rng.integers(0, 256, 3)
    seen = np.clip(page + rng.normal(0, noise, page.shape), 0, 255).astype(np.uint8)
    assert_well_formed(READER.read(seen, single), width, height)


@pytest.mark.parametrize("shape", [(1, 3000), (3000, 1), (2, 4000), (5000, 7)])
def test_ribbons(shape: tuple[int, int]) -> None:
    for single in (True, False):
        noise = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
        assert_well_formed(READER.read(noise, single), shape[1], shape[0])


def assert_well_formed(reading: Reading, width: int, height: int) -> None:
    assert reading.ok == bool(reading.digits) == (reading.reason is None)
    assert reading.text == "".join(str(sign.digit) for sign in reading.digits)
    for sign in (*reading.digits, *reading.rejected):
        x, y, wide, tall = sign.box
        assert 0 <= x <= x + wide <= width
        assert 0 <= y <= y + tall <= height
        assert 0 <= sign.confidence <= 1
        assert sign.image.shape == (28, 28)
        assert sign.image.dtype == np.uint8
        assert float(sign.probs.sum()) == pytest.approx(1, abs=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("total", [20_000, 200_000])
def test_damaged_files(environment: dict[str, str], total: int) -> None:
    """In a process of its own, which must live, answer each file in time and not grow."""
    program = Path(__file__).parents[1] / "support" / "damage.py"
    done = subprocess.run(
        [sys.executable, program, str(total)], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    report = json.loads(done.stdout)
    print(report)
    assert report["read"] + report["refused"] == total
    assert min(report["read"], report["refused"]) > total // 20
    assert report["growth_mib"] < 100
