"""How well whole numbers, cells and non-digits are read, compared with RapidOCR.

    python benchmarks/read_numbers.py FOLDER [--peer PYTHON] [--show]

FOLDER holds folders of pictures named DIGITS_N.png, at any depth. The part before the underscore
is the truth, except in a folder of FOLDER whose name begins with nondigits: its pictures hold no
digits. They, and those in a folder whose name begins with digits, are read with `single`. An answer
counts if its digits match exactly. PYTHON is an interpreter with rapidocr installed (`pip install
rapidocr onnxruntime`). Its recogniser is given the same pictures: once free, with its answer
reduced to digits, and once held to digits by masking its output. The last line of stdout is one
JSON object.
"""

import argparse
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

from cnn_mnist import Reader

PEER = Path(__file__).parent / "peers" / "rapidocr_reader.py"
Read = Callable[[list[Path], bool], list[str]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--peer", type=Path, help="python with rapidocr installed")
    parser.add_argument("--show", action="store_true", help="print what was misread")
    args = parser.parse_args()
    readers: dict[str, Read] = {"ours": ours(Reader())}
    if args.peer:
        readers["rapidocr, free"] = peer(args.peer, held=False)
        readers["rapidocr, held to digits"] = peer(args.peer, held=True)
    result: dict[str, dict[str, dict[str, int]]] = {}
    for folder, paths in sets(args.folder).items():
        truths = [truth(folder, path) for path in paths]
        result[folder] = {}
        for name, read in readers.items():
            answers = read(paths, folder.startswith(("digits", "nondigits")))
            wrong = [(t, a) for t, a in zip(truths, answers, strict=True) if t != a]
            right = len(paths) - len(wrong)
            result[folder][name] = {"n": len(paths), "right": right}
            share = right / len(paths)
            print(f"{folder:28} {name:26} {right:5} of {len(paths):5}  {share:7.2%}", flush=True)
            if args.show and name == "ours":
                print("   ", "  ".join(f"{t or 'none'}→{a or 'none'}" for t, a in wrong))
    print(json.dumps(result))


def sets(folder: Path) -> dict[str, list[Path]]:
    """The pictures of each folder, by its relative path."""
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*.png")):
        found.setdefault(path.parent.relative_to(folder).as_posix(), []).append(path)
    return found


def truth(folder: str, path: Path) -> str:
    """The digits of a picture in a folder of `sets`."""
    return "" if folder.startswith("nondigits") else path.name.split("_")[0]


def ours(reader: Reader) -> Read:
    return lambda paths, single: [reader.read(path, single).text for path in paths]


def peer(python: Path, held: bool) -> Read:
    def read(paths: list[Path], single: bool) -> list[str]:
        command = [str(python), str(PEER), *(["--held"] if held else [])]
        listed = "\n".join(map(str, paths))
        done = subprocess.run(command, input=listed, capture_output=True, text=True, check=True)
        return [str(answer) for answer in json.loads(done.stdout.splitlines()[-1])]

    return read


if __name__ == "__main__":
    main()
