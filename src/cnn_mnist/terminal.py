"""The commands' output: results on stdout, progress bars and notices on stderr.

With --json, stdout is one JSON object and the rows go to stderr too.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from cnn_mnist.inference.reading import Reading
    from cnn_mnist.training.loop import Run


class Terminal:
    """The output of one command; a quiet one prints nothing."""

    def __init__(self, as_json: bool, quiet: bool = False) -> None:
        self._as_json = as_json
        self._quiet = quiet
        self._bar: Any = None

    def notice(self, *lines: str) -> None:
        """Print notices on stderr; empty lines are left out."""
        for line in filter(None, lines):
            self._line(line, sys.stderr)

    @contextmanager
    def progress(self, how_to_resume: str, unit: str = "step") -> Iterator[None]:
        """A progress bar that is always closed; after Ctrl-C a notice says how to resume."""
        from tqdm import tqdm

        # disable=None: no bar where stderr is not a terminal
        self._bar = tqdm(leave=False, disable=self._quiet or None, file=sys.stderr, unit=unit)
        try:
            yield
        except KeyboardInterrupt:
            self.notice(f"Stopped. {how_to_resume}")
            raise typer.Exit(130) from None
        finally:
            self._bar.close()

    def step(self, done: int, total: int) -> None:
        """Advance the bar of the current epoch."""
        if done == 1:
            self._bar.reset(total)
        self._bar.update(1)

    @property
    def has_bar(self) -> bool:
        """Whether the bar is visible."""
        return self._bar is not None and not self._bar.disable

    def counted(self, done: int, total: int) -> None:
        """Advance the bar of many tasks; those of the first call were done by an earlier run."""
        if self._bar.total != total:
            self._bar.reset(total)
            self._bar.initial = self._bar.n = done
        self._bar.update(done - self._bar.n)

    def head(self, run: "Run", dataset: str, folder: object) -> None:
        """Print what is about to be trained, and the table's header."""
        precision = str(run.precision).removeprefix("torch.")
        self._row(
            f"recipe {run.recipe.name}, {dataset}, seed {run.seed}, {run.device} in {precision}, "
            f"into {folder}\n"
            "epoch  train loss  train acc  test loss  test acc        lr  seconds"
        )
        for epoch in run.history:
            self._epoch(epoch)

    def row(self, run: "Run") -> None:
        """Print the row of the last epoch."""
        self._epoch(run.history[-1])

    def _epoch(self, epoch: Any) -> None:
        self._row(
            f"{epoch.epoch:5}  {epoch.train_loss:10.4f}  {epoch.train_accuracy:9.2%}  "
            f"{epoch.test_loss:9.4f}  {epoch.test_accuracy:8.2%}  {epoch.lr:8.2g}  "
            f"{epoch.seconds:7.1f}"
        )

    def result(self, metrics: dict[str, Any], plots: list[str]) -> None:
        """Print the result of a training."""
        if self._as_json:
            names = "run recipe dataset data_source split seed epochs num_params test_accuracy"
            shown = f"{names} test_error_count test_nll seconds_train device".split()
            self._json({name: metrics[name] for name in shown})
            return
        self._row(
            f"{metrics['dataset']} {metrics['split']}: {metrics['test_accuracy']:.2%} right, "
            f"{metrics['test_error_count']} errors in {metrics['test_num_images']:,}; "
            f"cross-entropy {metrics['test_nll']:.4f} per image; "
            f"{metrics['num_params']:,} parameters, trained in {metrics['seconds_train']:.1f} s\n"
            f"run folder {metrics['run']}: weights, config.json, history.csv, metrics.json"
            + (f" and the plots {', '.join(plots)} (.png)" if plots else "")
        )

    def seed(self, metrics: dict[str, Any]) -> None:
        """Print the row of one training of a study."""
        self._row(
            f"seed {metrics['seed']:3}  {metrics['test_accuracy']:.2%}  "
            f"{metrics['test_error_count']:4} errors  {metrics['seconds_train']:6.1f} s"
        )

    def study(self, summary: dict[str, Any]) -> None:
        """Print the result of a study."""
        if self._as_json:
            self._json(summary)
            return
        text = (
            f"{summary['recipe']} on {summary['dataset']} {summary['split']}, "
            f"n = {summary['num_seeds']}: mean {summary['mean']:.3%}"
        )
        if summary["interval"]:
            low, high = summary["interval"]
            text += f", standard deviation {summary['std']:.3%}, "
            text += f"95% interval of the mean {low:.3%} to {high:.3%}"
        self._row(text)
        counts = Counter(round((1 - a) * summary["num_images"]) for a in summary["accuracies"])
        for errors in sorted(counts):
            self._row(f"{errors:5} errors  {'#' * counts[errors]}")
        if "difference" in summary:
            self._difference(summary["difference"])

    def _difference(self, difference: dict[str, Any]) -> None:
        text = f"against {difference['against']}: {100 * difference['mean']:+.3f} points"
        if difference["interval"]:
            low, high = (f"{100 * end:+.3f}" for end in difference["interval"])
            text += f", 95% interval {low} to {high}"
        self._row(f"{text}: {'' if difference['is_real'] else 'not '}significant")

    def figures(self, figures: dict[str, Any]) -> None:
        """Print the metrics of an evaluation."""
        if self._as_json:
            self._json(figures)
            return
        clean = figures["clean_label_accuracy"]
        self._row(f"{figures['split']}: {figures['num_images']:,} images")
        self._row(f"accuracy              {figures['accuracy']:.2%}")
        self._row(f"errors                {figures['error_count']}")
        self._row(f"nll                   {figures['nll']:.4f}")
        self._row(f"ece                   {figures['ece']:.2%}")
        if clean is not None:
            self._row(f"clean-label accuracy  {clean:.2%}")
        self._classes(figures["classes"], figures["per_class"], figures["confusion"])

    def _classes(
        self, classes: Sequence[str], accuracies: list[float | None], confusion: list[list[int]]
    ) -> None:
        """Digits in one line, other classes in a table by name."""
        if list(classes) == list("0123456789"):
            self._row("per digit             " + "  ".join(map(_share, accuracies)))
            self._row("confusion (true digit down, answer across)")
        else:
            self._row("per class")
            for name, accuracy, counts in zip(classes, accuracies, confusion, strict=True):
                self._row(f"{name:>20}  {_share(accuracy):>6} of {sum(counts):,}")
            self._row("confusion (true class down, answer across in the same order)")
        wide = max(map(len, classes))
        for name, counts in zip(classes, confusion, strict=True):
            self._row(f"{name:>{wide}}: " + " ".join(f"{count:5}" for count in counts))

    def exported(self, path: str, form: str, proof: dict[str, Any]) -> None:
        """Print what was exported, and how far it differs from the trained model."""
        if self._as_json:
            self._json({"path": path, "format": form, **proof})
            return
        self._row(
            f"{path}: {form}, {proof['size']:,} bytes; largest difference from torch "
            f"{proof['difference']:.2g}, {proof['moved']:.2%} of the probability moved"
        )
        if proof["error_count"] is not None:
            self._row(
                f"test images: {proof['error_count']} errors, torch {proof['torch_error_count']}"
            )

    def adapted(self, report: dict[str, Any]) -> None:
        """Print how an adapted model compares with the previous one, and whether it was written."""
        if self._as_json:
            self._json(report)
            return
        skipped = f", {report['num_skipped']:,} skipped" if report["num_skipped"] else ""
        self._row(f"{_count(report['num_pictures'], 'picture')}{skipped}")
        for title, scores in (("yours, held out", report["own"]), ("test", report["test"])):
            for when, score in (scores or {}).items():
                low, high = score["interval"]
                self._row(
                    f"{title:15}  {when:6}  {score['error_rate']:7.2%} wrong "
                    f"({low:.2%} to {high:.2%}), {score['error_count']} of {score['num_images']:,}"
                )
        for doubt in report["suspects"]:
            self._row(
                f"{doubt['path']}: labelled {doubt['label']}, looks like {doubt['answer']} "
                f"({doubt['confidence']:.0%})"
            )
        if report["written"]:
            self._row(f"{report['out']}: written; use it with: predict --model {report['out']}")

    def page(self, path: str, facts: dict[str, Any]) -> None:
        """Print which web page was written, and its contents."""
        if self._as_json:
            self._json({"path": path, "format": "web", **facts})
            return
        epochs = ", ".join(f"{n}: {accuracy:.2%}" for n, accuracy in facts["accuracies"].items())
        self._row(f"{path}/index.html: {facts['size']:,} bytes; open it in a browser")
        self._row(f"{_count(facts['num_mistakes'], 'mistake')}; test accuracy by epoch: {epochs}")

    def reading(self, path: str, reading: "Reading") -> None:
        """Print what one page of a picture says, one row per line, or why it could not be read."""
        if self._as_json:
            self._json({"path": path, **reading.to_dict()})
            return
        if reading.is_unreadable:
            self.notice(f"{path}: {reading.reason}")
            return
        if reading.notice:
            self.notice(f"{path}: {reading.notice}")
        page = _page(path, reading)
        for line in reading.lines:
            least = min(number.confidence for number in line.numbers)
            self._row(f"{page}: {line.text} ({least:.0%})")
        if not reading.lines:
            self._row(f"{page}: {reading.reason}")

    def remarks(self, path: str, reading: "Reading") -> None:
        """Print the notices and reasons, which a table omits."""
        page = _page(path, reading)
        self.notice(*(f"{page}: {text}" for text in (reading.notice, reading.reason) if text))

    def table(self, text: str) -> None:
        """Print CSV with the same line ends and encoding on every system."""
        sys.stdout.buffer.write(text.encode())
        sys.stdout.flush()

    def written(self, figures: dict[str, Any]) -> None:
        """Print which results file was completed."""
        if self._as_json:
            self._json(figures)
            return
        unreadable = f"{figures['num_unreadable']:,}" if figures["num_unreadable"] else "none"
        self._row(
            f"{figures['out']}: {_count(figures['num_images'], 'picture')}, "
            f"{unreadable} unreadable; {figures['num_read']:,} read now in "
            f"{figures['seconds']:,.1f} s"
        )

    def models(self, models: list[dict[str, Any]]) -> None:
        """Print the released models, one row per model."""
        if self._as_json:
            self._json({"models": models})
            return
        self._row(
            "name    recipe      parameters      kB     test    clean   n  mean of n  description"
        )
        for model in models:
            test, study, names = model["test"], model["study"], [model["name"], *model["aliases"]]
            size = sum(file["size"] for file in model["files"].values()) / 1000
            clean = test.get("clean_label_accuracy")
            self._row(
                f"{names[0]:7} {names[-1]:10}  {model['num_params']:10,}  {size:6,.0f}  "
                f"{test['accuracy']:7.2%}  {_share(clean, 2):>7}  {study.get('num_seeds', ''):>2}  "
                f"{_share(study.get('mean'), 2):>9}  {model['about']}"
            )

    def serving(self, url: str) -> None:
        """Print the server's address."""
        self._row(f"Serving {url} (press Ctrl-C to stop)")

    def labelling(self, address: str, count: int) -> None:
        """Print the page's address."""
        self._row(f"{_count(count, 'sign')} to label on {address} (press Ctrl-C to stop)")

    def _json(self, values: dict[str, Any]) -> None:
        self._line(json.dumps(values), sys.stdout)

    def _row(self, text: str) -> None:
        self._line(text, sys.stderr if self._as_json else sys.stdout)

    def _line(self, text: str, stream: Any) -> None:
        if self._quiet:
            return
        if self._bar is not None:
            self._bar.clear()
        shown = text.encode("utf-8", "replace").decode()  # a file name may not be valid text
        print(shown, file=stream, flush=True)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _share(value: float | None, digits: int = 1) -> str:
    return "-" if value is None else f"{value:.{digits}%}"


def _page(path: str, reading: "Reading") -> str:
    return path if reading.num_pages in (1, None) else f"{path}#{reading.page}"
