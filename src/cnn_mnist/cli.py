"""The command line: one function a command. Parse, call, print.

Nothing heavy is imported before a command needs it, so `--help` answers at once.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cnn_mnist import process
from cnn_mnist.terminal import Terminal

if TYPE_CHECKING:
    from cnn_mnist.inference.reader import Reading

app = typer.Typer(
    help="Handwritten digits: read your own, and learn them from MNIST.",
    no_args_is_help=True,
    rich_markup_mode=None,  # with rich, --help takes twice as long
    pretty_exceptions_enable=False,
)

RecipeOption = Annotated[
    str | None,
    typer.Option(
        help="reference, default, fast, best, best-bn, best-small, robust, reader, lines, "
        "lines-further, or one that teaches: teacher, teacher-affine, teacher-warped.",
        show_default="default",
    ),
]
DatasetOption = Annotated[
    Literal["auto", "mnist", "digits"] | None,
    typer.Option(
        help="mnist, digits (bundled), or auto: MNIST where it is to be had.", show_default="auto"
    ),
]
DataDirOption = Annotated[
    Path | None, typer.Option(help="Folder with the four MNIST .gz files, looked in first.")
]
DeviceOption = Annotated[
    Literal["auto", "cpu", "cuda", "mps"], typer.Option(help="auto, cpu, cuda or mps.")
]
SPLIT = typer.Option(
    help="test, or val: 10,000 training images held out, for choosing.", show_default="test"
)
TeacherOption = Annotated[
    Path | None,
    typer.Option(help="Run folder that the recipe learns from, or folder of several."),
]
EpochsOption = Annotated[int | None, typer.Option(help="Passes over the training images.")]
ModelOption = Annotated[
    Path | None, typer.Option(help="Exported .onnx file.", show_default="the released weights")
]
WorkersOption = Annotated[
    int | None, typer.Option(help="Processes on this machine.", min=1, max=4096)
]
SchedulerOption = Annotated[
    str | None, typer.Option(help="Dask scheduler whose workers do it: tcp://HOST:PORT.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]


@app.command()
def train(
    recipe: RecipeOption = None,
    dataset: DatasetOption = None,
    data_dir: DataDirOption = None,
    out: Annotated[
        Path | None, typer.Option(help="Run folder to make.", show_default="runs/RECIPE-N")
    ] = None,
    epochs: EpochsOption = None,
    batch_size: Annotated[int | None, typer.Option(help="Images a step.")] = None,
    lr: Annotated[float | None, typer.Option(help="Learning rate, at its highest.")] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            help="Of weights, order and augmentation.", show_default="0", min=0, max=2**63 - 1
        ),
    ] = None,
    split: Annotated[Literal["test", "val"] | None, SPLIT] = None,
    teacher: TeacherOption = None,
    init: Annotated[
        Path | None, typer.Option(help="Run folder whose weights the training begins with.")
    ] = None,
    device: DeviceOption = "auto",
    resume: Annotated[
        Path | None, typer.Option(help="Run folder to go on with, under its own settings.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Train the network: a row an epoch, then a run folder with weights, figures and plots."""
    fixed: dict[str, Any] = {
        "--recipe": recipe,
        "--dataset": dataset,
        "--out": out,
        "--batch-size": batch_size,
    }
    fixed |= {"--lr": lr, "--seed": seed, "--split": split, "--teacher": teacher, "--init": init}
    _keep_settings(resume, fixed)
    with _extra("train"):
        from cnn_mnist.training import checkpoint, distributed, recipes
        from cnn_mnist.training.data import NUM_VAL, load
        from cnn_mnist.training.device import choose
        from cnn_mnist.training.train import begin, draw, finish, go_on

    settings = recipes.get(recipe or "default").changed(epochs=epochs, batch_size=batch_size, lr=lr)
    begun = checkpoint.load_config(resume) if resume else None
    place, notice = choose(device)
    with distributed.process_group(place):
        say = Terminal(as_json, quiet=distributed.rank() > 0)
        say.notice(notice)
        splits = load(begun.dataset if begun else dataset or "auto", data_dir)
        say.notice(splits.notice)
        held_out = len(splits.train) - begun.num_train if begun else NUM_VAL * (split == "val")
        if held_out:
            splits = splits.hold_out(held_out)
            say.notice(f"Measured on {held_out:,} training images that are held out.")
        chosen = out or checkpoint.free_name(Path("runs"), settings.name)
        folder = resume or Path(distributed.from_first(str(chosen)))
        if resume:
            run = go_on(folder, epochs, place)
            if epochs and run.recipe.schedule == "one_cycle":
                say.notice(
                    f"The lr now follows the cycle of {epochs} epochs from where the run stands, "
                    f"so the result is not that of {epochs} epochs in one go."
                )
        else:
            settings = settings if batch_size else settings.sized_for(len(splits.train))
            settings = _with_labels_alone(settings, teacher, say)
            run = begin(settings, splits, folder, seed or 0, place, teacher, init)
        say.head(run, splits.name, folder)
        with say.progress(f"Go on with: cnn-mnist train --resume {folder}"):
            metrics = finish(run, splits, folder, say.row, say.step)
            if distributed.rank() == 0:
                draw(run, splits, folder)
        say.result(metrics)


@app.command()
def evaluate(
    run: Annotated[
        Path | None, typer.Argument(help="Run folder; without it, the released weights.")
    ] = None,
    split: Annotated[
        Literal["test", "train", "val"], typer.Option(help="test, train, or val: 10,000 of train.")
    ] = "test",
    dataset: DatasetOption = None,
    data_dir: DataDirOption = None,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Measure a run, or the released weights, on every image of a split."""
    with _extra("train"):
        from cnn_mnist.training import checkpoint
        from cnn_mnist.training import evaluate as evaluate_model
        from cnn_mnist.training.data import load
        from cnn_mnist.training.device import choose

    folder = run or checkpoint.RELEASED
    config = checkpoint.load_config(folder)
    place, notice = choose(device)
    _refuse_lines(config.recipe.model, folder)
    splits = load(dataset or config.dataset, data_dir)
    say = Terminal(as_json)
    say.notice(notice, splits.notice)
    model = checkpoint.load_model(folder).to(place)
    figures = asdict(evaluate_model(model, splits, config.recipe.test_norm, split))
    say.figures({"split": split, "data_source": splits.source, **figures})


@app.command()
def export(
    run: Annotated[
        Path | None, typer.Argument(help="Run folder; without it, the released weights.")
    ] = None,
    form: Annotated[
        Literal["onnx", "onnx-int8", "web"],
        typer.Option("--format", help="onnx; onnx-int8, a third of the size; web, a page."),
    ] = "onnx",
    out: Annotated[
        Path | None, typer.Option(help="File or folder to write.", show_default="RUN/model.onnx")
    ] = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a trained run as one model file, or as a page that shows it at work."""
    with _extra("train"):
        from cnn_mnist.training import card, checkpoint, web
        from cnn_mnist.training.data import load
        from cnn_mnist.training.export import export as export_model

    say, folder = Terminal(as_json), run or checkpoint.RELEASED
    config = checkpoint.load_config(folder)
    _refuse_lines(config.recipe.model, folder)
    splits = load(config.dataset if run else "auto", data_dir)
    if form == "web":
        say.notice(splits.notice)
        path = out or (run or Path()) / "explore"
        say.page(str(path), asdict(web.export(folder, splits, path)))
        return
    about = card.of_run(folder, splits) if run else card.released()
    same = splits.name == config.dataset
    say.notice("" if same else f"The accuracy was not compared. {splits.notice}")
    name = "model-int8.onnx" if form == "onnx-int8" else "model.onnx"
    path = out or (run or Path()) / name
    proof = export_model(
        checkpoint.load_model(folder),
        path,
        config.recipe.test_norm,
        splits.train.images[-card.NUM_VAL :],
        card.metadata(about),
        about["temperature"],
        form,
        splits.test if same else None,
    )
    say.exported(str(path), form, asdict(proof))


@app.command()
def predict(
    images: Annotated[
        list[str] | None, typer.Argument(help="Pictures, folders of pictures, or -.")
    ] = None,
    single: Annotated[bool, typer.Option("--single", help="One digit a picture.")] = False,
    model: ModelOption = None,
    preview: Annotated[
        Path | None, typer.Option(help="Folder for pictures of what was found and seen.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Results file, .jsonl, .parquet or .csv: any number of pictures."),
    ] = None,
    files_from: Annotated[
        list[Path] | None, typer.Option(help="With --out: file with a picture's address a line.")
    ] = None,
    workers: WorkersOption = None,
    scheduler: SchedulerOption = None,
    timeout: Annotated[
        float | None,
        typer.Option(
            help="With --out: seconds for a picture.", show_default="60", min=0.1, max=86_400
        ),
    ] = None,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="Print a table: a row a line, a column a number.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Read the numbers in pictures: a row for each line of a page."""
    if not (images or files_from):
        raise typer.BadParameter("name pictures or folders, or - for a picture on standard input")
    only_bulk = {"--files-from": files_from, "--workers": workers, "--scheduler": scheduler}
    if not out:
        _refuse("--out is missing; without it, leave", only_bulk | {"--timeout": timeout})
        if as_csv:
            _refuse("with --csv leave", {"--json": as_json})
        paths = [Path(image) for image in images or []]
        readings = _readings(paths, single, model, preview)
        if as_csv:
            _print_table(readings, len(paths) > 1 or paths[0].is_dir())
        else:
            _print_readings(readings, Terminal(as_json))
        return
    if as_csv and out.suffix != ".csv":
        raise typer.BadParameter(f"with --csv the results file ends in .csv, not in {out.suffix}")
    if scheduler:
        _refuse("--scheduler has workers of its own; leave", {"--workers": workers})
    _refuse("with --out leave", {"--preview": preview, "-": "-" in (images or [])})
    with _extra("cluster"):
        from cnn_mnist.bulk import Addresses, Results, Settings, run
        from cnn_mnist.workers import workers as open_workers

        say, began = Terminal(as_json), time.perf_counter()
        addresses = Addresses(images or [], files_from or [])
        settings = Settings.here(single, model, timeout or 60.0)
        with (
            say.progress(f"The same command goes on with {out}.part", " pictures"),
            open_workers(workers, scheduler) as crew,
            Results(out, settings.kept()) as results,
        ):
            total = sum(1 for _ in addresses) if say.has_bar else 0
            before = run(crew, addresses, settings, results, lambda done: say.counted(done, total))
    figures = {
        "out": str(out),
        "num_images": results.num_done,
        "num_read": results.num_done - before,
    }
    figures |= {"num_unreadable": results.num_unreadable}
    say.written(figures | {"seconds": round(time.perf_counter() - began, 3)})
    if results.num_unreadable:
        raise typer.Exit(1)


def _readings(
    images: list[Path], single: bool, model: Path | None, preview: Path | None
) -> Iterator[tuple[str, "Reading"]]:
    """Every page of the pictures; one that cannot be read ends its file with the reason."""
    from cnn_mnist.inference import image
    from cnn_mnist.inference.reader import Reader, unreadable

    reader = Reader(model)
    if preview:
        preview.mkdir(parents=True, exist_ok=True)
    for number, path in enumerate(image.pictures(images), start=1):
        done = 0
        try:
            source = sys.stdin.buffer.read() if str(path) == "-" else path
            for page in image.pages(source):
                (reading,) = reader.read_pages(page, single)
                yield str(path), reading
                done += 1
                if preview:
                    from cnn_mnist.inference.preview import write

                    suffix = f"-{page.number}" if page.num_pages > 1 else ""
                    write(page, reading, preview / f"{number:04}-{path.stem}{suffix}.png")
        except image.ImageError as error:
            yield str(path), unreadable(str(error), done + 1)


def _print_readings(readings: Iterator[tuple[str, "Reading"]], say: Terminal) -> None:
    num_unreadable = 0
    for path, reading in readings:
        say.reading(path, reading)
        num_unreadable += reading.num_pages is None
    if num_unreadable:
        raise typer.Exit(1)


def _print_table(readings: Iterator[tuple[str, "Reading"]], several: bool) -> None:
    """The table of all readings; a single page has no path, page and line before its numbers."""
    from cnn_mnist.inference import table

    say, answers = Terminal(as_json=False), []
    for path, reading in readings:
        say.remarks(path, reading)
        answers.append({"path": path, **reading.to_dict()})
    say.table(table.text(answers, several or len(answers) > 1))
    if any(answer["num_pages"] is None for answer in answers):
        raise typer.Exit(1)


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 takes a free one.", min=0, max=65535)] = 8000,
    workers: Annotated[int, typer.Option(help="Processes.", min=1, max=256)] = 1,
    model: ModelOption = None,
    token: Annotated[
        str | None,
        typer.Option(envvar="CNN_MNIST_TOKEN", help="What the API asks for as a bearer token."),
    ] = None,
    cors_origin: Annotated[
        list[str] | None, typer.Option(help="Another site whose pages may call the API.")
    ] = None,
    max_body: Annotated[int, typer.Option(help="MiB of a request.", min=1, max=1024)] = 16,
    max_in_flight: Annotated[
        int, typer.Option(help="Requests at once in a worker; more get a 503.", min=1)
    ] = 32,
    timeout: Annotated[
        float, typer.Option(help="Seconds for a request to arrive.", min=0.1, max=3600)
    ] = 10.0,
) -> None:
    """Read digits over HTTP: a page to draw on, and an API."""
    with _extra("serve"):
        from cnn_mnist.serving import server
        from cnn_mnist.serving.limits import Limits

    limits = Limits(body=max_body * 2**20, in_flight=max_in_flight, patience=timeout)
    origins = tuple(cors_origin or ())
    say = Terminal(as_json=False)
    server.serve(host, port, workers, model, limits, token or None, origins, say.serving)


@app.command()
def summary() -> None:
    """Show the network: each layer with its output shape and its parameters."""
    with _extra("train"):
        from cnn_mnist.training.model import Net
        from cnn_mnist.training.model import summary as table
    print(table(Net()))


@app.command()
def study(
    recipe: RecipeOption = None,
    seeds: Annotated[int, typer.Option(help="Trainings, with seeds 0, 1, 2, …", min=1)] = 5,
    split: Annotated[Literal["test", "val"], SPLIT] = "test",
    teacher: TeacherOption = None,
    dataset: DatasetOption = None,
    data_dir: DataDirOption = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the runs.", show_default="runs/study-RECIPE")
    ] = None,
    against: Annotated[
        Path | None, typer.Option(help="Folder of another study, to compare with.")
    ] = None,
    epochs: EpochsOption = None,
    device: DeviceOption = "auto",
    workers: WorkersOption = None,
    scheduler: SchedulerOption = None,
    threads: Annotated[
        int | None,
        typer.Option(
            help="Of one training on a CPU.",
            show_default="1 with workers, else all cores",
            min=1,
            max=1024,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Train a recipe with many seeds: a row a seed, then mean, spread and interval."""
    if scheduler:
        _refuse("--scheduler has workers of its own; leave", {"--workers": workers})
    with _extra("train"):
        import torch

        from cnn_mnist.training import recipes
        from cnn_mnist.training.crew import Crew, Shared
        from cnn_mnist.training.data import load
        from cnn_mnist.training.device import choose
        from cnn_mnist.training.study import compare, finished
        from cnn_mnist.training.study import study as run_study
        from cnn_mnist.workers import workers as open_workers

    theirs = finished(against) if against else []
    settings = recipes.get(recipe or "default").changed(epochs=epochs)
    place, notice = choose(device)
    splits = load(dataset or "auto", data_dir)
    say = Terminal(as_json)
    say.notice(notice, splits.notice)
    settings = _with_labels_alone(settings.sized_for(len(splits.train)), teacher, say)
    suffix = "-val" if split == "val" else ""
    folder = out or Path("runs") / f"study-{settings.name}{suffix}"
    splits = splits.hold_out() if split == "val" else splits
    go = partial(run_study, settings, splits, range(seeds), folder, place, say.seed)
    how = f"The same command goes on in {folder}"
    if workers or scheduler:
        shared, threads = Shared(settings, splits, teacher, place), threads or 1
        with (
            say.progress(how, " trainings"),
            _extra("cluster"),
            open_workers(workers, scheduler, shared, threads) as engine,
        ):
            result = go(say.counted, teacher, Crew(engine, shared.key, threads))
    else:
        torch.set_num_threads(threads or torch.get_num_threads())
        with say.progress(how):
            result = go(say.step, teacher)
    about: dict[str, Any] = {"recipe": settings.name, "dataset": splits.name}
    about |= {"data_source": splits.source, "split": split}
    about |= {"num_images": len(splits.test), **asdict(result)}
    if against:
        difference = compare(result.accuracies, theirs)
        about["difference"] = {"against": str(against), **asdict(difference)}
    say.study(about)


@contextmanager
def _extra(name: str) -> Iterator[None]:
    """Says which extra to install where a command's libraries are missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise ValueError(
            f"this command needs {error.name}, which is not installed; install it with: "
            f"pip install 'cnn-mnist[{name}]'"
        ) from error


def _with_labels_alone(recipe: Any, teacher: Path | None, say: Terminal) -> Any:
    """The recipe; where it would learn from a teacher and none is named, without that."""
    if teacher or not recipe.distil:
        return recipe
    say.notice(f"No --teacher is named: {recipe.name} learns from the labels alone, and less well.")
    return recipe.changed(distil=0.0)


def _refuse_lines(model: str, folder: Path) -> None:
    if model == "lines":
        raise ValueError(
            f"{folder} is a run of the line network, which is not a digit classifier; its "
            "accuracy is in metrics.json there"
        )


def _keep_settings(resume: Path | None, settings: dict[str, Any]) -> None:
    if resume:
        _refuse("--resume keeps the run's settings; leave", settings)


def _refuse(why: str, options: dict[str, Any]) -> None:
    """Say which of the options cannot be given here; None or False were not given."""
    given = [name for name, value in options.items() if value is not None and value is not False]
    if given:
        raise typer.BadParameter(f"{why} {', '.join(given)} out")


def main() -> None:
    """Run the command line; an error the user can mend ends in one line and exit code 1."""
    process.tune()
    try:
        app()
    except (ValueError, OSError, MemoryError) as error:
        print(f"cnn-mnist: {str(error) or type(error).__name__}", file=sys.stderr)
        sys.exit(2 if type(error).__name__ == "RecipeError" else 1)
