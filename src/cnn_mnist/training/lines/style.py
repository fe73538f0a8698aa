"""A style of writing: what stays the same in a line written by one person."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cnn_mnist.training.lines import typefaces
from cnn_mnist.training.synthetic.strokes import Glyph

Random = np.random.Generator

SOURCES = {"mnist": 0.2, "traced": 0.26, "strokes": 0.34, "typeface": 0.2}


@dataclass
class Style:
    """Slant, pen, size and spacing of a line. Lengths are shares of a digit's height."""

    source: str  # of the digits: mnist, traced, strokes, typeface or print
    height: float  # of a digit, px
    pen: float  # width
    slant: float  # shift to the right per height upwards
    aspect: float  # factor of the width of every sign
    round_zero: float  # a further factor of the width of a 0
    low_zero: float  # height of a 0
    tall_one: float  # height of a 1
    gap: float  # the least distance between two signs, row by row
    unsteady: float  # standard deviation of sizes and positions
    tremor: float  # standard deviation of a stroke from its form, in tenths of a height
    haste: float  # as for `cursive.hurry`
    rise: float  # slope of the line, upwards
    joined: float  # probability of a stroke from one digit to the next
    letters: Path | None = None  # the typeface of its letters
    typeface: Path | None = None  # that of everything
    forms: dict[int, Glyph] = field(default_factory=dict)  # the form of each digit so far


def any_style(rng: Random, printed: float) -> Style:
    """A random style.

    Args:
        printed: probability of print instead of handwriting.
    """
    source = str(rng.choice(list(SOURCES), p=list(SOURCES.values())))
    if rng.random() < printed:
        source = "print"
    thinnest = 0.09 if source == "mnist" else 0.035
    tight = rng.random() < 0.35
    every = typefaces.handwritten()
    style = Style(
        source=source,
        height=float(np.exp(rng.uniform(np.log(16), np.log(56)))),
        pen=float(np.exp(rng.uniform(np.log(thinnest), np.log(0.2)))),
        slant=float(np.clip(rng.normal(0.1, 0.17), -0.35, 0.6)),
        aspect=float(np.clip(np.exp(rng.normal(0.18, 0.25)), 0.6, 2.0)),
        round_zero=float(rng.uniform(0.8, 1.5)),
        low_zero=float(rng.uniform(0.55, 1)) if rng.random() < 0.3 else 1.0,
        tall_one=float(rng.uniform(1, 1.25)) if rng.random() < 0.3 else 1.0,
        gap=float(rng.uniform(-0.07, 0.04) if tight else rng.uniform(0.03, 0.4)),
        unsteady=float(rng.uniform(0, 0.07)),
        tremor=float(rng.uniform(0, 0.4)),
        haste=float(rng.uniform(0, 1)),
        rise=float(rng.normal(0, 0.03)),
        joined=float(rng.uniform(0, 0.5)) if rng.random() < 0.2 else 0.0,
        letters=every[rng.integers(len(every))],
    )
    if source == "typeface":
        style.typeface = style.letters
    if source == "print":
        style.typeface = typefaces.printed(str(rng.choice(typefaces.PRINTED)))
        style.slant, style.gap = float(rng.normal(0, 0.03)), float(rng.uniform(0.04, 0.2))
        style.unsteady = style.joined = style.rise = 0.0
        style.round_zero = style.low_zero = style.tall_one = 1.0
    return style
