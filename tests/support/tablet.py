"""A stand-in for the digits written on a tablet, which are not part of the package."""

from pathlib import Path

ONE = [100, 100, 60, 90, 20, 70, 0, 60, 20, 50, 40, 40, 60, 20, 50, 0]  # eight points x, y


def write_tablet(path: Path, samples: dict[int, list[list[int]]]) -> None:
    """Write samples of each digit as the data set does: y upwards, the label last."""
    rows = [[*row, digit] for digit, rows in samples.items() for row in rows]
    path.write_text("".join(", ".join(map(str, row)) + "\n" for row in rows))
