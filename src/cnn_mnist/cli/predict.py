"""cnn-mnist predict: read pictures."""

import glob
import itertools
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cnn_mnist import process
from cnn_mnist.cli.options import ModelOption, SchedulerOption, WorkersOption, extra, refuse
from cnn_mnist.terminal import Terminal, count

if TYPE_CHECKING:
    from cnn_mnist.bulk import Addresses, Settings
    from cnn_mnist.inference.reader import Reader
    from cnn_mnist.inference.reading import Reading


def predict(
    images: Annotated[
        list[str] | None,
        typer.Argument(help="Pictures, folders of pictures, or - for standard input."),
    ] = None,
    single: Annotated[bool, typer.Option("--single", help="One digit per picture.")] = False,
    model: ModelOption = None,
    preview: Annotated[
        Path | None, typer.Option(help="Folder for pictures of what was found and read.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Results file to create: .jsonl, .parquet or .csv; for any number of pictures."
        ),
    ] = None,
    files_from: Annotated[
        list[Path] | None,
        typer.Option(help="With --out: file with one path or address of a picture per line."),
    ] = None,
    workers: WorkersOption = None,
    scheduler: SchedulerOption = None,
    timeout: Annotated[
        float | None,
        typer.Option(
            help="With --out: seconds per picture.", show_default="60", min=0.1, max=86_400
        ),
    ] = None,
    as_csv: Annotated[
        bool,
        typer.Option("--csv", help="Print CSV: one row per line, one column per number."),
    ] = False,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print one JSON object per page; with --out, one at the end."),
    ] = False,
) -> None:
    """Read the numbers in pictures; print one row per line of a page."""
    if not (images or files_from):
        raise typer.BadParameter("give pictures or folders, or - for standard input")
    process.limit_blas()
    if out:
        if as_csv and out.suffix != ".csv":
            raise typer.BadParameter(f"with --csv, the name of --out must end in .csv: {out}")
        if scheduler:
            refuse("with --scheduler, which has its own workers", {"--workers": workers})
        refuse("with --out", {"--preview": preview, "-": "-" in (images or [])})
        with extra("cluster"):
            from cnn_mnist.bulk import Addresses, Settings

            addresses = Addresses(images or [], files_from or [])
            settings = Settings.here(single, model, timeout or 60.0)
            _write_results(addresses, settings, out, workers, scheduler, Terminal(as_json))
        return
    only_bulk = {"--files-from": files_from, "--workers": workers, "--scheduler": scheduler}
    refuse("without --out", only_bulk | {"--timeout": timeout})
    if as_csv:
        refuse("with --csv", {"--json": as_json})
    paths = [_path(image) for image in images or []]
    readings = _readings(paths, single, model, preview)
    if as_csv:
        _print_table(readings, len(paths) > 1 or paths[0].is_dir())
    else:
        _print_readings(readings, as_json)


def _path(image: str) -> Path:
    """The path of a picture or folder; only bulk jobs take addresses and patterns."""
    path = Path(image)
    if "://" in image or (glob.has_magic(image) and not path.exists()):
        raise typer.BadParameter(f"{image}: addresses and patterns need --out")
    return path


def _write_results(
    addresses: "Addresses",
    settings: "Settings",
    out: Path,
    workers: int | None,
    scheduler: str | None,
    say: Terminal,
) -> None:
    """Read any number of pictures with several workers into one file."""
    from cnn_mnist.bulk import Results, run
    from cnn_mnist.workers import workers as open_workers

    began = time.perf_counter()
    with (
        say.progress(f"Run the same command again to resume from {out}.part", " pictures"),
        open_workers(workers, scheduler) as engine,
        Results(out, settings.kept()) as results,
    ):
        total = sum(1 for _ in addresses) if say.has_bar else 0
        before = run(engine, addresses, settings, results, lambda done: say.counted(done, total))
    say.notice(*addresses.notices(), *results.reasons)
    if more := results.num_unreadable - len(results.reasons):
        complete = "a .jsonl or .parquet file" if out.suffix == ".csv" else out
        say.notice(f"and {more:,} more unreadable; {complete} has all reasons")
    figures = {
        "out": str(out),
        "num_images": results.num_done,
        "num_read": results.num_done - before,
        "num_unreadable": results.num_unreadable,
        "seconds": round(time.perf_counter() - began, 3),
    }
    say.result(figures, [_summary(figures)])
    if results.num_unreadable or addresses.empty:
        raise typer.Exit(1)


def _summary(figures: dict[str, Any]) -> str:
    unreadable = f"{figures['num_unreadable']:,}" if figures["num_unreadable"] else "none"
    return (
        f"{figures['out']}: {count(figures['num_images'], 'picture')}, {unreadable} unreadable; "
        f"{figures['num_read']:,} read now in {figures['seconds']:,.1f} s"
    )


def _readings(
    images: list[Path], single: bool, model: str | None, preview: Path | None
) -> Iterator[tuple[str, "Reading"]]:
    """All pages of the pictures; an unreadable page ends its file with the reason."""
    from cnn_mnist.inference.pictures import files
    from cnn_mnist.inference.pictures.page import ImageError
    from cnn_mnist.inference.reader import Reader
    from cnn_mnist.inference.reading import Reading

    reader = Reader(model)
    if preview:
        with _previewing(preview):
            preview.mkdir(parents=True, exist_ok=True)
    numbers = itertools.count(1)
    for given in images:
        try:
            paths = files.pictures(given)
        except ImageError as error:
            yield str(given), Reading.unreadable(str(error))
            continue
        for path in paths:
            stem = f"{next(numbers):04}-{path.stem}"
            for reading in _read(reader, path, single, preview and preview / stem):
                yield str(path), reading


def _read(reader: "Reader", path: Path, single: bool, preview: Path | None) -> Iterator["Reading"]:
    """The pages of one picture, each with its preview."""
    from cnn_mnist.inference.pictures import image
    from cnn_mnist.inference.pictures.page import ImageError
    from cnn_mnist.inference.reading import Reading

    done = 0
    try:
        source = sys.stdin.buffer.read() if str(path) == "-" else path
        for page in image.pages(source):
            (reading,) = reader.read_pages(page, single)
            yield reading
            done += 1
            if preview:
                from cnn_mnist.inference.preview import write

                suffix = f"-{page.number}" if page.num_pages > 1 else ""
                with _previewing(preview.parent):
                    write(page, reading, preview.with_name(f"{preview.name}{suffix}.png"))
    except ImageError as error:
        yield Reading.unreadable(str(error), done + 1)


@contextmanager
def _previewing(folder: Path) -> Iterator[None]:
    """Turn what the file system refuses into one line."""
    try:
        yield
    except OSError as error:
        raise ValueError(
            f"the previews cannot be written to {folder}: {error.strerror or error}; choose "
            "another --preview"
        ) from error


def _print_readings(readings: Iterator[tuple[str, "Reading"]], as_json: bool) -> None:
    say, num_unreadable = Terminal(as_json), 0
    for path, reading in readings:
        notice = reading.reason if reading.is_unreadable else reading.notice
        if notice and not as_json:
            say.notice(f"{path}: {notice}")
        say.result({"path": path, **reading.to_dict()}, _rows(_page(path, reading), reading))
        num_unreadable += reading.is_unreadable
    if num_unreadable:
        raise typer.Exit(1)


def _rows(page: str, reading: "Reading") -> Iterator[str]:
    """What a page says, or why nothing was found on it."""
    for line in reading.lines:
        certain = [number.confidence for number in line.numbers if number.text]
        yield f"{page}: {line.text}" + (f" ({min(certain):.0%})" if certain else "")
    if not (reading.lines or reading.is_unreadable):
        yield f"{page}: {reading.reason}"


def _page(path: str, reading: "Reading") -> str:
    return path if reading.num_pages in (1, None) else f"{path}#{reading.page}"


def _print_table(readings: Iterator[tuple[str, "Reading"]], several: bool) -> None:
    """Print all readings as one table; path, page and line are omitted for a single page."""
    from cnn_mnist.inference import table

    say, answers, num_unreadable = Terminal(as_json=False), [], 0
    for path, reading in readings:
        notes = filter(None, (reading.notice, reading.reason))  # the table omits them
        say.notice(*(f"{_page(path, reading)}: {note}" for note in notes))
        num_unreadable += reading.is_unreadable
        answers.append({"path": path, **reading.to_dict()})
    say.table(table.text(answers, several or len(answers) > 1))
    if num_unreadable:
        raise typer.Exit(1)
