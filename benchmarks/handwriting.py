"""How well the reader reads other people's handwriting: a folder of pictures, scored by source.

    python benchmarks/handwriting.py FOLDER [--model model.onnx]

The folder holds digits/SOURCE/LABEL_N.png (or an .npz of `images`, uint8 N×28×28, and `labels`),
numbers/DIGITS_N.png, and nondigits/. A digit counts as read when the answer is right and was not
rejected. The last line of stdout is one JSON object.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from cnn_mnist import Reader


def digits(source: Path) -> Iterator[tuple[str, Any]]:
    """The (label, picture) pairs of one source."""
    for path in sorted(source.glob("*.npz")):
        with np.load(path) as bundle:
            yield from zip(map(str, bundle["labels"]), bundle["images"], strict=True)
    for path in sorted(source.glob("*.png")):
        yield path.name.split("_")[0], path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", type=Path, help="exported model, instead of the released one")
    args = parser.parse_args()

    reader = Reader(args.model)
    sources: dict[str, dict[str, float]] = {}
    for source in sorted(p for p in (args.folder / "digits").iterdir() if p.is_dir()):
        truths = list(digits(source))
        texts = [reader.read(picture, single=True).text for _, picture in truths]
        right = sum(text == label for text, (label, _) in zip(texts, truths, strict=True))
        rejected = sum(text == "" for text in texts)
        sources[source.name] = {"n": len(truths), "right": right, "rejected": rejected}
        print(f"{source.name:24} {right:5} of {len(truths):5}  {right / len(truths):7.2%}")

    total = {key: sum(s[key] for s in sources.values()) for key in ("n", "right", "rejected")}
    numbers = sorted((args.folder / "numbers").glob("*.png"))
    exact = sum(reader.read(path).text == path.name.split("_")[0] for path in numbers)
    others = sorted((args.folder / "nondigits").glob("*.png"))
    refused = sum(not reader.read(path, single=True).ok for path in others)
    print(f"all digits {total['right'] / total['n']:.2%}, rejected {total['rejected']}")
    print(f"numbers {exact} of {len(numbers)}, non-digits refused {refused} of {len(others)}")
    result = {
        "sources": sources,
        "accuracy": total["right"] / total["n"],
        "rejected": total["rejected"] / total["n"],
        "numbers": [exact, len(numbers)],
        "nondigits_refused": [refused, len(others)],
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
