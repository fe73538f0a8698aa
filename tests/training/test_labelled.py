"""Labelled pictures in a folder: three forms, and what is wrong with the others."""

from pathlib import Path

import pytest

from cnn_mnist.training.data import DataError
from cnn_mnist.training.data.labelled import labelled


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def read(folder: Path) -> list[tuple[str, str]]:
    return [(found.path.relative_to(folder).as_posix(), found.label) for found in labelled(folder)]


def test_a_folders_name_is_the_label_of_all_below_it(tmp_path: Path) -> None:
    touch(tmp_path, "7/b.PNG", "7/a.jpg", "3/scans/7_1.png", "3/.hidden.png", "3/notes.txt")
    assert read(tmp_path) == [("3/scans/7_1.png", "3"), ("7/a.jpg", "7"), ("7/b.PNG", "7")]


def test_a_name_begins_with_the_label(tmp_path: Path) -> None:
    touch(tmp_path, "7_13.png", "none_a_b.png", "4.tif", "7_13.json")
    assert read(tmp_path) == [("4.tif", "4"), ("7_13.png", "7"), ("none_a_b.png", "none")]


def test_where_there_is_a_list_it_alone_counts(tmp_path: Path) -> None:
    touch(tmp_path, "7_1.png")
    rows = (
        "\ufefflabel,path,x,y,width,height,by\r\n3,a b.png,,,,,me\r\n5,sub/c.png,1,2,30.0,40,me\r\n"
    )
    (tmp_path / "labels.csv").write_text(rows, encoding="utf-8")
    whole, part = labelled(tmp_path)
    assert whole == (tmp_path / "a b.png", "3", None)
    assert part == (tmp_path / "sub/c.png", "5", (1, 2, 30, 40))


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ("path,digit\na.png,3\n", "has no column label$"),
        ("", "has no columns label and path$"),
        ("path,label\na.png\n", "line 2: a row needs a path and a label"),
        ("path,label\na.png,\n", "line 2: "),
        ("path,label,x,y,width,height\na.png,1,,,,\na.png,2,1,2,3,\n", "line 3: .*whole numbers"),
        ("path,label,x,y,width,height\na.png,2,1,2,0,9\n", "line 2: "),
        ("path,label,x,y,width,height\na.png,2,1,2,inf,9\n", "line 2: "),
        ("path,label,x,y,width,height\na.png,2,-1,2,9,9\n", "line 2: .*at least 0"),
        ("path,label\na,b.png,2\n", "line 2: a row has more fields"),
        ("path,label\n\x00\n", "line 2"),
    ],
)
def test_a_list_that_is_none_is_told_with_its_line(tmp_path: Path, rows: str, problem: str) -> None:
    (tmp_path / "labels.csv").write_text(rows)
    with pytest.raises(DataError, match=problem):
        list(labelled(tmp_path))


def test_a_list_in_another_encoding_is_told(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_bytes(b"path,label\n\xe4.png,3\n")
    with pytest.raises(DataError, match=r"labels\.csv cannot be read: "):
        list(labelled(tmp_path))


def test_a_folder_that_is_none_is_told(tmp_path: Path) -> None:
    touch(tmp_path, "7_1.png", "empty/notes.txt")
    with pytest.raises(DataError, match=r"7_1\.png is a file; name a folder"):
        list(labelled(tmp_path / "7_1.png"))
    with pytest.raises(DataError, match="does not exist"):
        list(labelled(tmp_path / "missing"))
    with pytest.raises(DataError, match=r"has no labelled pictures; name them 7_1\.png"):
        list(labelled(tmp_path / "empty"))


def test_the_list_is_read_as_it_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("path,label\na.png,3\na.png,\n")
    found = labelled(tmp_path)
    assert next(found).label == "3"
    with pytest.raises(DataError):
        next(found)
