"""A folder's labels.csv: the label of each sign of each picture."""

import csv
import io
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from cnn_mnist.inference.pictures.crop import is_centred_in
from cnn_mnist.inference.pictures.labels import COLUMNS, NAME, SIDES, listed_box
from cnn_mnist.inference.pictures.page import Box
from cnn_mnist.serving.folders import locked, write

Row = dict[str, str]


class Place(NamedTuple):
    """A picture's path in the folder, and the sign's box in pixels; None is the whole picture."""

    path: str
    box: Box | None


class Labels:
    """The list on disk, which other programs may also write. Unknown columns are kept."""

    def __init__(self, folder: Path) -> None:
        """Read the list once, to report a problem early.

        Raises:
            ValueError: the existing list cannot be read.
        """
        self.path = folder / NAME
        self._read()

    def __len__(self) -> int:
        return len(self._read()[1])

    def missing(self, places: Iterable[Place]) -> list[int]:
        """The indices of the unlabelled signs.

        A sign is labelled if there is a row for the whole picture, or one whose box contains its
        centre.
        """
        rows = defaultdict(list)
        for row in self._read()[1]:
            rows[row["path"]].append(row)
        return [
            number
            for number, place in enumerate(places)
            if not any(_covers(row, place) for row in rows[place.path])
        ]

    def set(self, place: Place, label: str | None) -> int:
        """Set or remove a sign's label, and return the number of labels.

        Raises:
            OSError: the list cannot be written.
        """
        folder = self.path.parent
        with locked(folder):
            columns, rows = self._read()
            rows = [row for row in rows if (row["path"], listed_box(row)) != place]
            if label is not None:
                sides = dict(zip(SIDES, map(str, place.box or ()), strict=False))
                rows.append({"path": place.path, "label": label, **sides})
            write(folder, {NAME: _text(columns, rows).encode("utf-8", "surrogateescape")})
        return len(rows)

    def _read(self) -> tuple[list[str], list[Row]]:
        path = self.path
        try:
            if not path.exists():
                return list(COLUMNS), []
            text = path.read_text("utf-8-sig", "surrogateescape")
            table = csv.DictReader(io.StringIO(text, newline=""), restval="")
            columns, rows = list(table.fieldnames or ()), list(table)
            for row in rows:
                listed_box(row)
        except (ValueError, csv.Error) as error:
            raise ValueError(f"{path} is not a list of labels: {error}; move it away") from error
        if not {"path", "label"} <= set(columns):
            raise ValueError(f"{path} needs the columns path and label; move it away")
        return columns + [name for name in COLUMNS if name not in columns], rows


def _text(columns: list[str], rows: list[Row]) -> str:
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, columns, restval="")
    table.writeheader()
    table.writerows(rows)
    return text.getvalue()


def _covers(row: Row, place: Place) -> bool:
    outer = listed_box(row)
    return outer is None or place.box is None or is_centred_in(place.box, outer)
