"""How well the reader reads handwriting other than MNIST.

    python benchmarks/handwriting.py [FOLDER] [--n 200] [--model model.onnx]
    python benchmarks/handwriting.py --sheet docs/pictures/conditions.png

A folder of pictures is scored by source. It holds digits/SOURCE/LABEL_N.png (or an .npz with
`images`, uint8 N×28×28, and `labels`), numbers/DIGITS_N.png, and nondigits/. Then n pictures of
every hard condition in conditions.py are made from MNIST test digits and read. A picture counts as
read if the whole answer is right and nothing was rejected. `ideal` is the network's answer to the
same ink placed directly into MNIST's frame: the difference is due to the rest of the reader. The
last line of stdout is one JSON object. `--sheet` draws a picture of each condition and its reading
instead.
"""

import argparse
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cnn_mnist import Reader, Reading
from cnn_mnist.inference import preview
from cnn_mnist.inference.pictures.image import load
from cnn_mnist.inference.recognition.normalize import even_stroke, to_mnist
from cnn_mnist.training.metrics import calibration_error
from generators.conditions import CONDITIONS, Picture, generate
from generators.mnist_digits import mnist_test
from generators.rows import ROWS

Array = NDArray[np.uint8]
Failed = Callable[[str, Any, Reading], None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", help="pictures scored by source")
    parser.add_argument("--n", type=int, default=200, help="pictures per condition; 0 for none")
    parser.add_argument("--only", nargs="+", choices=CONDITIONS, help="only these conditions")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", type=Path, help="exported model, instead of the released one")
    parser.add_argument("--mnist", type=Path, help="folder with the four MNIST files")
    parser.add_argument("--failures", type=Path, help="folder for pictures of the failures")
    parser.add_argument("--sheet", type=Path, help="draw the conditions here, and do nothing else")
    args = parser.parse_args()

    reader = Reader(args.model)
    if args.sheet:
        sheet(reader, *mnist_test(args.mnist), args.seed).savefig(args.sheet, dpi=90)
        return

    def failed(name: str, source: Any, reading: Reading) -> None:
        if args.failures:
            args.failures.mkdir(parents=True, exist_ok=True)
            preview.write(source, reading, args.failures / f"{name}.png")

    result: dict[str, Any] = {}
    if args.folder:
        result["folder"] = score_folder(reader, args.folder, failed)
    if args.n:
        images, labels = mnist_test(args.mnist)
        result["conditions"] = {
            name: score(name, reader, generate(name, images, labels, args.n, args.seed), failed)
            for name in args.only or CONDITIONS
        }
    print(json.dumps(result))


def sheet(reader: Reader, images: Array, labels: Array, seed: int) -> Figure:
    """A picture of each condition, its reading, and below what the network saw of single digits."""
    figure = Figure(figsize=(10, 11), layout="constrained")
    cells = figure.subplots(4, -(-len(CONDITIONS) // 4)).ravel()
    for axes in cells:
        axes.axis("off")
    for axes, name in zip(cells, CONDITIONS, strict=False):
        picture = next(generate(name, images, labels, 1, seed))
        reading = reader.read(picture.source, single=name not in ROWS)
        axes.imshow(load(picture.source).pixels)
        axes.set_title(f"{name}: {reading.text}", fontsize=8)
        for digit in reading.digits if name not in ROWS else ():
            seen = axes.inset_axes((0.3, -0.45, 0.4, 0.4))
            seen.imshow(digit.image, cmap="gray")
            seen.axis("off")
    return figure


def score(name: str, reader: Reader, pictures: Iterable[Picture], failed: Failed) -> dict[str, Any]:
    """How many pictures of one condition are read, and how many the network alone could read."""
    n = right = ideal = 0
    for picture in pictures:
        reading = reader.read(picture.source, single=name not in ROWS)
        ideal += network_alone(reader, picture) == picture.truth
        if reading.text == picture.truth and not reading.rejected:
            right += 1
        else:
            said = reading.text or "none"
            failed(f"{name}_{n:04}_{picture.truth}_{said}", picture.source, reading)
        n += 1
    print(f"{name:24} {right:5} of {n:5}  {right / n:7.2%}   ideal {ideal / n:7.2%}", flush=True)
    return {"n": n, "right": right, "ideal": ideal}


def network_alone(reader: Reader, picture: Picture) -> str:
    frames = np.stack([to_mnist(even_stroke(ink)) for ink in picture.ideal])
    return "".join(str(digit) for digit in reader.classifier.probs(frames).argmax(axis=1))


def score_folder(reader: Reader, folder: Path, failed: Failed) -> dict[str, Any]:
    sources: dict[str, dict[str, int]] = {}
    confidences, hits = [], []
    for source in sorted(p for p in (folder / "digits").iterdir() if p.is_dir()):
        right = rejected = n = 0
        for label, picture in digits(source):
            reading = reader.read(picture, single=True)
            n += 1
            right += reading.text == label
            rejected += not reading.ok
            for digit in (*reading.digits, *reading.rejected):
                confidences.append(digit.confidence)
                hits.append(str(digit.digit) == label)
            if reading.text != label:
                said = reading.text or "none"
                failed(f"{source.name}_{n:04}_{label}_{said}", picture, reading)
        sources[source.name] = {"n": n, "right": right, "rejected": rejected}
        print(f"{source.name:24} {right:5} of {n:5}  {right / n:7.2%}", flush=True)

    total = {key: sum(s[key] for s in sources.values()) for key in ("n", "right", "rejected")}
    numbers = sorted((folder / "numbers").glob("*.png"))
    exact = sum(reader.read(path).text == path.name.split("_")[0] for path in numbers)
    others = sorted((folder / "nondigits").glob("*.png"))
    refused = sum(not reader.read(path, single=True).ok for path in others)
    ece = calibration_error(torch.tensor(confidences).double(), torch.tensor(hits).double())
    print(
        f"all digits {total['right'] / total['n']:.2%}, rejected {total['rejected']}, "
        f"calibration error {ece:.2%}"
    )
    print(f"numbers {exact} of {len(numbers)}, non-digits refused {refused} of {len(others)}")
    return {
        "sources": sources,
        "accuracy": total["right"] / total["n"],
        "rejected": total["rejected"] / total["n"],
        "ece": ece,
        "numbers": [exact, len(numbers)],
        "nondigits_refused": [refused, len(others)],
    }


def digits(source: Path) -> Iterator[tuple[str, Any]]:
    """The (label, picture) pairs of one source."""
    for path in sorted(source.glob("*.npz")):
        with np.load(path) as bundle:
            yield from zip(map(str, bundle["labels"]), bundle["images"], strict=True)
    for path in sorted(source.glob("*.png")):
        yield path.name.split("_")[0], path


if __name__ == "__main__":
    main()
