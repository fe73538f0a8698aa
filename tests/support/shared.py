"""What several test files share: data, a recipe that trains in a second, and running systems."""

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import playwright.sync_api as playwright
import pytest
import torch
from hypothesis import HealthCheck, settings
from torch.onnx._internal.exporter._registration import ONNXRegistry

from clustered import Clustered, dask
from cnn_mnist.training.adapt import finetuning, learn
from cnn_mnist.training.data import DataError, Split, Splits, datasets, load
from cnn_mnist.training.recipes import Recipe
from desk import Desk
from served import Served, serve
from shell import Outcome, Shell
from waiting import TIMEOUT

torch.set_num_threads(1)  # one thread adds in one order, here and in every subprocess

# Each conversion would build the same table of ONNX functions again, in half of its time.
table = functools.cache(ONNXRegistry.from_torchlib)
ONNXRegistry.from_torchlib = staticmethod(table)  # type: ignore[method-assign]

SOURCE = Path(__file__).parents[2] / "src"
REQUIRED = os.environ.get("CNN_MNIST_REQUIRE")  # what no test may be skipped for: browser

# Every run draws other examples, so that many runs try many.
settings.register_profile(
    "any machine", max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")


def leave_out(what: str, how: str) -> NoReturn:
    """Skip a test for want of something, or fail where CNN_MNIST_REQUIRE names it."""
    (pytest.fail if what == REQUIRED else pytest.skip)(f"{what}: {how}")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Some tests measure with more, and the next ones add in one order again."""
    yield
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def digits() -> Splits:
    """The bundled digits, 1,437 to train on and 360 to test with."""
    return load("digits")


@pytest.fixture(scope="session")
def few_digits(digits: Splits) -> Splits:
    """300 training and 60 test digits: an epoch of them takes a blink."""
    return Splits("digits", digits.train[:300], digits.test[:60])


@pytest.fixture(scope="session")
def mnist_folder() -> Path:
    """Where the real thing is, for the tests that need it."""
    folder = os.environ.get("CNN_MNIST_DATA")
    if not folder:
        leave_out("MNIST", "set CNN_MNIST_DATA to the folder with its four .gz files")
    return Path(folder)


@pytest.fixture(scope="session")
def mnist(mnist_folder: Path) -> Splits:
    return load("mnist", mnist_folder, mirrors=())


@pytest.fixture(scope="session")
def tiny() -> Recipe:
    """Everything that a training can have switched on, in two short epochs of float32."""
    return Recipe(
        name="tiny",
        epochs=2,
        batch_size=100,
        ema_decay=0.9,
        augment="affine",
        mixed_precision=False,
    )


@pytest.fixture
def blank() -> Split:
    """250 random images without a pattern."""
    generator = torch.Generator().manual_seed(5)
    images = torch.randint(0, 256, (250, 28, 28), generator=generator, dtype=torch.uint8)
    return Split(images, torch.arange(250) % 10)


@pytest.fixture
def environment() -> dict[str, str]:
    """For subprocesses: this source tree, one thread, no MNIST on the way."""
    path = os.pathsep.join(filter(None, [str(SOURCE), os.environ.get("PYTHONPATH")]))
    kept = {name: value for name, value in os.environ.items() if name != "CNN_MNIST_DATA"}
    return kept | {"PYTHONPATH": path}


@pytest.fixture
def cnn_mnist(
    environment: dict[str, str], tmp_path: Path
) -> Callable[..., "subprocess.Popen[str]"]:
    """Starts the command line in a process and an empty folder of its own."""

    def begin(*arguments: object) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "cnn_mnist", *map(str, arguments)],
            cwd=tmp_path,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    return begin


@pytest.fixture
def few_old_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fine-tuning mixes in fewer images, since there are only a few bundled digits."""
    for module in (finetuning, learn):
        monkeypatch.setattr(module, "NUM_OLD", 500)
    monkeypatch.setattr(finetuning, "NUM_DRAWN", 150)


@pytest.fixture
def shell(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Shell:
    """The command line in this process and an empty folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CNN_MNIST_DATA", raising=False)
    return Shell(monkeypatch, capsys)


@pytest.fixture
def no_mnist(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without MNIST and without network."""

    def missing(*_: object) -> None:
        raise DataError("not here")

    monkeypatch.setattr(datasets, "load_mnist", missing)


@pytest.fixture
def adapt(shell: Shell, no_mnist: None) -> Callable[..., Outcome]:
    """Runs `cnn-mnist adapt` on a machine that has no MNIST."""
    return functools.partial(shell, "adapt")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server for all tests that do not change how it runs."""
    with serve(tmp_path_factory.mktemp("server")) as served:
        yield served


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A headless Chromium, for the pages."""
    # The headless shell comes first: it opens a page at a fifth of the others' cost.
    found = map(shutil.which, ("chromium-headless-shell", "chromium", "google-chrome"))
    program = os.environ.get("CHROMIUM") or next(filter(None, found), None)
    if not program:
        leave_out("browser", "apt install chromium-headless-shell, or name one in CHROMIUM")
    playwright.expect.set_options(timeout=1000 * TIMEOUT)
    with playwright.sync_playwright() as play:
        started = play.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-gpu"]
        )
        yield started
        started.close()


@pytest.fixture
def desk(browser: Any, server: Served) -> Iterator[Desk]:
    desk = Desk(browser, server.url)
    yield desk
    desk.context.close()
    assert desk.said == []
    assert [url for url in desk.asked if not url.startswith((server.url, "blob:"))] == []


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clustered]:
    """A Dask cluster of two workers, for tests that do not end it. A task is given up with its
    worker: the next one might die while it starts, and would not be replaced."""
    pytest.importorskip("distributed")
    once: dict[str, Any] = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"}
    with dask(tmp_path_factory.mktemp("cluster"), **once) as started:
        yield started
