"""Touching digits are cut where the pieces are digits, and single ones are left whole."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from cnn_mnist import Reader
from cnn_mnist.inference import segment, touching
from drawn import coverage

Ink = NDArray[np.float32]


def pair(text: str, height: int = 100) -> segment.Glyph:
    """Two digits close together, joined by ink where they are nearest."""
    left, right = (trimmed(coverage(digit, height, height // 12)) for digit in text)
    ink = np.zeros((max(left.shape[0], right.shape[0]), sum(i.shape[1] for i in (left, right)) + 3))
    ink[: left.shape[0], : left.shape[1]] = left
    ink[: right.shape[0], left.shape[1] + 3 :] = right
    ends = [np.where(row[: left.shape[1]] > 0.5)[0] for row in ink]
    begins = [np.where(row[left.shape[1] :] > 0.5)[0] for row in ink]
    gaps = {
        y: left.shape[1] + begin[0] - end[-1]
        for y, (end, begin) in enumerate(zip(ends, begins, strict=True))
        if end.size and begin.size
    }
    row = min(gaps, key=gaps.__getitem__)
    ink[row : row + 4, ends[row][-1] : ends[row][-1] + gaps[row]] = 1
    return segment.Glyph(ink.astype(np.float32), (30, 40, ink.shape[1], ink.shape[0]))


def trimmed(ink: Ink) -> Ink:
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def two_alike(glyphs: list[segment.Glyph]) -> NDArray[np.float32]:
    """Certain of what is about half as wide as tall, and of nothing else."""
    return np.array([np.exp(-abs(g.box[2] / g.box[3] - 0.55) * 8) for g in glyphs], np.float32)


def test_a_pair_is_cut_where_it_touches() -> None:
    glyph = pair("00")
    left, right = touching.separate(glyph, 100, two_alike)
    assert abs(left.box[2] - right.box[2]) <= 8
    assert abs(left.box[0] - 30) <= 1
    assert abs(right.box[0] + right.box[2] - 30 - glyph.box[2]) <= 1
    assert float(left.ink.sum() + right.ink.sum()) == pytest.approx(
        float(glyph.ink.sum()), rel=0.02
    )


def test_what_is_certain_stays_whole() -> None:
    ink = trimmed(coverage("0", 100, 9))
    glyph = segment.Glyph(ink, (0, 0, ink.shape[1], ink.shape[0]))
    (whole,) = touching.separate(glyph, 100, lambda glyphs: np.ones(len(glyphs), np.float32))
    assert whole is glyph


@pytest.mark.parametrize("text", ["35", "62", "08", "47", "96"])
def test_touching_pairs_are_read(text: str) -> None:
    reader = Reader()
    ink = np.pad(pair(text).ink, 40)
    assert len(segment.split(ink)) == 1
    assert reader.read(np.uint8(255 - np.rint(220 * ink))).text == text


@pytest.mark.parametrize("digit", "0123456789")
@pytest.mark.parametrize("wider", [1.0, 1.4])
def test_a_broad_digit_is_not_cut(digit: str, wider: float) -> None:
    ink = np.pad(trimmed(coverage(digit, 100, 9)), 50)
    columns = (np.arange(round(wider * ink.shape[1])) / wider).astype(int)
    assert Reader().read(np.uint8(255 - np.rint(220 * ink[:, columns]))).text == digit


@settings(max_examples=100)
@given(
    arrays(np.float32, st.tuples(*[st.integers(1, 60)] * 2), elements=st.floats(0, 1, width=16)),
    st.integers(1, 60),
)
def test_any_sign_gives_pieces_inside_it(ink: Ink, height: int) -> None:
    glyph = segment.Glyph(ink, (5, 7, ink.shape[1], ink.shape[0]))
    for piece in touching.separate(glyph, max(height, ink.shape[0]), two_alike):
        x, y, width, tall = piece.box
        assert piece.ink.shape == (tall, width)
        assert (piece.ink <= ink[y - 7 : y - 7 + tall, x - 5 : x - 5 + width]).all()
