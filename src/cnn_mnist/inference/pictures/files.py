"""Picture files: which ones a folder holds, and their bytes."""

from pathlib import Path

from cnn_mnist.inference.pictures.page import ImageError

MAX_BYTES = 64 * 2**20  # of a file, all pages together
SUFFIXES = (
    ".png",
    ".jpg",
    ".jpeg",
    ".gif",
    ".bmp",
    ".ppm",
    ".pgm",
    ".webp",
    ".tif",
    ".tiff",
    ".pdf",
)


def pictures(path: Path) -> list[Path]:
    """The pictures below a folder, sorted by name; any other path is one picture.

    Hidden files and folders are left out: macOS stores a ._NAME beside every NAME on a disk that
    is not its own.

    Raises:
        ImageError: the folder has no pictures; the message does not repeat the path.
    """
    if not path.is_dir():
        return [path]
    found = (p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    files = sorted(p for p in found if not any(map(is_hidden, p.relative_to(path).parts)))
    if not files:
        raise ImageError(f"no pictures in this folder; supported formats: {', '.join(SUFFIXES)}")
    return files


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is hidden."""
    return name.startswith(".")


def file_bytes(path: Path) -> bytes:
    """The content of a file, cut off one byte after MAX_BYTES. Errors do not repeat the path.

    Raises:
        ImageError: there is no such file, or it cannot be read.
    """
    if path.is_dir():
        raise ImageError("this is a folder; give the pictures in it")
    if not path.is_file():  # excludes devices and pipes, which may never end
        raise ImageError("no such file; check the path")
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ImageError(f"the file cannot be read: {error.strerror}") from error
