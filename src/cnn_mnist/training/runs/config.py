"""A run's settings, as in config.json."""

import json
import platform
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import torch

import cnn_mnist
from cnn_mnist import shelf
from cnn_mnist.training.data import DATASETS, DIGITS, DataError, Splits, load
from cnn_mnist.training.loop import Run, check_seed
from cnn_mnist.training.models.networks import count_params
from cnn_mnist.training.recipes import Recipe
from cnn_mnist.training.runs import model_file
from cnn_mnist.training.runs.run_folder import RunError, reading, to_json, weights_sha256, write

FORMAT = 1


@dataclass(frozen=True)
class Config:
    """A run's settings, as in config.json (or a released model's card.json)."""

    recipe: Recipe
    dataset: str
    seed: int
    device: str
    precision: str
    num_params: int
    num_train: int  # training images, without drawn ones
    versions: dict[str, str]
    teacher: str = ""  # the run, or the folder of runs, used as teacher
    teacher_sha256: str = ""  # of the teacher's weights
    init: str = ""  # the run whose weights this one started from
    init_sha256: str = ""
    data_source: str = ""  # the folder or folders of the data set's files
    classes: tuple[str, ...] = DIGITS
    images_sha256: str = ""  # of your own data set, with its labels
    format: int = FORMAT

    @classmethod
    def of(
        cls, run: Run, splits: Splits, teacher: Path | None = None, init: Path | None = None
    ) -> "Config":
        """The settings of a run on a data set, with checksums of the runs that it learns from."""
        return cls(
            recipe=run.recipe,
            dataset=splits.name,
            data_source=splits.source,
            classes=splits.classes,
            images_sha256=splits.sha256,
            num_train=len(splits.train),
            teacher=str(teacher) if teacher else "",
            teacher_sha256=weights_sha256(teacher) if teacher else "",
            init=str(init) if init else "",
            init_sha256=weights_sha256(init) if init else "",
            seed=run.seed,
            device=str(run.device),
            precision=str(run.precision).removeprefix("torch."),
            num_params=count_params(run.net),
            versions={
                "cnn_mnist": cnn_mnist.__version__,
                "torch": str(torch.__version__),
                "python": platform.python_version(),
                "machine": platform.machine(),
            },
        )

    def data(self, data_dir: Path | None = None) -> Splits:
        """The data set that the run is trained on, as found by `load`.

        Args:
            data_dir: where your own data set is now, if it has been moved.

        Raises:
            DataError: it cannot be loaded, or has changed since the run began; or it is your own
                and the run is a model file, which does not say where it is.
        """
        if self.dataset in DATASETS:
            return load(self.dataset, data_dir)
        source = data_dir or self.data_source
        if not source:
            raise DataError(
                f"it was trained on the data set {self.dataset}; say where that is with --data-dir"
            )
        splits = load(str(source))
        if self.images_sha256 not in ("", splits.sha256):  # older model files lack it
            raise DataError(
                f"{splits.source} is not what the run was trained on: images or labels have "
                "changed; put the old ones back, or train a new run"
            )
        return splits


def create_folder(folder: Path, config: Config) -> None:
    """Create the run's folder, with config.json in it.

    Raises:
        RunError: the folder exists already, or cannot be created.
    """
    try:
        folder.mkdir(parents=True)
        save_config(folder, config)
    except FileExistsError:
        raise RunError(
            f"{folder} exists already; choose another --out, or resume it with --resume {folder}"
        ) from None
    except OSError as error:
        raise RunError(f"cannot create the run folder {folder}: {error.strerror}") from error


def save_config(folder: Path, config: Config) -> None:
    """Write the run's settings."""
    write(folder / "config.json", to_json(asdict(config)))


def load_config(run: Path) -> Config:
    """Read config.json, card.json of a released model, or the metadata of an .onnx file.

    Raises:
        RunError: there is none, or it is damaged or has another format.
    """
    path = run / ("card.json" if shelf.holds(run) else "config.json")
    if model_file.is_model_file(run):
        path = run
    with reading(path):
        values = model_file.about(path) if path is run else json.loads(path.read_text())
        if values["format"] != FORMAT:
            raise ValueError(f"format {values['format']}, but this version reads {FORMAT}")
        known = {f.name: values[f.name] for f in fields(Config) if f.name in values}
        check_seed(known["seed"])
        classes = tuple(map(str, values.get("classes", DIGITS)))
        if len(classes) < 2:
            raise ValueError(f"{len(classes)} classes, but two or more are needed")
        return Config(**known | {"recipe": Recipe.from_dict(values["recipe"]), "classes": classes})
