"""A PDF as a Pillow image with several frames. Requires pypdfium2, the extra `pdf`.

PDFs are programs, and their renderer is a large C library that is not thread-safe. So it runs in
a process of its own, which stops itself if it needs too much time or memory. That process runs
this very file as a script, so it imports no other module of the package.
"""

import contextlib
import faulthandler
import importlib.util
import io
import json
import os
import subprocess
import sys
from typing import Any

from PIL import Image, ImageFile

DPI = 300  # maximum; large pages get less, to fit the side asked for
TIMEOUT = 20.0  # seconds, for the sizes of all pages or for one page's pixels
MEMORY = 2 * 2**30  # maximum memory of the renderer, in bytes
PASSWORD = 4  # pdfium's error code


class PdfError(ValueError):
    """The PDF cannot be rendered; the message says why and what to do."""


class PdfFile(ImageFile.ImageFile):
    """Pages are frames, RGB on white paper; each is rendered when its pixels are needed."""

    format = "PDF"

    def __init__(self, data: bytes, side: int, num_frames: int) -> None:
        """Ask the renderer for the sizes of all pages.

        Args:
            data: the file.
            side: maximum of a page's longer side, in pixels.
            num_frames: maximum number of pages; the rest is ignored.

        Raises:
            PdfError: the PDF is damaged, encrypted or empty, or pypdfium2 is not installed.
        """
        self._data, self._limits = data, (side, num_frames)
        super().__init__(io.BytesIO(data))

    def _open(self) -> None:
        self._sizes = [tuple(size) for size in json.loads(_ask(self._data, "sizes", *self._limits))]
        self._mode = "RGB"
        self.seek(0)

    def seek(self, frame: int) -> None:
        """Go to a page, counted from 0; its pixels are rendered when they are loaded."""
        if not 0 <= frame < len(self._sizes):
            raise EOFError
        self._frame, self._size = frame, self._sizes[frame]
        self._im = None

    def tell(self) -> int:
        """The number of the current page."""
        return self._frame

    def load(self) -> Any:
        """Render the current page, unless that has been done."""
        if self._im is None:
            pixels = _ask(self._data, "pixels", self._frame, *self.size)
            self.im = Image.frombytes("RGB", self.size, pixels).im
        return super().load()


def _ask(data: bytes, *question: object) -> bytes:
    """Ask the renderer's process."""
    if importlib.util.find_spec("pypdfium2") is None:
        raise PdfError(
            "a PDF needs pypdfium2, which is not installed; install it with: "
            "pip install 'cnn-mnist[pdf]'"
        )
    # -P: never import from the current folder
    command = [sys.executable, "-P", __file__, str(TIMEOUT), *map(str, question)]
    child = subprocess.run(command, input=data, capture_output=True)
    if child.returncode == 0:
        return child.stdout
    said = child.stderr.decode(errors="replace").strip()
    raise PdfError(said if said.startswith("the PDF") else _TOO_MUCH)


_TOO_MUCH = (
    f"the PDF cannot be rendered within {TIMEOUT:g} seconds and {MEMORY >> 30} GiB of memory; "
    "save its pages as pictures"
)


def main() -> None:
    """Answer one question about the PDF on standard input: its `sizes`, or a page's `pixels`."""
    from pypdfium2 import PdfDocument, PdfiumError

    timeout, question, *numbers = sys.argv[1:]
    with open(os.devnull, "w") as nowhere:
        faulthandler.dump_traceback_later(float(timeout), exit=True, file=nowhere)
        _limit_memory()
        answer = _page_sizes if question == "sizes" else _page_pixels
        try:
            document = PdfDocument(sys.stdin.buffer.read())
            sys.stdout.buffer.write(answer(document, *map(int, numbers)))
        except PdfiumError as error:
            if error.err_code == PASSWORD:
                sys.exit("the PDF asks for a password; save it without one")
            sys.exit("the PDF is damaged; save it again")


def _limit_memory() -> None:
    with contextlib.suppress(ImportError, ValueError, OSError):  # not supported on every system
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def _page_sizes(document: Any, side: int, num_frames: int) -> bytes:
    """Width and height in pixels of the first pages, as JSON."""
    if not len(document):
        sys.exit("the PDF has no pages")
    sizes = []
    for number in range(min(len(document), num_frames)):
        width, height = document.get_page_size(number)
        scale = min(DPI / 72, side / max(width, height))
        sizes.append([max(1, round(width * scale)), max(1, round(height * scale))])
    return json.dumps(sizes).encode()


def _page_pixels(document: Any, number: int, width: int, height: int) -> bytes:
    from pypdfium2 import PdfBitmap, raw

    page = document[number]
    bitmap = PdfBitmap.new_native(width, height, raw.FPDFBitmap_BGR, rev_byteorder=True)
    bitmap.fill_rect((255, 255, 255, 255), 0, 0, width, height)
    flags = raw.FPDF_ANNOT | raw.FPDF_REVERSE_BYTE_ORDER
    raw.FPDF_RenderPageBitmap(bitmap, page, 0, 0, width, height, 0, flags)
    return bytes(bitmap.to_pil().tobytes())


if __name__ == "__main__":
    main()
