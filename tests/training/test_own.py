"""Your own data sets: every supported form, and every unsupported one."""

import csv
import gzip
import io
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import collected
from cnn_mnist.training.data import DIGITS, DataError, Splits, load, load_for
from cnn_mnist.training.data.own import find
from cnn_mnist.training.data.pictures import read_pictures
from drawn import page

LABELS = collected.labels(10, 4)
IMAGES = collected.images(LABELS)


def error_of(dataset: Path) -> str:
    with pytest.raises(DataError) as failure:
        load(str(dataset))
    message = str(failure.value)
    assert "\n" not in message
    return message


# --- the MNIST family ---


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    ("folder", "name", "first", "last"),
    [
        ("FashionMNIST/raw", "fashion-mnist", "T-shirt", "ankle boot"),
        ("fashion-mnist", "fashion-mnist", "T-shirt", "ankle boot"),
        ("KMNIST", "kmnist", "o", "wo"),
        ("mine", "mine", "0", "9"),
    ],
)
def test_relatives_with_mnists_file_names_are_told_by_their_folder(
    folder: str, name: str, first: str, last: str, zipped: bool, tmp_path: Path
) -> None:
    pair = IMAGES, LABELS
    splits = load(str(collected.family(tmp_path / folder, pair, pair, zipped=zipped)))
    assert (splits.name, splits.classes[0], splits.classes[-1]) == (name, first, last)
    assert (len(splits.classes), len(splits.train), len(splits.test)) == (10, 40, 40)
    assert splits.source == str(tmp_path / folder)
    assert splits.notice == ""
    assert torch.equal(splits.test.images, torch.from_numpy(IMAGES))
    assert splits.test.labels.tolist() == LABELS.tolist()


@pytest.mark.parametrize(
    ("name", "count", "first"),
    [("digits", 10, 0), ("letters", 26, 1), ("balanced", 47, 0), ("byclass", 62, 0)],
)
def test_emnist_stands_upright_and_has_its_letters(
    name: str, count: int, first: int, tmp_path: Path
) -> None:
    labels = collected.labels(count, 2)
    upright = collected.images(labels)
    pair = upright.transpose(0, 2, 1), labels + first
    folder = collected.family(
        tmp_path / "any", pair, pair, f"emnist-{name}-", names=("test", "idx1-ubyte")
    )
    splits = load(str(folder))
    assert splits.name == f"emnist-{name}"
    assert len(splits.classes) == count
    assert splits.classes[10:13] == (() if count == 10 else tuple("KLM" if first else "ABC"))
    assert torch.equal(splits.test.images, torch.from_numpy(upright))
    assert splits.test.labels.tolist() == labels.tolist()


def test_the_labels_of_qmnist_have_more_columns(tmp_path: Path) -> None:
    more = np.column_stack([LABELS, np.full((40, 7), 4113)]).astype(np.int32)
    pair = IMAGES, more
    splits = load(
        str(collected.family(tmp_path, pair, pair, "qmnist-", names=("test", "idx2-int")))
    )
    assert (splits.name, splits.classes) == ("qmnist", DIGITS)
    assert splits.test.labels.tolist() == LABELS.tolist()


def test_of_several_in_a_folder_one_is_named(tmp_path: Path) -> None:
    for name in ("emnist-letters", "emnist-digits"):
        labels = collected.labels(10, 2) + (name == "emnist-letters")
        pair = collected.images(labels), labels
        collected.family(tmp_path, pair, pair, f"{name}-", names=("test", "idx1-ubyte"))
    ways = f"choose one of {tmp_path}/emnist-digits, {tmp_path}/emnist-letters"
    assert error_of(tmp_path).endswith(ways)
    assert load(str(tmp_path / "emnist-letters")).name == "emnist-letters"
    assert "no data set" in error_of(tmp_path / "emnist-balanced")


def test_idx_files_that_do_not_fit_are_told(tmp_path: Path) -> None:
    pair = IMAGES, LABELS
    folder = collected.family(tmp_path / "kmnist", pair, (IMAGES, LABELS + 1))
    assert error_of(folder).endswith("has the label 10; kmnist has 0 to 9")
    collected.family(folder, pair, (IMAGES, LABELS[:-1]))
    assert "has labels (39,) for images (40, 28, 28)" in error_of(folder)
    whole = (folder / "train-images-idx3-ubyte.gz").read_bytes()
    (folder / "train-images-idx3-ubyte.gz").write_bytes(whole[:-9])
    assert "is not a complete IDX file" in error_of(folder)
    (folder / "train-images-idx3-ubyte.gz").unlink()
    assert error_of(folder) == f"{folder} has no IDX file of its train images; four are needed"


def test_nothing_of_ones_own_has_the_name_of_mnist(tmp_path: Path) -> None:
    pair = IMAGES, LABELS
    assert load(str(collected.family(tmp_path / "mnist", pair, pair))).name == "mnist/"


def test_a_folder_of_mnists_official_files_is_mnist(mnist_folder: Path) -> None:
    splits = load(str(mnist_folder))
    assert (splits.name, len(splits.train), splits.sha256) == ("mnist", 60_000, "")


# --- .npz ---


def test_a_npz_of_keras_is_read_as_it_is(tmp_path: Path) -> None:
    splits = load(str(collected.keras(tmp_path / "some.npz", 26, 3, 2)))
    assert (splits.name, splits.notice) == ("some.npz", "")
    assert splits.classes == tuple(map(str, range(26)))
    assert sorted(splits.train.labels.tolist()) == collected.labels(26, 3).tolist()
    assert splits.test.labels.tolist() == collected.labels(26, 2).tolist()
    assert torch.equal(
        splits.test.images, torch.from_numpy(collected.images(collected.labels(26, 2)))
    )


def test_where_there_is_no_test_a_share_of_each_class_is_held_out(tmp_path: Path) -> None:
    labels = np.repeat([7, 3], [30, 10])
    np.savez(tmp_path / "a.npz", images=collected.images(labels), labels=labels)
    splits, again = load(str(tmp_path / "a.npz")), load(str(tmp_path / "a.npz"))
    assert splits.classes == ("3", "7")
    assert splits.train.labels.bincount().tolist() == [8, 24]
    assert splits.test.labels.bincount().tolist() == [2, 6]
    assert "8 of its 40 are held out" in splits.notice
    assert torch.equal(splits.train.images, again.train.images)
    assert splits.hold_out(10).test.labels.unique().tolist() == [0, 1]  # they do not lie in order
    seen = {image.numpy().tobytes() for image in splits.train.images}
    assert not seen & {image.numpy().tobytes() for image in splits.test.images}


SHAPES: dict[str, np.ndarray] = {
    "small floats": IMAGES[:, ::2, ::2] / 255,
    "large": IMAGES.repeat(2, axis=1).repeat(2, axis=2),
    "one channel": IMAGES[..., None],
    "channel first": IMAGES[:, None],
    "colours": np.stack([IMAGES] * 3, axis=3),
    "dark on light": 255 - IMAGES,
    "bits": IMAGES > 100,
    "sixteen bits": IMAGES.astype(np.uint16) * 257,
}


@pytest.mark.parametrize("shape", SHAPES)
def test_images_of_any_usual_shape_become_mnists(shape: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=SHAPES[shape], labels=LABELS[:, None])
    read = find(str(tmp_path / "a.npz")).train
    assert read.images.shape == (40, 28, 28)
    assert read.images.dtype == np.uint8
    likeness = [
        np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(read.images, IMAGES, strict=True)
    ]
    assert min(likeness) > 0.6


def test_classes_have_the_names_that_the_file_gives_them(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=IMAGES, labels=LABELS // 5, classes=["hat", "cap"])
    assert load(str(tmp_path / "a.npz")).classes == ("hat", "cap")
    words = np.array(["b", "a", "10", "9"])[LABELS % 4]
    np.savez(tmp_path / "b.npz", images=IMAGES, labels=words)
    splits = load(str(tmp_path / "b.npz"))
    assert splits.classes == ("9", "10", "a", "b")
    assert splits.train.labels.max() == 3


BAD: dict[str, dict[str, Any]] = {
    "has only one class, '7'": {"images": IMAGES, "labels": LABELS * 0 + 7},
    "has one image of '3'": {"images": IMAGES, "labels": np.array([3, *[4] * 39])},
    "holds neither x_train and y_train nor images and labels": {"pixels": IMAGES},
    "nor images and labels": {"images": IMAGES},
    "40 images and 39 labels": {"images": IMAGES, "labels": LABELS[1:]},
    "hold -1; they must be in 0..": {"images": IMAGES, "labels": LABELS.astype(int) - 1},
    "hold 2; they must be in 0..1": {"images": IMAGES, "labels": LABELS, "classes": ["a", "b"]},
    "are float64 (40,); give": {"images": IMAGES, "labels": LABELS / 2},
    "are uint8 (40, 10); give": {"images": IMAGES, "labels": np.eye(10, dtype=np.uint8)[LABELS]},
    "which is not one of its classes": {
        "images": IMAGES, "labels": LABELS.astype(str), "classes": ["0", "1"],
    },
    "has images (40, 784); give N×height×width": {
        "images": IMAGES.reshape(40, 784), "labels": LABELS,
    },
    "has images (0, 28, 28)": {"images": IMAGES[:0], "labels": LABELS[:0]},
    "NaN or infinity": {"images": IMAGES * np.nan, "labels": LABELS},
    "values are -1 to": {"images": IMAGES.astype(int) - 1, "labels": LABELS},
    "an array of <U3 is not a picture": {"images": IMAGES.astype("U3"), "labels": LABELS},
    "it holds Python objects": {
        "images": np.array([np.zeros((2, 2)), np.zeros((3, 3))], object), "labels": LABELS[:2],
    },
    "has 1,001 classes; at most 1,000": {
        "images": IMAGES, "labels": LABELS, "classes": [str(number) for number in range(1001)],
    },
    "has test images of '2', but no training images of it": {
        "x_train": IMAGES, "y_train": LABELS % 2, "x_test": IMAGES, "y_test": LABELS % 3,
    },
}  # fmt: skip


@pytest.mark.parametrize("problem", BAD)
def test_a_npz_that_cannot_be_learned_from_is_one_line(problem: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "bad.npz", **BAD[problem])
    message = error_of(tmp_path / "bad.npz")
    assert message.startswith(str(tmp_path / "bad.npz"))
    assert problem in message


@pytest.mark.parametrize("content", [b"", b"no zip", b"\x93NUMPY"])
def test_what_is_no_npz_is_told(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(content)
    assert "a.jpg is neither a .npz file nor a folder" in error_of(tmp_path / "a.jpg")


def test_a_zip_without_an_end_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(b"PK\3\4" + bytes(40))
    assert "is not a .npz file of plain arrays" in error_of(tmp_path / "a.npz")


def test_a_pickle_in_the_place_of_a_npz_is_not_run(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[Path]]:
            return Path.touch, (tmp_path / "ran",)

    np.save(tmp_path / "a.npy", np.array([Evil()]), allow_pickle=True)
    (tmp_path / "a.npy").rename(tmp_path / "a.npz")
    error_of(tmp_path / "a.npz")
    assert not (tmp_path / "ran").exists()


def whole_npz() -> bytes:
    content = io.BytesIO()
    np.savez_compressed(content, images=IMAGES[:, ::4, ::4], labels=LABELS)
    return content.getvalue()


@given(data=st.data())
def test_a_damaged_npz_is_read_or_a_data_error(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray(whole_npz())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged.npz"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    with suppress(DataError):
        find(str(path))


@given(data=st.data())
def test_damaged_idx_files_are_read_or_a_data_error(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.getbasetemp() / "damaged"
    small = IMAGES[:, ::4, ::4]
    collected.family(folder, (small, LABELS), (small, LABELS), zipped=False)
    path = data.draw(st.sampled_from(sorted(folder.iterdir())))
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, min(30, len(content) - 1)))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    with suppress(DataError):
        find(str(folder))


# --- pictures ---


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def test_pictures_of_digits_are_read_as_the_reader_reads_them(tmp_path: Path) -> None:
    for digit in "37":
        for size in (40, 90, 200):
            save(tmp_path / digit / f"{size}.png", page(digit, size, size // 10))
    splits = load_for(DIGITS, "", str(tmp_path))
    assert splits.test.files == tuple(f"{d}/{s}.png" for d in "37" for s in (200, 40, 90))
    assert splits.test.labels.tolist() == [3, 3, 3, 7, 7, 7]
    for image in splits.test.images.numpy():
        rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
        assert 19 <= max(np.ptp(rows), np.ptp(columns)) + 1 <= 20


def test_an_image_of_mnist_stays_as_it_is(digits: Splits, tmp_path: Path) -> None:
    images, labels = digits.test.images[:20].numpy(), digits.test.labels[:20].tolist()
    for row, (image, label) in enumerate(zip(images, labels, strict=True)):
        save(tmp_path / f"{label}_{row:02}.png", image)
    read = read_pictures(tmp_path)
    order = [int(Path(name).stem.split("_")[1]) for name in read.files]
    same = [np.array_equal(a, b) for a, b in zip(read.images, images[order], strict=True)]
    assert sum(same) >= 15  # the others do not fill MNIST's box


def test_pictures_that_cannot_be_read_are_named_and_left_out(tmp_path: Path) -> None:
    save(tmp_path / "3_a.png", page("3"))
    save(tmp_path / "7_a.png", page("7"))
    save(tmp_path / "7_blank.png", np.full((60, 60, 3), 255, np.uint8))
    save(tmp_path / "none_x.png", page("1"))
    save(tmp_path / "number_x.png", page("12"))
    (tmp_path / "7_broken.png").write_bytes(b"\x89PNG")
    read = read_pictures(tmp_path)
    assert (read.files, read.labels.tolist()) == (("3_a.png", "7_a.png"), ["3", "7"])
    assert read.notice.startswith("4 of 6 pictures cannot be used: 7_blank.png (no ink found: ")
    assert "7_broken.png (" in read.notice
    assert "none_x.png (no digit)" in read.notice
    assert read.notice.endswith("; the released reader reads 2 of 4 correctly")
    for name in ("3_a.png", "7_a.png"):
        (tmp_path / name).unlink()
    assert "4 of 4 pictures cannot be used" in error_of(tmp_path)


def test_a_list_says_where_on_a_picture_each_sign_is(tmp_path: Path) -> None:
    sheet = np.full((300, 2500, 3), 255, np.uint8)  # larger than what is worked with
    places = {"2": 100, "4": 900, "7": 2300}
    for digit, x in places.items():
        sheet[100:200, x : x + 90] = page(digit, 60, 8)[:100, :90]
    save(tmp_path / "sheet.png", sheet)
    rows: list[list[object]] = [["path", "label", "x", "y", "width", "height"]]
    rows += [["sheet.png", digit, x, 90, 100, 120] for digit, x in places.items()]
    rows += [["sheet.png", "9", 2500, 90, 100, 120]]
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    read = read_pictures(tmp_path)
    assert read.labels.tolist() == ["2", "4", "7"]
    assert (
        "lies outside the picture of 2500×300 pixels); the released reader reads 3 of 4"
        in read.notice
    )
    assert read.files[2] == "sheet.png#2300,90,100,120"
    for image, digit in zip(read.images, places, strict=True):
        save(tmp_path / "alone" / f"{digit}_1.png", page(digit, 60, 8))
        alone = read_pictures(tmp_path / "alone").images[-1]
        assert np.corrcoef(image.ravel(), alone.ravel())[0, 1] > 0.8


def test_pictures_of_other_things_are_squeezed_whole(tmp_path: Path) -> None:
    bright = np.zeros((56, 84), np.uint8)
    bright[:, 42:] = 200
    for number in range(2):
        save(tmp_path / "cat" / f"{number}.png", bright)
        save(tmp_path / "dog" / f"{number}.png", bright[:, ::-1])
    read = read_pictures(tmp_path)
    assert sorted(set(read.labels.tolist())) == ["cat", "dog"]
    assert read.images[0, :, :13].max() == 0
    assert read.images[0, :, 15:].min() == 200
    assert load(str(tmp_path)).classes == ("cat", "dog")


@pytest.mark.parametrize("name", ["empty", "nowhere"])
def test_nothing_to_read_is_told(name: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert error_of(tmp_path / name)


# --- measuring a model on it ---


def test_a_model_is_measured_on_all_that_it_has_not_learned_from(tmp_path: Path) -> None:
    path = str(tmp_path / "a.npz")
    np.savez(path, images=IMAGES, labels=LABELS)
    assert len(load_for(DIGITS, "", path).test) == 40
    learned = load(path)
    assert len(load_for(DIGITS, learned.sha256, path).test) == len(learned.test) == 10


def test_pictures_without_labels_are_told_how_they_get_them(tmp_path: Path) -> None:
    for number in range(3):
        Image.new("L", (30, 30), 255 - number).save(tmp_path / f"IMG_{number}.png")
    told = r"'IMG'.*\. If 'IMG' is not a label of these pictures, name them 7_1\.png, put them into"
    with pytest.raises(DataError, match=told):
        load(str(tmp_path))
    with pytest.raises(DataError, match=told):
        load_for(("a", "b"), "", str(tmp_path))


def test_labels_are_those_of_the_model(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=IMAGES[:4], labels=[7, 7, 7, 7])
    assert load_for(DIGITS, "", str(tmp_path / "a.npz")).test.labels.tolist() == [7] * 4
    with pytest.raises(DataError, match=r"has the class '7', which the model does not know.* a, b"):
        load_for(("a", "b"), "", str(tmp_path / "a.npz"))
    with pytest.raises(DataError, match="digits has digits, and the model knows a, b"):
        load_for(("a", "b"), "", "digits")


def test_a_data_dir_is_for_mnist(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="--data-dir is for MNIST"):
        load(str(tmp_path / "a.npz"), tmp_path)
    with pytest.raises(DataError, match="--data-dir is for MNIST"):
        load_for(DIGITS, "", str(tmp_path / "a.npz"), tmp_path)
    with pytest.raises(DataError, match="--data-dir is for MNIST"):
        load("digits", tmp_path)


def test_gzip_is_told_by_the_name(tmp_path: Path) -> None:
    pair = IMAGES, LABELS
    folder = collected.family(tmp_path, pair, pair, zipped=False)
    for path in list(folder.iterdir()):
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(b"not looked at"))
    assert len(load(str(folder)).train) == 40
