"""How much processor time pictures made to be slow can cost.

    python benchmarks/adversary.py [--n 12] [--seed 0] [--only maze rings] [--megapixels 1 4]

Every kind of hostile picture is drawn n times in every size, each time with another grain, on flat
paper or on lit paper with camera noise, as a square or as a strip, dark on light or inverted, and
read with and without `single`. Measured is the process's time over all threads. The table shows the
worst of each kind, in milliseconds per megapixel; below it are the slowest pictures, and an
ordinary photograph of 12 megapixels. The last line of stdout is one JSON object.
"""

import argparse
import json
import time
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cnn_mnist import Reader
from generators.hostile import KINDS, hostile, photograph
from timing import describe

MEGAPIXELS = 0.1, 1.0, 4.0, 16.0


def seconds(reader: Reader, source: NDArray[np.uint8] | bytes, single: bool) -> float:
    """Processor seconds of one reading."""
    began = time.process_time()
    reader.read(source, single)
    return time.process_time() - began


def measure(reader: Reader, kind: str, megapixels: float, seeds: range) -> list[dict[str, Any]]:
    rows = []
    for seed in seeds:
        name, picture = hostile(kind, megapixels, seed)
        for single in (False, True):
            taken = seconds(reader, picture, single)
            what = f"{name}{', single' * single}"
            rows.append({"what": what, "s": round(taken, 4), "ms_mpx": taken * 1e3 / megapixels})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=12, help="pictures per kind and size")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--megapixels", nargs="+", type=float, default=MEGAPIXELS)
    args = parser.parse_args()

    cv2.setNumThreads(1)
    reader = Reader(threads=1)
    reader.read(np.full((300, 300), 255, np.uint8))
    print(f"{'worst ms/megapixel':20}" + "".join(f"{size:>8g} MP" for size in args.megapixels))
    everything, worst = [], {}
    for kind in args.only:
        row = {}
        for size in args.megapixels:
            found = measure(reader, kind, size, range(args.seed, args.seed + args.n))
            everything += [one | {"megapixels": size} for one in found]
            row[f"{size:g}"] = round(max(one["ms_mpx"] for one in found), 1)
        worst[kind] = row
        print(f"{kind:20}" + "".join(f"{value:11.1f}" for value in row.values()), flush=True)

    print("\nslowest")
    for size in args.megapixels:
        of_size = [one for one in everything if one["megapixels"] == size]
        for one in sorted(of_size, key=lambda one: -one["s"])[:3]:
            print(f"{one['s']:8.3f} s {one['ms_mpx']:8.1f} ms/megapixel  {one['what']}")
    ordinary = photograph(np.random.default_rng(args.seed))
    photo = {str(single): round(seconds(reader, ordinary, single), 3) for single in (False, True)}
    said = reader.read(ordinary).text
    print(f"{photo['False']:8.3f} s, single {photo['True']:.3f} s  12-megapixel photograph: {said}")
    result = {
        "what": "processor milliseconds a megapixel, worst of n pictures",
        "n": args.n,
        "seed": args.seed,
        **describe(),
        "opencv_threads": cv2.getNumThreads(),
        "worst_ms_mpx": worst,
        "worst_s": max(one["s"] for one in everything),
        "photograph_s": photo,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
