"""The walls of docs/design.md: imports point one way."""

import ast
import importlib
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
    "inference": {"inference", "process"},
    "training": {"training", "inference.normalize", "inference.classifier", "inference.line"},
    "serving": {"serving", "inference", "process"},
    "bulk": {"bulk", "inference", "workers"},
    "process": set(),
    "workers": {"process", "cluster"},
    "cluster": {"workers", "process"},
    "terminal": set(),
    "cli": {"process", "terminal", "workers", "training", "inference", "serving", "bulk"},
    "__main__": {"cli"},
    "__init__": {"inference"},
}

# Within training, a module imports only from the lines above its own.
FLOORS = [
    {"kernels", "pixels"},
    {"conv3x3", "lines.network", "lines.text", "lines.typefaces"},
    {"model", "recipes", "metrics", "distributed", "strokes", "calibrate", "quantize"},
    {"data", "augment", "schedule", "device", "glyphs", "nondigits"},
    {"damage", "drawn", "evaluate"},
    {"distil", "lines.signs", "lines.forms", "lines.hand"},
    {"loop", "lines.shapes"},
    {"lines.writing"},
    {"lines.photograph"},
    {"lines.stream"},
    {"lines.loss"},
    {"checkpoint", "plots", "lines.train"},
    {"train", "export", "card", "web"},
    {"crew", "release", "lines.export"},
    {"study"},
    {"__init__"},
]

# The only doors between training and inference.
DOORS = {
    ("training.data", "inference.normalize"),
    ("training.strokes", "inference.normalize"),
    ("training.drawn", "inference.normalize"),
    ("training.export", "inference.classifier"),
    ("training.lines.network", "inference.line"),
    ("training.lines.text", "inference.line"),
    ("training.lines.shapes", "inference.line"),
    ("training.lines.photograph", "inference.line"),
    ("training.lines.stream", "inference.line"),
    ("training.lines.export", "inference.line"),
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
EDGES = [
    (name.removeprefix("cnn_mnist."), target)
    for name, path in MODULES.items()
    for target in imports(path)
]


def within(module: str, part: str) -> bool:
    return module == part or module.startswith(f"{part}.")


def test_the_walk_sees_the_imports() -> None:
    assert ("training.loop", "training.model") in EDGES
    assert ("cli", "training.checkpoint") in EDGES
    assert ("terminal", "training.loop") not in EDGES  # for the type checker only


@pytest.mark.parametrize(("module", "target"), EDGES)
def test_imports_point_one_way(module: str, target: str) -> None:
    part = module.split(".")[0]
    assert any(within(target, allowed) for allowed in ALLOWED[part])
    if part != "cli" and within(target, "inference") and part == "training":
        assert (module, target) in DOORS


@pytest.mark.parametrize(
    ("module", "target"), [edge for edge in EDGES if all(within(e, "training") for e in edge)]
)
def test_inside_training_imports_point_down(module: str, target: str) -> None:
    assert floor(target) < floor(module)


def floor(module: str) -> int:
    name = module.removeprefix("training.").removesuffix(".__init__")
    name = name.replace("training", "__init__")
    found = [number for number, names in enumerate(FLOORS) if name in names]
    assert found, f"give {module} a place among the FLOORS"
    return found[0]


def test_no_module_is_a_drawer_for_odds_and_ends() -> None:
    assert not {"utils", "util", "common", "helpers", "misc"} & {p.stem for p in MODULES.values()}


def test_reading_digits_never_imports_torch(environment: dict[str, str]) -> None:
    parts = [n.removesuffix(".__init__") for n in MODULES if n.startswith("cnn_mnist.inference")]
    program = f"import sys, {', '.join(parts)}; print([m for m in sys.modules if m in {FORBIDDEN}])"
    assert output(program, environment) == "[]"


FORBIDDEN = ("torch", "sklearn", "matplotlib", "cnn_mnist.training", "cnn_mnist.cli")


def test_serving_never_imports_torch(environment: dict[str, str]) -> None:
    parts = [n.removesuffix(".__init__") for n in MODULES if n.startswith("cnn_mnist.serving")]
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


@pytest.mark.parametrize("name", [n for n in MODULES if n.endswith("__init__")])
def test_every_exported_name_exists(name: str) -> None:
    package = importlib.import_module(name.removesuffix(".__init__"))
    for exported in getattr(package, "__all__", []):
        assert hasattr(package, exported)
