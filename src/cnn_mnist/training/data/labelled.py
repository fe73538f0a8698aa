"""Labelled pictures in a folder, in any of three common forms.

    FOLDER/7/scan.png       a folder's name is the label of everything below it
    FOLDER/7_13.png         the name begins with the label
    FOLDER/labels.csv       columns path and label; plus x, y, width, height for pictures with
                            several signs, one row each

If there is a labels.csv, everything else is ignored.
"""

import csv
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from cnn_mnist.inference.pictures.files import SUFFIXES, is_hidden
from cnn_mnist.inference.pictures.labels import NAME, listed_box
from cnn_mnist.inference.pictures.page import Box
from cnn_mnist.training.data.splits import DataError

FORMS = "name them 7_1.png, put them into folders named 0 to 9, or list them in a labels.csv"


class Labelled(NamedTuple):
    """A picture's label, and its box x, y, width, height in pixels; None is the whole picture."""

    path: Path
    label: str
    box: Box | None = None


def labelled(folder: Path) -> Iterator[Labelled]:
    """The labelled pictures of a folder, in the order of their names or of the list.

    They are not opened. The list and the folders are read incrementally.

    Raises:
        DataError: the folder does not exist or has no pictures; or the list is invalid.
    """
    if not folder.is_dir():
        problem = "is a file" if folder.exists() else "does not exist"
        raise DataError(f"{folder} {problem}; name a folder of labelled pictures")
    found = None
    listed = folder / NAME
    for found in _listed(listed) if listed.exists() else _named(folder):
        yield found
    if found is None:
        raise DataError(f"{folder} has no labelled pictures; {FORMS}")


def _named(folder: Path) -> Iterator[Labelled]:
    for path in _visible(folder):
        if path.is_dir():
            yield from (Labelled(picture, path.name) for picture in _pictures(path))
        elif path.suffix.lower() in SUFFIXES:
            yield Labelled(path, path.stem.partition("_")[0])


def _pictures(folder: Path) -> Iterator[Path]:
    for path in _visible(folder):
        if path.is_dir():
            yield from _pictures(path)
        elif path.suffix.lower() in SUFFIXES:
            yield path


def _visible(folder: Path) -> list[Path]:
    """A folder's content without hidden files; empty if it has been deleted meanwhile."""
    try:
        names = sorted(name for name in os.listdir(folder) if not is_hidden(name))
    except OSError:
        return []
    return [folder / name for name in names]


def _listed(path: Path) -> Iterator[Labelled]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file, restval="")
            if missing := {"path", "label"} - set(rows.fieldnames or ()):
                columns = "columns" if len(missing) > 1 else "column"
                raise DataError(f"{path} has no {columns} {' and '.join(sorted(missing))}")
            for row in rows:
                try:
                    yield _row(path.parent, row)
                except ValueError as error:
                    raise DataError(f"{path}, line {rows.line_num}: {error}") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read: {error}") from error


def _row(folder: Path, row: dict[str, str]) -> Labelled:
    path, label = row["path"].strip(), row["label"].strip()
    if not (path and label):
        raise ValueError("a row needs a path and a label")
    return Labelled(folder / path, label, listed_box(row))
