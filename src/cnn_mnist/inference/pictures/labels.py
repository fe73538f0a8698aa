"""Labelled pictures in a folder: its labels.csv, and the labels that are not digits."""

from collections.abc import Mapping

from cnn_mnist.inference.pictures.page import Box

NAME = "labels.csv"
SIDES = ("x", "y", "width", "height")  # a sign's box, in pixels; all empty for the whole picture
COLUMNS = ("path", "label", *SIDES)
NONE = "none"  # the label of a sign that is not a digit
NUMBER = "number"  # begins the names of pictures that are neither one digit nor none


def listed_box(row: Mapping[str, str]) -> Box | None:
    """The box in a row of a labels.csv; None if its four columns are empty.

    Args:
        row: of a `csv.DictReader` with restval="".

    Raises:
        ValueError: it is not a box in a picture, or the row has more fields than there are columns.
    """
    if None in row:  # where DictReader puts them
        raise ValueError("a row has more fields than there are columns")
    sides = [row.get(side, "") for side in SIDES]
    if not any(sides):
        return None
    try:
        x, y, width, height = (round(float(side)) for side in sides)
        if min(x, y) < 0 or min(width, height) < 1:
            raise ValueError
    except (OverflowError, ValueError):  # OverflowError: inf
        raise ValueError(
            f"{', '.join(SIDES)} are {', '.join(sides)}, but must be whole numbers, "
            "the first two at least 0, the last two at least 1"
        ) from None
    return x, y, width, height
