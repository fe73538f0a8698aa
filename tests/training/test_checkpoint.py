"""The run folder: complete or absent, restored exactly, with clear errors on damage."""

import csv
import json
import resource
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cnn_mnist.training.data import Splits
from cnn_mnist.training.loop import Run, fit, start
from cnn_mnist.training.recipes import Recipe
from cnn_mnist.training.runs import checkpoint, run_folder
from cnn_mnist.training.runs.config import Config, create_folder, load_config
from cnn_mnist.training.runs.run_folder import RunError

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def run(tiny: Recipe, few_digits: Splits) -> Run:
    return fit(tiny, few_digits, seed=4)


@pytest.fixture
def folder(run: Run, tmp_path: Path, few_digits: Splits) -> Path:
    create_folder(tmp_path / "run", Config.of(run, few_digits))
    checkpoint.save(tmp_path / "run", run)
    return tmp_path / "run"


def reload(folder: Path, recipe: Recipe) -> Run:
    return checkpoint.load_run(folder, recipe, CPU, torch.float32)


def load_model(folder: Path, _: Recipe) -> torch.nn.Module:
    return checkpoint.load_model(folder)


def load_epochs(folder: Path, _: Recipe) -> dict[int, torch.nn.Module]:
    return checkpoint.load_epochs(folder)


def equal(one: Any, other: Any) -> bool:
    """Tensors in any nested structure, compared bit for bit."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[k], other[k]) for k in one)
    return bool(one == other)


def test_a_run_comes_back_bit_for_bit(run: Run, folder: Path) -> None:
    again = reload(folder, run.recipe)
    assert (again.seed, again.history) == (4, run.history)
    assert equal(again.net.state_dict(), run.net.state_dict())
    assert equal(again.model.state_dict(), run.model.state_dict())
    assert equal(again.optimizer.state_dict()["state"], run.optimizer.state_dict()["state"])


def test_the_model_comes_back_ready_to_use(run: Run, folder: Path) -> None:
    model = checkpoint.load_model(folder)
    assert equal(model.state_dict(), run.model.state_dict())
    assert not model.training


def test_other_weights_to_use_leave_the_resume_state(run: Run, folder: Path) -> None:
    other = start(run.recipe, seed=5).model
    checkpoint.save_model(folder, other)
    assert equal(checkpoint.load_model(folder).state_dict(), other.state_dict())
    assert equal(reload(folder, run.recipe).model.state_dict(), run.model.state_dict())


def test_the_weights_of_every_epoch_come_back(
    tiny: Recipe, few_digits: Splits, tmp_path: Path
) -> None:
    folder, weights = tmp_path / "run", {}

    def save(run: Run) -> None:
        checkpoint.save(folder, run)
        weights[len(run.history)] = {k: v.clone() for k, v in run.model.state_dict().items()}
        assert list(checkpoint.load_epochs(folder)) == list(weights)

    run = start(tiny, seed=4)
    create_folder(folder, Config.of(run, few_digits))
    fit(tiny, few_digits, save, run=run)
    epochs = checkpoint.load_epochs(folder)
    assert list(epochs) == [1, 2]
    assert all(equal(model.state_dict(), weights[n]) for n, model in epochs.items())
    assert not equal(weights[1], weights[2])


def test_a_folder_without_epochs_has_none(folder: Path) -> None:
    (folder / "epochs" / "02.safetensors").unlink()
    assert checkpoint.load_epochs(folder) == {}


def test_an_epoch_that_the_state_does_not_know_is_not_read(folder: Path) -> None:
    """A kill between the two files leaves the weights of an epoch that will be trained again."""
    later = folder / "epochs" / "03.safetensors"
    later.write_bytes((folder / "epochs" / "02.safetensors").read_bytes())
    assert list(checkpoint.load_epochs(folder)) == [2]


def test_the_settings_come_back(run: Run, folder: Path, few_digits: Splits) -> None:
    assert load_config(folder) == Config.of(run, few_digits)


def test_the_history_can_be_read_without_us(run: Run, folder: Path) -> None:
    rows = list(csv.DictReader((folder / "history.csv").read_text().splitlines()))
    expected = [{name: str(value) for name, value in asdict(row).items()} for row in run.history]
    assert rows == expected


def test_a_run_stopped_before_its_first_epoch_starts_again(
    run: Run, tmp_path: Path, few_digits: Splits
) -> None:
    create_folder(tmp_path / "new", Config.of(run, few_digits))
    again, fresh = reload(tmp_path / "new", run.recipe), start(run.recipe, seed=4)
    assert again.history == []
    assert equal(again.net.state_dict(), fresh.net.state_dict())


def test_the_first_free_name_is_found(tmp_path: Path) -> None:
    assert run_folder.free_name(tmp_path, "fast") == tmp_path / "fast-1"
    for number in (1, 2, 4):
        (tmp_path / f"fast-{number}").mkdir()
    assert run_folder.free_name(tmp_path, "fast") == tmp_path / "fast-3"


# --- writing ---


def test_an_existing_folder_is_never_written_to(
    run: Run, tmp_path: Path, few_digits: Splits
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    with pytest.raises(RunError, match=r"exists already; choose another --out, or .*--resume"):
        create_folder(tmp_path / "mine", Config.of(run, few_digits))
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes.txt"]


def test_a_folder_that_cannot_be_made_is_named(
    run: Run, tmp_path: Path, few_digits: Splits
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"^cannot create the run folder .*/run: Not a directory$"):
        create_folder(tmp_path / "file" / "run", Config.of(run, few_digits))


def test_writing_replaces_a_file_whole(tmp_path: Path) -> None:
    for content in (b"long " * 1000, b"short"):
        run_folder.write(tmp_path / "file", content)
        assert (tmp_path / "file").read_bytes() == content
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_full_disk_keeps_the_epoch_before(run: Run, folder: Path) -> None:
    before, limits = contents(folder), resource.getrlimit(resource.RLIMIT_FSIZE)
    again = reload(folder, run.recipe)
    again.history.append(again.history[-1])
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
    try:
        with pytest.raises(RunError) as error:
            checkpoint.save(folder, again)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    message = str(error.value)
    assert message.startswith(f"epoch 3 could not be saved in {folder}: File too large")
    assert f"--resume {folder}" in message
    assert "\n" not in message
    assert contents(folder) == before


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# --- damage ---


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_missing_file_is_named(name: str, folder: Path) -> None:
    (folder / name).unlink()
    with pytest.raises(RunError, match=f"^{folder} is not a run folder: there is no {name}$"):
        checkpoint.load_model(folder)


def test_a_file_is_no_run_folder(folder: Path) -> None:
    with pytest.raises(RunError, match=r"history\.csv.config\.json cannot be read"):
        load_config(folder / "history.csv")


def test_another_format_is_refused(folder: Path) -> None:
    values = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(values | {"format": 99}))
    with pytest.raises(RunError, match=r"config\.json cannot be read: format 99"):
        load_config(folder)


WEIGHTS = [
    ("model.safetensors", load_model),
    ("resume.safetensors", reload),
    ("epochs/02.safetensors", load_epochs),
]


@pytest.mark.parametrize(("name", "load"), [("config.json", load_model), *WEIGHTS])
@pytest.mark.parametrize("share", [0, 0.5, 0.99])
def test_half_a_file_is_named(
    name: str,
    load: Callable[[Path, Recipe], object],
    share: float,
    folder: Path,
    tiny: Recipe,
) -> None:
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(RunError, match=f"{name} cannot be read"):
        load(folder, tiny)


@pytest.mark.parametrize(("name", "load"), WEIGHTS)
def test_a_wrong_byte_anywhere_is_found(
    name: str, load: Callable[[Path, Recipe], object], folder: Path, tiny: Recipe
) -> None:
    intact = (folder / name).read_bytes()
    begin = 8 + int.from_bytes(intact[:8], "little")  # of the numbers, behind the header
    places = [begin, begin + 1, (begin + len(intact)) // 2, len(intact) - 1]
    places += [intact.index(b'"sha256":"') + 12, intact.index(b"sha256") + 3]
    for place in places:
        damaged = bytearray(intact)
        damaged[place] ^= 1
        (folder / name).write_bytes(damaged)
        with pytest.raises(RunError, match=rf"^{folder / name} cannot be read: its checksum is wr"):
            load(folder, tiny)


def test_a_wrong_figure_in_the_history_is_found(folder: Path) -> None:
    path = folder / "resume.safetensors"
    content = path.read_bytes()
    place = content.index(b"test_accuracy") + 20
    assert chr(content[place]).isdigit()
    path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
    with pytest.raises(RunError, match="checksum is wrong; restore it from a copy, or train"):
        checkpoint.load_history(folder)


def test_a_folder_of_an_earlier_version_has_no_checksums(
    run: Run, folder: Path, tiny: Recipe
) -> None:
    for path in folder.rglob("*.safetensors"):
        with safetensors.safe_open(path, "pt") as file:
            metadata = {k: v for k, v in file.metadata().items() if k == "history"}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        safetensors.torch.save_file(tensors, path, metadata or None)
    assert equal(checkpoint.load_model(folder).state_dict(), run.model.state_dict())
    assert reload(folder, tiny).history == run.history
    assert list(checkpoint.load_epochs(folder)) == [2]


def test_the_same_weights_are_the_same_bytes(run: Run, folder: Path) -> None:
    before = (folder / "model.safetensors").read_bytes()
    checkpoint.save(folder, run)
    assert (folder / "model.safetensors").read_bytes() == before


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=4,
)
many = settings(
    max_examples=50,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@many
@given(draw=st.data())
def test_any_value_in_the_settings_is_read_or_refused(draw: st.DataObject, folder: Path) -> None:
    path = folder / "config.json"
    intact = path.read_text()
    values = json.loads(intact)
    place = draw.draw(st.sampled_from([values, values["recipe"]]))
    place[draw.draw(st.sampled_from(sorted(place)))] = draw.draw(JSON)
    try:
        path.write_text(json.dumps(values))
        read_everything(folder)
    finally:
        path.write_text(intact)


@many
@given(draw=st.data())
def test_a_damaged_file_is_read_or_refused(draw: st.DataObject, folder: Path) -> None:
    name = draw.draw(st.sampled_from(["config.json", "model.safetensors", "resume.safetensors"]))
    intact = (folder / name).read_bytes()
    head = min(len(intact), 3000)  # the tables of names and shapes; what follows is numbers
    damaged = bytearray(intact)
    for place in draw.draw(st.lists(st.integers(0, head - 1), min_size=1, max_size=3)):
        damaged[place] = draw.draw(st.integers(0, 255))
    try:
        (folder / name).write_bytes(bytes(damaged))
        read_everything(folder)
    finally:
        (folder / name).write_bytes(intact)


def read_everything(folder: Path) -> None:
    """Load a run and train another epoch, or fail with one line on what is damaged."""
    try:
        recipe = load_config(folder).recipe
        checkpoint.load_model(folder)
        run = reload(folder, recipe)
    except RunError as error:
        message = str(error)
        assert str(folder) in message, message
        assert "\n" not in message, message
    else:
        if run.history:
            run.optimizer.step()
