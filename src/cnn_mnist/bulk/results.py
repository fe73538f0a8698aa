"""The results file, which gets its final name only once it is complete.

Until then its lines are kept in a folder beside it, NAME.part, in order and flushed to disk after
every batch, so that no finished work is lost however the job ends.
"""

import itertools
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from cnn_mnist.inference import table

FORMATS = (".jsonl", ".parquet", ".csv")
ROW_GROUP = 10_000  # rows of a Parquet file in memory at a time
UNREADABLE = b'"num_pages": null'  # in a line; inside a string its quotes would be escaped
NUM_REASONS = 10  # unreadable pictures that are named at the end


class ResultsError(ValueError):
    """Results cannot be written or resumed; the message says why and what to do."""


class Results:
    """Append-only results. A with-block closes them, finished or not, and keeps no empty ones.

    `reasons` says why the first NUM_REASONS unreadable pictures are unreadable.
    """

    def __init__(self, path: Path, settings: dict[str, object]) -> None:
        """Begin, or resume an earlier job.

        Args:
            path: .jsonl, .parquet or .csv.
            settings: must be the same for all lines.

        Raises:
            ResultsError: the file exists or cannot be written, another job is writing it, or the
                earlier job had other settings.
        """
        if path.suffix not in FORMATS:
            raise ResultsError(f"{path}: the name must end in one of {', '.join(FORMATS)}")
        if path.exists():
            raise ResultsError(f"{path} exists already; choose another --out")
        if path.suffix == ".parquet":
            import pyarrow  # noqa: F401 - fail now if it is missing, not at the end
        self.path, self._folder = path, path.with_name(f"{path.name}.part")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._file = (self._folder / "lines.jsonl").open("a+b")
        except OSError as error:
            raise ResultsError(
                f"the results cannot be written to {path}: {error.strerror}; choose another --out"
            ) from error
        try:
            _lock(self._file, path)
            self._keep(settings)
            _cut_torn_picture(self._file)
        except BaseException:
            self._file.close()
            raise
        self.num_done = self.num_unreadable = 0
        self.reasons: list[str] = []

    def __enter__(self) -> "Results":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
        lines = self._folder / "lines.jsonl"
        if lines.exists() and not lines.stat().st_size:
            self._remove()

    def skip(self, addresses: Iterator[str]) -> None:
        """Skip the pictures that already have lines.

        Raises:
            ResultsError: the lines belong to other pictures.
        """
        for then in filter(_ends_a_picture, self._lines()):
            now = next(addresses, None)
            self.num_done += 1
            if then["path"] != now:
                raise ResultsError(
                    f"picture {self.num_done:,} was {then['path']} in {self._folder}, but is now "
                    f"{now or 'missing'}; give the same pictures, or remove that folder to start "
                    "over"
                )
            self._note(then)

    def append(self, lines: bytes, num_pictures: int) -> None:
        """Write the lines of some pictures, and flush them to disk."""
        self._file.write(lines)
        self._file.flush()
        os.fsync(self._file.fileno())
        self.num_done += num_pictures
        for line in lines.splitlines():
            if UNREADABLE in line:
                self._note(json.loads(line))

    def finish(self) -> None:
        """Move the complete file to its final name."""
        whole = self._folder / "lines.jsonl"
        if self.path.suffix == ".parquet":
            whole = self._folder / "rows.parquet"
            _write_parquet(self._lines(), whole)
        elif self.path.suffix == ".csv":
            whole = self._folder / "rows.csv"
            _write_csv(self._lines, whole)
        whole.replace(self.path)
        self._remove()

    def _note(self, answer: dict[str, Any]) -> None:
        """Count an unreadable picture, and note why, if it is one of the first."""
        if answer["num_pages"] is None:
            self.num_unreadable += 1
            if self.num_unreadable <= NUM_REASONS:
                self.reasons.append(f"{answer['path']}: {answer['reason']}")

    def _remove(self) -> None:
        for path in self._folder.iterdir():
            path.unlink()
        self._folder.rmdir()

    def _lines(self) -> Iterator[dict[str, Any]]:
        self._file.seek(0)
        return map(json.loads, self._file)

    def _keep(self, settings: dict[str, object]) -> None:
        path = self._folder / "settings.json"
        if not path.exists():
            temporary = self._folder / "settings.new"
            with temporary.open("w") as file:
                json.dump(settings, file)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            return
        try:
            before = json.loads(path.read_text())
        except ValueError:
            raise ResultsError(f"{path} is damaged; remove {self._folder} to start over") from None
        if before != settings:
            other = ", ".join(name for name in settings if before.get(name) != settings[name])
            raise ResultsError(
                f"{self._folder} was started with a different {other}; choose another --out, "
                "or remove that folder to start over"
            )


def _lock(file: Any, path: Path) -> None:
    """Lock the file against other jobs until it is closed or the process ends."""
    if sys.platform == "win32":
        return
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ResultsError(f"another job is writing {path}; wait for it or end it") from None


def _cut_torn_picture(file: Any) -> None:
    """Cut off what the job was writing when it ended: half a line, or a file's first pages."""
    end = file.seek(0, os.SEEK_END)
    while end:
        begin = _line_before(file, end)
        file.seek(begin)
        line = file.read(end - begin)
        if line.endswith(b"\n") and _ends_a_picture(json.loads(line)):
            break
        end = begin
    file.truncate(end)


def _line_before(file: Any, end: int) -> int:
    """The start of the line that ends at `end`, with or without a newline."""
    begin = end - 1
    while begin:
        start = max(0, begin - 2**16)
        file.seek(start)
        last = file.read(begin - start).rfind(b"\n")
        if last >= 0:
            return int(start + last + 1)
        begin = start
    return 0


def _ends_a_picture(line: dict[str, Any]) -> bool:
    """Whether this is a picture's last page; `num_pages` is null after an unreadable one."""
    return line["num_pages"] in (None, line["page"])


def _write_parquet(lines: Iterator[dict[str, Any]], path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    digit = pa.struct(
        {"digit": pa.int8(), "confidence": pa.float32(), "box": pa.list_(pa.int32(), 4)}
    )
    number = pa.struct(
        {
            "text": pa.string(),
            "digits": pa.string(),
            "box": pa.list_(pa.int32(), 4),
            "confidence": pa.float64(),
        }
    )
    written = pa.struct({"text": pa.string(), "numbers": pa.list_(number)})
    schema = pa.schema(
        {
            "path": pa.string(),
            "page": pa.int32(),
            "num_pages": pa.int32(),
            "text": pa.string(),
            "digits": pa.list_(digit),
            "ok": pa.bool_(),
            "reason": pa.string(),
            "lines": pa.list_(written),
            "turned": pa.int32(),
            "notice": pa.string(),
        }
    )
    with pq.ParquetWriter(path, schema) as writer:
        while rows := list(itertools.islice(lines, ROW_GROUP)):
            for row in rows:  # a file name may not be valid text
                for name in ("path", "reason"):
                    if row[name]:
                        row[name] = row[name].encode("utf-8", "replace").decode()
            writer.write_table(pa.Table.from_pylist(rows, schema))
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _write_csv(lines: Callable[[], Iterator[dict[str, Any]]], path: Path) -> None:
    columns = table.width(lines())
    with path.open("w", encoding="utf-8", newline="") as file:
        table.write(lines(), columns, placed=True, file=file)
        file.flush()
        os.fsync(file.fileno())
