"""Every kind of picture becomes an upright RGB page; anything else gives a clear error."""

import contextlib
import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from cnn_mnist.inference.pictures.crop import crop
from cnn_mnist.inference.pictures.files import MAX_BYTES, pictures
from cnn_mnist.inference.pictures.image import WORKING_SIDE, load
from cnn_mnist.inference.pictures.page import ImageError, Page
from drawn import page

PICTURE = page("5", paper=(200, 220, 240))


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM"])
def test_lossless_formats_are_read_exactly(kind: str) -> None:
    assert np.array_equal(load(encoded(Image.fromarray(PICTURE), kind)).pixels, PICTURE)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "GIF"])
def test_lossy_formats_are_read_as_pillow_reads_them(kind: str) -> None:
    data = encoded(Image.fromarray(PICTURE), kind)
    assert np.array_equal(
        load(data).pixels, np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    )


def test_paths_bytes_pictures_and_arrays_agree(tmp_path: Path) -> None:
    file = tmp_path / "five.png"
    Image.fromarray(PICTURE).save(file)
    for source in (file, str(file), file.read_bytes(), Image.fromarray(PICTURE), PICTURE):
        assert np.array_equal(load(source).pixels, PICTURE)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGBA", "LA", "CMYK", "YCbCr", "I", "F", "HSV"])
def test_every_mode_keeps_ink_darker_than_paper(mode: str) -> None:
    picture = Image.fromarray(PICTURE)
    grey_first = picture.convert("L") if mode in ("1", "LA") else picture
    converted = grey_first.convert(mode, dither=Image.Dither.NONE)
    grey = load(converted).pixels.astype(int).sum(axis=2)
    was = PICTURE.astype(int).sum(axis=2)
    assert grey[was < 150].max() < grey[was > 600].min()


def test_sixteen_bits() -> None:
    deep = PICTURE[..., 0].astype(np.uint16) * 257
    assert np.array_equal(load(encoded(Image.fromarray(deep), "PNG")).pixels[..., 0], deep // 257)
    assert np.array_equal(load(deep).pixels[..., 0], deep // 257)


def test_a_pil_image_is_not_changed() -> None:
    """Pillow can decode a large JPEG at half its size, but then it has only that half."""
    large = encoded(Image.fromarray(PICTURE).resize((4000, 3000)), "JPEG")
    with Image.open(io.BytesIO(large)) as picture:
        assert [load(picture).size for _ in range(2)] == [(4000, 3000)] * 2
        assert picture.size == (4000, 3000)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(Image.fromarray(PICTURE), "PNG", exif=exif)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    read = load(data)
    assert np.array_equal(read.pixels, np.asarray(upright))
    assert read.size == upright.size


@pytest.mark.parametrize("ink", [0, 255])
def test_ink_on_nothing_is_laid_on_its_opposite(ink: int) -> None:
    drawing = np.full((*PICTURE.shape[:2], 4), ink, np.uint8)
    drawing[..., 3] = np.where(PICTURE[..., 0] < 100, 255, 0)
    read = load(encoded(Image.fromarray(drawing), "PNG")).pixels
    assert (read[drawing[..., 3] == 255] == ink).all()
    assert (read[drawing[..., 3] == 0] == 255 - ink).all()


def test_a_page_with_transparent_corners_keeps_its_colour() -> None:
    drawing = np.dstack([PICTURE, np.full(PICTURE.shape[:2], 255, np.uint8)])
    drawing[:20, :20, 3] = 0
    assert (load(drawing).pixels[:20, :20] == (200, 220, 240)).all()


def test_a_transparent_palette_is_laid_on_paper() -> None:
    indexed = Image.fromarray((PICTURE[..., 0] < 100).astype(np.uint8))
    indexed.putpalette([0, 0, 0, 10, 10, 10])
    read = load(encoded(indexed, "PNG", transparency=0)).pixels
    assert read[0, 0].tolist() == [255, 255, 255]


@pytest.mark.parametrize(
    "array",
    [
        PICTURE[..., 0] / np.float64(255),
        PICTURE[..., 0].astype(np.float32),
        PICTURE[..., :1],
        PICTURE[..., 0].astype(np.int64),
        np.asfortranarray(PICTURE[..., 0]),
    ],
)
def test_arrays_of_any_number_type(array: np.ndarray) -> None:
    assert np.array_equal(load(array).pixels[..., 0], PICTURE[..., 0])


def test_booleans_are_black_and_white() -> None:
    assert np.array_equal(load(PICTURE[..., 0] > 100).pixels[..., 0], (PICTURE[..., 0] > 100) * 255)


def test_a_large_photo_is_reduced_and_boxes_come_back_in_its_own_pixels() -> None:
    read = load(encoded(Image.new("RGB", (4000, 3000), "white"), "JPEG"))
    assert max(read.pixels.shape) <= WORKING_SIDE
    assert read.size == (4000, 3000)
    height, width = read.pixels.shape[:2]
    assert read.original_box((0, 0, width, height)) == (0, 0, 4000, 3000)
    assert read.original_box((width // 2, 0, 10, 10)) == (2000, 0, 20, 20)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (b"", "empty"),
        (b"no picture", "not a picture in a supported format; save it as one of PNG, .*, PDF$"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC.*save the picture as JPEG or PNG"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a picture"),
        (b"\x89PNG" * (MAX_BYTES // 4 + 1), "larger than"),
        (np.full((9, 9), np.nan), "NaN"),
        (np.full((9, 9), np.inf, np.float32), "infinity"),
        (np.zeros((0, 9), np.uint8), "empty"),
        (np.zeros((9, 9, 7), np.uint8), "shape"),
        (np.zeros(9, np.uint8), "shape"),
        (np.full((9, 9), -1), "values"),
        (np.full((9, 9), 1e9), "values"),
        (np.zeros((9, 9), complex), "complex"),
        (np.zeros((10_000, 10_000), np.bool_), "million"),
        (42, "int"),
    ],
)
def test_what_is_no_picture_is_refused_by_name(source: object, reason: str) -> None:
    with pytest.raises(ImageError, match=reason):
        load(source)  # type: ignore[arg-type]


def test_missing_files_folders_and_devices(tmp_path: Path) -> None:
    for path in (tmp_path / "none.png", Path("/dev/zero")):
        with pytest.raises(ImageError, match=r"^no such file; check the path$"):
            load(path)
    with pytest.raises(ImageError, match=r"^this is a folder; give the pictures in it$"):
        load(tmp_path)
    nested = tmp_path / "a.png"
    nested.mkdir()
    (nested / "b.png").touch()
    assert pictures(tmp_path) == [nested / "b.png"]


def test_hidden_files_of_a_folder_are_left_out_unless_they_are_named(tmp_path: Path) -> None:
    folder = tmp_path / ".album"
    hidden = [folder / "._a.png", folder / ".thumbnails" / "a.png"]
    for path in (folder / "a.png", *hidden):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert pictures(folder) == [folder / "a.png"]
    assert pictures(hidden[0]) == hidden[:1]


def test_a_png_that_claims_a_thousand_million_pixels() -> None:
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(9))), (b"IEND", b"")]
    data = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )
    with pytest.raises(ImageError, match="pixels"):
        load(data)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_truncated_files_are_refused_or_read(kind: str) -> None:
    data = encoded(Image.fromarray(PICTURE), kind)
    for keep in range(1, len(data), max(1, len(data) // 40)):
        read_or_refuse(data[:keep])


@given(
    kind=st.sampled_from(["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"]),
    changes=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=9),
)
def test_mutated_files_are_refused_or_read(kind: str, changes: list[tuple[int, int]]) -> None:
    data = bytearray(encoded(Image.fromarray(PICTURE[::4, ::4].copy()), kind))
    for position, value in changes:
        data[position % len(data)] = value
    read_or_refuse(bytes(data))


def read_or_refuse(source: bytes) -> None:
    with contextlib.suppress(ImageError):
        read = load(source)
        assert isinstance(read, Page)
        assert read.pixels.dtype == np.uint8
        assert read.pixels.ndim == 3


def test_a_crop_holds_what_is_inside_the_picture() -> None:
    pixels = np.arange(40 * 60 * 3).reshape(40, 60, 3).astype(np.uint8)
    whole = load(pixels)
    assert np.array_equal(crop(whole, (-5, 30, 15, 10**308), 0).pixels, pixels[30:, :10])
    assert np.array_equal(crop(whole, (10, 10, 20, 10), 0.1).pixels, pixels[8:22, 8:32])
    for outside in ((-20, 0, 20, 9), (60, 0, 9, 9), (0, -9, 9, 9), (0, 40, 9, 9), (5, 5, 0, 9)):
        with pytest.raises(ImageError, match="outside the picture of 60×40 pixels"):
            crop(whole, outside)
