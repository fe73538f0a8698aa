"""RapidOCR's recogniser on pictures whose paths come on stdin; run where rapidocr is installed.

`--held` masks all of its characters but digits before decoding. Its detector is not used: each
picture is one line. The last line of stdout is a JSON list of answers, digits only.
"""

import argparse
import json
import sys

import cv2
import numpy as np
from rapidocr import RapidOCR

MIN_SCORE = 0.5  # RapidOCR's own default for displayed results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--held", action="store_true")
    args = parser.parse_args()
    engine = RapidOCR(params={"Global.log_level": "critical", "Global.text_score": MIN_SCORE})
    if args.held:
        hold_to_digits(engine)
    print(json.dumps([digits(engine, path) for path in sys.stdin.read().splitlines()]))


def hold_to_digits(engine: RapidOCR) -> None:
    engine(np.full((48, 96, 3), 255, np.uint8), use_det=False, use_cls=False)  # loads the model
    recogniser = engine.text_rec
    characters = recogniser.postprocess_op.character
    kept = np.array([i == 0 or c in list("0123456789") for i, c in enumerate(characters)])
    session = recogniser.session
    recogniser.session = lambda batch: np.where(kept, session(batch), 0)


def digits(engine: RapidOCR, path: str) -> str:
    picture = cv2.imread(path)
    answer = engine(picture, use_det=False, use_cls=False, use_rec=True)
    text = "".join(answer.txts or ())
    return "".join(c for c in text if c in "0123456789")


if __name__ == "__main__":
    main()
