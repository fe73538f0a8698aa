"""MNIST's relatives: four IDX files in a folder, under each one's own names.

Fashion-MNIST and KMNIST use MNIST's file names and are identified by their folder's name. EMNIST's
and QMNIST's files have a prefix; EMNIST's images are transposed.
"""

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnn_mnist.training.data.idx import read_idx
from cnn_mnist.training.data.splits import DIGITS, DataError

FILE = re.compile(r"(.*?)-?(train|test|t10k)-(images|labels)[-.]idx\d-(?:ubyte|int)(?:\.gz)?")
UPPER = tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
MERGED = (*DIGITS, *UPPER, *"abdefghnqrt")  # upper and lower case of one shape are one class
CLASSES = {
    "fashion-mnist": (
        "T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag",
        "ankle boot",
    ),
    "kmnist": ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
    "qmnist": DIGITS,
    "emnist-digits": DIGITS,
    "emnist-mnist": DIGITS,
    "emnist-letters": UPPER,
    "emnist-balanced": MERGED,
    "emnist-bymerge": MERGED,
    "emnist-byclass": (*DIGITS, *UPPER, *"abcdefghijklmnopqrstuvwxyz"),
}  # fmt: skip
FIRST = {"emnist-letters": 1}  # the label of the first class, if not 0
Files = dict[tuple[str, str], Path]  # by ("train" or "test", "images" or "labels")


class Member(NamedTuple):
    """A data set's name, its files, and its classes if known."""

    name: str
    files: Files
    classes: tuple[str, ...] | None


def find(path: Path) -> Member | None:
    """The member that a folder holds; None if it holds no IDX files.

    Args:
        path: the folder; if it holds several members, followed by the name of one.

    Raises:
        DataError: the folder holds several and none is named, or a file is missing.
    """
    folder = path if path.is_dir() else path.parent
    members = _members(folder)
    if not path.is_dir():
        members = {prefix: files for prefix, files in members.items() if prefix == path.name}
    if not members:
        return None
    if len(members) > 1:
        ways = ", ".join(str(folder / prefix) for prefix in sorted(members))
        raise DataError(f"{folder} holds several data sets; choose one of {ways}")
    ((prefix, files),) = members.items()
    if len(files) < 4:
        needed = {(part, what) for part in ("train", "test") for what in ("images", "labels")}
        missing = ", ".join(sorted(" ".join(key) for key in needed - files.keys()))
        raise DataError(f"{folder} has no IDX file of its {missing}; four are needed")
    name = prefix or _name(folder)
    return Member(name, files, CLASSES.get(name))


def read(member: Member, part: str) -> tuple[NDArray[np.uint8], NDArray[np.str_]]:
    """The images of "train" or "test", N×H×W and upright, and the names of their classes.

    Raises:
        DataError: a file is damaged, or the files do not match each other or the member's classes.
    """
    path = member.files[part, "labels"]
    images, labels = read_idx(member.files[part, "images"]), read_idx(path)
    labels = labels[:, 0] if labels.ndim == 2 and labels.size else labels  # QMNIST has more columns
    if images.ndim != 3 or images.dtype != np.uint8 or labels.shape != images.shape[:1]:
        raise DataError(f"{path} has labels {labels.shape} for images {images.shape}")
    if member.name.startswith("emnist-"):
        images = images.transpose(0, 2, 1)
    return images, _named(labels, member, path)


def _named(labels: NDArray[np.integer], member: Member, path: Path) -> NDArray[np.str_]:
    if member.classes is None:
        return labels.astype(np.str_)
    first, names = FIRST.get(member.name, 0), np.array(member.classes)
    wrong = labels[(labels < first) | (labels >= first + len(names))]
    if len(wrong):
        last = first + len(names) - 1
        raise DataError(f"{path} has the label {wrong[0]}; {member.name} has {first} to {last}")
    return names[labels.astype(np.int64) - first]


def _members(folder: Path) -> dict[str, Files]:
    """The IDX files of a folder, by prefix."""
    members: dict[str, Files] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if match := FILE.fullmatch(path.name):
            prefix, part, what = match.groups()
            key = "train" if part == "train" else "test", what
            members.setdefault(prefix, {}).setdefault(key, path)
    return members


def _name(folder: Path) -> str:
    """The name of a member with MNIST's file names: its folder's or parent's (FashionMNIST/raw)."""
    for name in folder.resolve().parts[:-3:-1]:
        if "fashion" in name.lower():
            return "fashion-mnist"
        if "kmnist" in name.lower() or "kuzushiji" in name.lower():
            return "kmnist"
    return folder.resolve().name
