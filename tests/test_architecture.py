"""The walls of docs/design.md: imports point one way."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import cnn_mnist

ROOT = Path(cnn_mnist.__file__).parent
MODULES = {
    ".".join(["cnn_mnist", *path.relative_to(ROOT).with_suffix("").parts]): path
    for path in sorted(ROOT.rglob("*.py"))
}

# What each part may import, from the ground floor to the roof.
ALLOWED = {
    "inference": {"inference", "process", "shelf"},
    "training": {"training", "inference", "shelf"},
    "serving": {"serving", "inference", "process", "shelf"},
    "bulk": {"bulk", "inference", "workers", "shelf"},
    "process": set(),
    "shelf": set(),
    "workers": {"workers", "process"},
    "terminal": set(),
    "cli": {
        *{"cli", "process", "shelf", "terminal", "workers"},
        *{"training", "inference", "serving", "bulk"},
    },
    "__main__": {"cli"},
    "__init__": {"inference", "shelf", "training"},
}

# A room imports only from the rooms and modules on the lines above its own.
FLOORS = {
    "inference": [
        {"percentiles"},
        {"pictures", "segmentation", "recognition"},
        {"layout"},
        {"reading"},
        {"box_row"},
        {"reader", "sample"},
        {"table", "preview"},
    ],
    "training": [
        {
            "kernels",
            "recipes",
            "metrics",
            "distributed",
            "runs.calibrate",
            "runs.quantize",
            "runs.run_folder",
            "runs.tensors",
        },
        {"augment", "lines.network", "adamw"},
        {"models", "muon"},
        {"data", "device", "optimizers", "runs.model_file", "schedule", "synthetic.strokes"},
        {"synthetic", "evaluation", "lines.text", "lines.typefaces"},
        {"distillation", "loss", "lines.signs", "lines.style"},
        {"loop", "lines.shapes"},
        {"runs.config"},
        {"lines.writing"},
        {"lines.boxes", "lines.overdrawn", "lines.ruling"},
        {"lines.photograph"},
        {"lines.stream"},
        {"lines.loss"},
        {"lines.train", "runs.checkpoint", "runs.plots"},
        {"train"},
        {"runs"},
        {"lines.export", "lines.calibrate", "adapt"},
        {"runs.release"},
        {"studies"},
        {"__init__"},
    ],
    "serving": [
        {"settings", "refusal", "log", "folders", "pages", "signs"},
        {"metrics"},
        {"api", "protocol", "middleware", "uploads", "errors", "collection", "labels"},
        {"corrections"},
        {"responses"},
        {"app", "labelling"},
        {"server"},
    ],
    "workers": [{"base"}, {"pool", "cluster"}, {"__init__"}],
}

# What training imports of inference.
DOORS = {
    "inference.pictures.files",
    "inference.pictures.labels",
    "inference.pictures.page",
    "inference.pictures.pixels",
    "inference.recognition.classifier",
    "inference.recognition.line",
    "inference.recognition.line_reader",
    "inference.recognition.normalize",
    "inference.sample",
}


def imports(path: Path) -> Iterator[str]:
    """What a file of ours imports of the package when it runs, without "cnn_mnist."."""
    for node in runtime_nodes(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in PATHS else str(node.module) for name in inner]
        else:
            continue
        yield from (name.removeprefix("cnn_mnist.") for name in names if name in PATHS)


def runtime_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        yield node
        yield from runtime_nodes(node)


PATHS = {name.removesuffix(".__init__") for name in MODULES} - {"cnn_mnist"}


@pytest.fixture(scope="module")
def edges() -> list[tuple[str, str]]:
    """Each module, and one that it imports."""
    return [
        (name.removeprefix("cnn_mnist."), target)
        for name, path in MODULES.items()
        for target in imports(path)
    ]


def within(module: str, part: str) -> bool:
    return module == part or module.startswith(f"{part}.")


def test_the_walk_sees_the_imports(edges: list[tuple[str, str]]) -> None:
    assert ("training.loop", "training.models.networks") in edges
    assert ("cli.train", "training.runs.config") in edges
    assert ("cli.train", "training.loop") not in edges  # for the type checker only


def test_imports_point_one_way(edges: list[tuple[str, str]]) -> None:
    wrong = [
        (module, target)
        for module, target in edges
        if not any(within(target, allowed) for allowed in ALLOWED[module.split(".")[0]])
    ]
    assert wrong == []
    doors = {
        target
        for module, target in edges
        if within(module, "training") and within(target, "inference")
    }
    assert doors == DOORS


def test_inside_a_part_imports_point_down(edges: list[tuple[str, str]]) -> None:
    inner = [
        (module, target)
        for module, target in edges
        if (part := target.split(".")[0]) in FLOORS and within(module, part)
    ]
    wrong = [
        (module, target)
        for module, target in inner
        if floor(target)[0] >= floor(module)[0] and floor(target) != floor(module)
    ]
    assert wrong == []


def floor(module: str) -> tuple[int, str]:
    """The floor of a module, and the room there that it is in."""
    part, _, rest = module.removesuffix(".__init__").partition(".")
    floors = [(number, name) for number, names in enumerate(FLOORS[part]) for name in names]
    found = [(number, name) for number, name in floors if within(rest or "__init__", name)]
    assert found, f"give {module} a place among the FLOORS"
    return max(found, key=lambda place: len(place[1]))


def test_no_module_is_a_drawer_for_odds_and_ends() -> None:
    assert not {"utils", "util", "common", "helpers", "misc"} & {p.stem for p in MODULES.values()}


FORBIDDEN = ("torch", "sklearn", "matplotlib", "cnn_mnist.training", "cnn_mnist.cli")


def test_reading_and_serving_never_import_torch(environment: dict[str, str]) -> None:
    rooms = ("cnn_mnist.inference", "cnn_mnist.serving")
    parts = [n.removesuffix(".__init__") for n in MODULES if n.startswith(rooms)]
    program = f"import sys, {', '.join(parts)}; print([m for m in sys.modules if m in {FORBIDDEN}])"
    assert output(program, environment) == "[]"


def test_workers_that_read_never_import_torch_nor_dask(environment: dict[str, str]) -> None:
    parts = [n.removesuffix(".__init__") for n in MODULES if n.startswith("cnn_mnist.bulk")]
    heavy = (*FORBIDDEN, "dask", "distributed", "fsspec", "pyarrow")
    program = f"import sys, cnn_mnist.workers, {', '.join(parts)};"
    program += f"print([m for m in sys.modules if m in {heavy}])"
    assert output(program, environment) == "[]"


def test_importing_the_package_is_free(environment: dict[str, str]) -> None:
    heavy = (*FORBIDDEN, "numpy", "cv2", "onnxruntime")
    program = f"import sys, cnn_mnist; print([m for m in sys.modules if m in {heavy}])"
    assert output(program, environment) == "[]"


def output(program: str, environment: dict[str, str]) -> str:
    command = [sys.executable, "-c", program]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True
    ).stdout.strip()


EXPORTS = """
import importlib, sys
for package in {packages}:
    is_lazy = hasattr(importlib.import_module(package), "__getattr__")
    for name in getattr(importlib.import_module(package), "__all__", []):
        for module in [m for m in sys.modules if is_lazy and m.startswith("cnn_mnist")]:
            del sys.modules[module]
        if not hasattr(importlib.import_module(package), name):
            print(package, name)
"""


def test_every_exported_name_exists(environment: dict[str, str]) -> None:
    """Lazy ones before any other is imported: that would set attributes of its package."""
    packages = [n.removesuffix(".__init__") for n in MODULES if n.endswith("__init__")]
    assert output(EXPORTS.format(packages=packages), environment) == ""
