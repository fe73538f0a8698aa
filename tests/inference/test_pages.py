"""Every page of a file is read; files that only claim to have pages cost little."""

import contextlib
import importlib.util
import io
import json
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from cnn_mnist.inference.pictures import image, pdf
from cnn_mnist.inference.pictures.image import FIRST_FRAME, MAX_PAGES
from cnn_mnist.inference.pictures.page import ImageError
from cnn_mnist.inference.reader import Reader
from cnn_mnist.inference.reading import NO_INK
from drawn import page
from paged import chain, document, encoded, locked, one_page, stream
from shell import Shell


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader()


@pytest.fixture
def renderer() -> None:
    pytest.importorskip("pypdfium2")


def texts(reader: Reader, source: image.Source) -> list[str]:
    return [reading.text for reading in reader.read_pages(source)]


def tiff(*texts: str, **options: object) -> bytes:
    return encoded(texts, "TIFF", **options)


# --- what is read ---


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "jpeg"])
def test_every_page_of_a_tiff_is_read(reader: Reader, compression: str | None) -> None:
    content = tiff("7", "3", "52", compression=compression)
    assert texts(reader, content) == ["7", "3", "52"]
    pages = [(r.page, r.num_pages, r.notice) for r in reader.read_pages(content)]
    assert pages == [(1, 3, None), (2, 3, None), (3, 3, None)]
    assert reader.read(content).text == "7"
    first = reader.read(content)
    assert (first.num_pages, first.is_unreadable) == (None, False)  # read does not look


def test_every_page_of_a_pdf_is_read(reader: Reader, renderer: None) -> None:
    content = encoded(("7", "3", "52"), "PDF")
    assert texts(reader, content) == ["7", "3", "52"]
    assert [r.num_pages for r in reader.read_pages(content)] == [3, 3, 3]
    assert reader.read(content).text == "7"


def test_all_kinds_of_sources_have_pages(reader: Reader, tmp_path: Path) -> None:
    content = tiff("4", "2")
    (tmp_path / "two.tif").write_bytes(content)
    with Image.open(io.BytesIO(content)) as picture:
        assert texts(reader, picture) == ["4", "2"]
        assert picture.tell() == 0
        picture.seek(1)
        next(image.pages(picture))
        assert picture.tell() == 1
    assert texts(reader, tmp_path / "two.tif") == ["4", "2"]
    assert texts(reader, page("6")) == ["6"]
    first, second = image.pages(content)
    (reading,) = reader.read_pages(second)
    assert (reading.text, reading.page, reading.num_pages) == ("2", 2, 2)
    assert image.page_sizes(content) == [first.size, second.size]


def test_pages_are_decoded_when_they_are_asked_for() -> None:
    content = bytearray(tiff("4", "2"))
    pages = image.pages(bytes(content))
    assert next(pages).number == 1
    assert next(pages).number == 2


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_of_an_animation_the_first_frame_is_read_and_it_is_told(reader: Reader, kind: str) -> None:
    (reading,) = reader.read_pages(encoded(("8", "1", "1"), kind))
    assert (reading.text, reading.num_pages, reading.notice) == ("8", 1, FIRST_FRAME)
    (still,) = reader.read_pages(encoded(("8",), kind))
    assert (still.text, still.notice) == ("8", None)


def test_a_smaller_copy_of_a_page_is_no_page(reader: Reader) -> None:
    first, small = Image.fromarray(page("7")), Image.fromarray(page("7", 40, 4))
    small.encoderinfo = {"tiffinfo": {254: 1}}
    file = io.BytesIO()
    first.save(file, "TIFF", save_all=True, append_images=[small])
    (reading,) = reader.read_pages(file.getvalue())
    assert (reading.text, reading.page) == ("7", 1)


def test_a_pdf_page_is_as_large_as_the_reader_wants_it(renderer: None) -> None:
    for box, size in (
        (b"0 0 72 144", (300, 600)),  # at 300 dpi
        (b"0 0 595 842", (1447, 2048)),  # A4
        (b"0 0 1000000 1000000", (2048, 2048)),
        (b"0 0 10000000 0.001", (2048, 1)),
    ):
        (found,) = image.pages(one_page(box=box))
        assert found.size == size
        assert found.pixels.shape == (size[1], size[0], 3)


def test_a_pdf_that_is_turned_is_read_upright(reader: Reader, renderer: None) -> None:
    upright = Image.fromarray(page("7", 80, 8))
    file = io.BytesIO()
    upright.rotate(90, expand=True).save(file, "PDF")
    turned = file.getvalue().replace(b"/MediaBox", b"/Rotate 90 /MediaBox")
    assert reader.read(turned).text == "7"


# --- what is refused ---


def test_a_damaged_page_ends_the_file_with_its_number(reader: Reader) -> None:
    content = bytearray(tiff("7", "3", "5", compression="tiff_lzw"))
    with Image.open(io.BytesIO(bytes(content))) as picture:
        assert isinstance(picture, TiffImageFile)
        picture.seek(1)
        begin, length = picture.tag_v2[273][0], picture.tag_v2[279][0]
    content[begin : begin + length] = b"\xff" * length
    pages = reader.read_pages(bytes(content))
    assert next(pages).text == "7"
    with pytest.raises(ImageError, match=r"^page 2 of 3 and those after it were not read: .*damag"):
        next(pages)


def test_a_page_whose_header_is_damaged_is_told(reader: Reader) -> None:
    pages = reader.read_pages(chain(2)[:62])
    assert next(pages).num_pages == 2
    with pytest.raises(ImageError, match="page 2 of 2 and those after it were not read"):
        next(pages)


def test_pages_without_end_are_not_followed() -> None:
    for content in (chain(MAX_PAGES + 1), chain(100_000)):
        with pytest.raises(ImageError, match=f"more than {MAX_PAGES} pages; split the file"):
            next(image.pages(content))
    assert len(image.page_sizes(chain(MAX_PAGES))) == MAX_PAGES


@pytest.mark.parametrize("count", [1, 3])
def test_pages_in_a_circle_are_read_once(count: int) -> None:
    assert len(list(image.pages(chain(count, back=True)))) == count


def test_pages_with_too_many_pixels_together_are_refused_at_once() -> None:
    for content in (chain(51, side=8900), chain(400, side=8900)):
        with pytest.raises(ImageError, match="more than 4,000 million pixels in all; split"):
            next(image.pages(content))


def of_operators(content: bytes, times: int) -> bytes:
    """A small PDF whose page repeats this so often. The checksum at its end is left out."""
    press = zlib.compressobj(9, wbits=-15)
    block = press.compress(content) + press.flush(zlib.Z_FULL_FLUSH)  # can be repeated
    pressed = b"\x78\xda" + times * block + press.flush()
    return document(
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 200] /Contents 4 0 R >>",
        stream(pressed, b"/Filter /FlateDecode"),
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"%PDF-1.7\n", "the PDF is damaged; save it again"),
        (one_page()[:200], "the PDF is damaged; save it again"),
        (one_page(count=1_000_000), "the PDF is damaged; save it again"),
        (document(count=0), "the PDF (is damaged|has no pages)"),
        (locked(), "the PDF asks for a password; save it without one"),
        (document(b"<< /Type /Pages /Kids [2 0 R 3 0 R] /Count 9 >>", count=9), "the PDF"),
        (of_operators(b" " * 1_000_000, 1500), "cannot be rendered within .* 2 GiB of memory"),
    ],
    ids=["empty", "half", "claims", "none", "locked", "circle", "memory"],
)
def test_a_pdf_that_cannot_be_rendered_is_one_line(
    content: bytes, reason: str, renderer: None
) -> None:
    with pytest.raises(ImageError, match=reason) as failure:
        list(image.pages(content))
    assert "\n" not in str(failure.value)


def test_a_renderer_that_takes_too_long_ends_itself(
    renderer: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pdf, "TIMEOUT", 1e-3)
    with pytest.raises(ImageError, match="cannot be rendered within"):
        list(image.pages(of_operators(10_000 * b"0 0 m 9 9 l S ", 200)))


def test_too_many_pages_of_a_pdf_are_refused(renderer: None) -> None:
    kids = b" ".join([b"4 0 R"] * (MAX_PAGES + 1))
    count = MAX_PAGES + 1
    content = document(
        b"<< /Type /Pages /Parent 2 0 R /Kids [%s] /Count %d >>" % (kids, count),
        b"<< /Type /Page /Parent 3 0 R /MediaBox [0 0 9 9] >>",
        count=count,
    )
    with pytest.raises(ImageError, match=f"more than {MAX_PAGES} pages; split the file"):
        next(image.pages(content))


def test_without_the_extra_a_pdf_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ImageError, match=r"^a PDF needs pypdfium2.*'cnn-mnist\[pdf\]'$"):
        image.load(one_page())


@given(
    changes=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=9),
    cut=st.integers(0, 2000) | st.none(),
)
def test_mutated_pages_are_refused_or_read(changes: list[tuple[int, int]], cut: int | None) -> None:
    content = bytearray(MUTABLE)
    for position, value in changes:
        content[position % len(content)] = value
    with contextlib.suppress(ImageError):
        for found in image.pages(bytes(content[:cut])):
            assert found.pixels.dtype == np.uint8


MUTABLE = chain(4, side=8) + bytes(64)


# --- the command ---


def test_the_command_names_the_pages(shell: Shell) -> None:
    Path("three.tif").write_bytes(tiff("7", "3", "5"))
    Path("one.gif").write_bytes(encoded(("8", "1"), "GIF"))
    _, out, err = shell("predict three.tif one.gif --preview seen")
    names = [line.partition(":")[0] for line in out.splitlines()]
    assert names == ["three.tif#1", "three.tif#2", "three.tif#3", "one.gif"]
    assert [line.split()[1] for line in out.splitlines()] == ["7", "3", "5", "8"]
    assert err == f"one.gif: {FIRST_FRAME}\n"
    seen = sorted(path.name for path in Path("seen").iterdir())
    assert seen == ["0001-three-1.png", "0001-three-2.png", "0001-three-3.png", "0002-one.png"]


def test_a_page_that_cannot_be_read_is_a_line_and_exit_code_1(shell: Shell) -> None:
    Path("half.tif").write_bytes(chain(2)[:62])
    code, out, _ = shell("predict half.tif --json")
    first, second = map(json.loads, out.splitlines())
    assert code == 1
    assert (first["path"], first["page"], first["num_pages"]) == ("half.tif", 1, 2)
    assert (second["path"], second["page"], second["num_pages"]) == ("half.tif", 2, None)
    assert first["reason"] == NO_INK
    assert second["reason"].startswith("page 2 of 2 and those after it were not read")
