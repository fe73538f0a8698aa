"""MNIST's four official files, read only after their SHA-256 has been verified."""

import os
from collections.abc import Sequence
from pathlib import Path

import pooch
import torch

from cnn_mnist.training.data.idx import read_idx
from cnn_mnist.training.data.splits import Split, Splits

SHA256 = {
    "train-images-idx3-ubyte.gz": (
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"
    ),
    "train-labels-idx1-ubyte.gz": (
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"
    ),
    "t10k-images-idx3-ubyte.gz": (
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"
    ),
    "t10k-labels-idx1-ubyte.gz": (
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"
    ),
}
MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://raw.githubusercontent.com/fgnt/mnist/master/",
)
# MNIST test images found mislabelled by human review (Northcutt et al., NeurIPS 2021).
WRONG_TEST_LABELS = (
    947, 1621, 1901, 2130, 2462, 2597, 2654, 3520, 3558, 5937, 6651, 6783, 8527, 9679, 9729,
)  # fmt: skip


def is_mnist(folder: Path) -> bool:
    """Whether a folder holds MNIST's four official files, all intact."""
    return all(_find(name, [folder], []) for name in SHA256)


def load_mnist(data_dir: str | os.PathLike[str] | None, mirrors: Sequence[str]) -> Splits:
    """MNIST from the first folder that has all of it, or from a mirror; see `load`."""
    cache = Path(pooch.os_cache("cnn-mnist"))
    given = [data_dir, os.environ.get("CNN_MNIST_DATA")]
    folders = [*(Path(folder) for folder in given if folder), cache]

    problems: list[str] = []
    paths = {name: _find(name, folders, problems) for name in SHA256}
    for name, path in paths.items():
        if path is None:
            from cnn_mnist.training.data.download import fetch  # requests takes long to import

            paths[name] = fetch(name, SHA256[name], cache, mirrors, problems)

    source = ", ".join(sorted({str(path.resolve().parent) for path in paths.values() if path}))
    if problems or (data_dir and source != str(Path(data_dir).resolve())):
        problems.append(f"MNIST was read from {source}")
    arrays = [torch.from_numpy(read_idx(path)) for path in paths.values() if path is not None]
    train_images, train_labels, test_images, test_labels = arrays
    return Splits(
        "mnist",
        train=Split(train_images, train_labels.long()),
        test=Split(test_images, test_labels.long(), WRONG_TEST_LABELS),
        notice="; ".join(problems),
        source=source,
    )


def _find(name: str, folders: Sequence[Path], problems: list[str]) -> Path | None:
    """The first intact copy of a file; damaged copies are added to `problems`."""
    for folder in folders:
        path = folder / name
        try:
            if not path.exists():
                continue
            if pooch.file_hash(str(path)) == SHA256[name]:
                return path
            problems.append(f"{path} is damaged (wrong SHA-256) and was not used")
        except OSError as error:
            problems.append(f"{path} cannot be read ({error.strerror})")
    return None
