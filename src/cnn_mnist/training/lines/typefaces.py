"""Typefaces: those that come with matplotlib, and handwriting under open licences.

The handwriting is not part of the package. `make fonts` fetches it into a folder, which
CNN_MNIST_FONTS names; its packages and versions are listed in package.json beside this module.
"""

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import ImageFont

HEIGHT = 48  # px of a digit, about
PRINTED = (
    "DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSansMono", "DejaVuSerif",
    "DejaVuSerif-Bold", "DejaVuSerif-Italic", "STIXGeneral", "STIXGeneralBol",
    "STIXGeneralItalic", "STIXGeneralBolIta", "cmr10", "cmb10", "cmss10", "cmtt10", "cmti10",
)  # fmt: skip
WITH_GREEK = tuple(name for name in PRINTED if name.startswith(("DejaVu", "STIX")))
WITH_OBJECTS = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique")
# Letters that nobody writes for a digit; likewise the Greek letters and symbols.
LETTERS = "ACDEFGHJKLMNPQRTUVWXYacdefhjkmnprtuvwxy"
GREEK = "αβγδεζηθκλμνξπρσφχψωΔΘΛΞΠΣΦΨΩ"
OBJECTS = "←↑→↓↔↕↗↘⇐⇒⇔➔★☆✦❀✿❄♥♡♦♢♣♧♠♤♪♫♬☺☻☹☀☁☾☂☎✉✎✂✈⌂⚠⚡⚓⚙☮☯☐☑☒♔♕♖♗♘♙✓✗✕△▽◇∑∏∫√≈≠∇∩¶@&%#"


def printed(name: str) -> Path:
    """The file of a typeface of matplotlib's."""
    return Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{name}.ttf"


@cache
def handwritten() -> tuple[Path, ...]:
    """The files of the handwriting typefaces.

    Raises:
        ValueError: they are not where CNN_MNIST_FONTS says.
    """
    found = files(Path(os.environ.get("CNN_MNIST_FONTS", "runs/fonts/node_modules/@fontsource")))
    missing = [file for file in found if not file.is_file()]
    if missing:
        raise ValueError(f"{missing[0]}: no such file; get the typefaces with: make fonts")
    return found


def files(folder: Path) -> tuple[Path, ...]:
    """Where each of the handwriting typefaces is in a folder."""
    wanted = json.loads((Path(__file__).parent / "package.json").read_text())["dependencies"]
    names = [name.removeprefix("@fontsource/") for name in wanted]
    return tuple(folder / n / "files" / f"{n}-latin-400-normal.woff" for n in names)


@cache
def draw(path: Path, character: str) -> tuple[NDArray[Any], int]:
    """A character's ink 0..1, and its first row, counted from the first of the typeface's 0.

    The 0 is about HEIGHT px high.
    """
    font, top = _font(path)
    mask, (_, y) = font.getmask2(character, "L")
    ink = np.frombuffer(bytes(mask), np.uint8).reshape(mask.size[1], mask.size[0])
    return np.asarray(ink / np.float32(255)), y - top


def height(path: Path) -> int:
    """Rows of the typeface's 0."""
    return len(draw(path, "0")[0])


@cache
def _font(path: Path) -> tuple[ImageFont.FreeTypeFont, int]:
    font = ImageFont.truetype(str(path), round(HEIGHT / 0.7))
    return font, font.getmask2("0", "L")[1][1]
