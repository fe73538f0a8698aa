"""A picture of one sign up to the classifier: its answer equals the reader's."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnn_mnist import ImageError, Reader
from cnn_mnist.inference.pictures import image
from cnn_mnist.inference.sample import Sample, look, sample_probs, samples
from drawn import page


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader(threads=1)


def digit_of(reader: Reader, sample: Sample) -> str:
    (probs,) = sample_probs([sample], reader.classifier.probs)
    digit = sample.digit(probs, reader.classifier.threshold, reader.classifier.decides)
    return "" if digit is None else str(digit)


@pytest.mark.parametrize("text", "0123456789")
def test_it_is_what_the_reader_takes_it_for(reader: Reader, text: str) -> None:
    picture = page(text, 60, 6)
    assert digit_of(reader, look(reader.line_reader, image.load(picture))) == text
    assert reader.read(picture, single=True).text == text


def test_an_mnist_image_is_taken_as_it_is(reader: Reader) -> None:
    frame = look(reader.line_reader, image.load(page("3", 60, 6))).frame
    sample = look(reader.line_reader, image.load(frame))
    assert sample.is_ready
    assert (sample.frame == frame).all()
    assert digit_of(reader, sample) == reader.read(frame, single=True).text == "3"


def test_parts_of_a_picture_and_what_cannot_be_read(reader: Reader, tmp_path: Path) -> None:
    sheet = np.full((300, 400, 3), 255, np.uint8)
    sheet[20:140, 20:110] = page("7", 60, 6)
    sheet[160:280, 220:310] = page("2", 60, 6)
    Image.fromarray(sheet).save(tmp_path / "sheet.png")
    (tmp_path / "bad.png").write_bytes(b"none")
    path = tmp_path / "sheet.png"
    places = [
        (path, (45, 45, 40, 70)),
        (path, (245, 185, 40, 70)),
        (path, (5, 250, 20, 20)),
        (path, (500, 10, 20, 20)),
        (tmp_path / "bad.png", None),
        (tmp_path / "gone.png", None),
    ]
    seven, two, *none = samples(partial(look, reader.line_reader), places)
    assert isinstance(seven, Sample)
    assert isinstance(two, Sample)
    assert (digit_of(reader, seven), digit_of(reader, two)) == ("7", "2")
    assert all(isinstance(reason, ImageError) for reason in none)
    assert [str(reason) for reason in none[:2]] == [
        "no ink found: the picture is blank or its contrast too low",
        "the box (500, 10, 20, 20) lies outside the picture of 400×300 pixels",
    ]
