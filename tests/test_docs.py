"""The documents match the code: trees, commands, options, examples and links."""

import re
import subprocess
from pathlib import Path
from types import ModuleType

import pytest
import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

import cnn_mnist
from cnn_mnist import cli, training
from cnn_mnist.training import recipes

ROOT = Path(__file__).parent.parent
USAGE = (ROOT / "docs/usage.md").read_text()
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "CONTRIBUTING.md"]


def commands() -> dict[str, TyperCommand]:
    group = typer.main.get_command(cli.app)
    assert isinstance(group, TyperGroup)
    found = {name: group.get_command(typer.Context(group), name) for name in group.commands}
    return {name: command for name, command in found.items() if isinstance(command, TyperCommand)}


def options(command: TyperCommand) -> set[str]:
    return {o for p in command.params for o in p.opts if o.startswith("--")} - {"--help"}


def section(command: str) -> str:
    return re.split(r"^## ", USAGE.split(f"## cnn-mnist {command}\n")[1], flags=re.M)[0]


def test_usage_has_a_section_for_every_command_and_no_other() -> None:
    assert set(re.findall(r"^## cnn-mnist (\w+)$", USAGE, re.M)) == set(commands())


@pytest.mark.parametrize("name", commands())
def test_usage_documents_every_option_and_no_other(name: str) -> None:
    documented = set(re.findall(r"^\| `(--[\w-]+)`", section(name), re.M))
    assert documented == options(commands()[name])


@pytest.mark.parametrize("name", ["train", "study"])
def test_help_and_usage_name_every_recipe(name: str) -> None:
    (option,) = (p for p in commands()[name].params if "--recipe" in p.opts)
    assert isinstance(option, TyperOption)
    assert all(recipe in str(option.help) for recipe in recipes.RECIPES)
    if name == "train":
        assert all(f"`{recipe}`" in section(name) for recipe in recipes.RECIPES)


def test_every_file_in_the_readme_tree_exists() -> None:
    tree = (ROOT / "README.md").read_text().split("## The tree")[1].split("```")[1]
    paths: list[Path] = []
    folders: list[str] = []
    for depth, name in re.findall(r"^((?:│   |    )*)[├└]── (\S+)", tree, re.M):
        folders = [*folders[: len(depth) // 4], name]
        paths.append(ROOT.joinpath(*folders))
    assert len(paths) == len(tree.strip().splitlines()) - 1 > 20
    assert [str(p) for p in paths if not p.exists()] == []


def test_every_room_is_in_the_readme_tree() -> None:
    tree = (ROOT / "README.md").read_text().split("## The tree")[1].split("```")[1]
    rooms = {p.parent.name for p in (ROOT / "src").rglob("*.py")}
    assert [room for room in rooms if f"{room}/" not in tree] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: p.name)
def test_links_and_pictures_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text()):
        assert (path.parent / target).exists(), target


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: p.name)
def test_python_in_the_documents_runs(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for code in re.findall(r"```python\n(.*?)```", path.read_text(), re.S):
        exec(compile(code, path.name, "exec"), {})


def test_readme_begins_with_the_two_commands() -> None:
    text = (ROOT / "README.md").read_text()
    first = re.findall(r"```\w*\n(.*?)```", text, re.S)[0]
    assert [line.split("#")[0].strip() for line in first.strip().splitlines()] == [
        "make train",
        "make test",
    ]


def test_the_release_has_one_version_and_one_date() -> None:
    changes = (ROOT / "CHANGELOG.md").read_text()
    version, date = re.findall(r"^## \[(\d\S+)\] - (\S+)$", changes, re.M)[0]
    assert version == cnn_mnist.__version__
    citation = (ROOT / "CITATION.cff").read_text()
    assert f"version: {version}\ndate-released: {date}\n" in citation


@pytest.mark.parametrize("package", [cnn_mnist, training], ids=lambda p: p.__name__)
def test_the_api_reference_lists_every_public_name(package: ModuleType) -> None:
    text = (ROOT / "docs/api.md").read_text()
    listed = set(re.findall(rf":: {package.__name__}\.(\w+)$", text, re.M))
    assert listed - {"training"} == {name for name in package.__all__ if name != "__version__"}


def test_make_knows_every_target_the_documents_name() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([\w-]+):", makefile, re.M))
    named = {t for d in DOCUMENTS for t in re.findall(r"`?make ([a-z-]+)`?", d.read_text())}
    named -= {"sure"}
    assert named <= targets


def test_the_continuous_integration_runs_the_readmes_test_command() -> None:
    lines = (ROOT / ".ci/run").read_text().strip().splitlines()
    assert lines[-1] == "make test"
    subprocess.run(["bash", "-n", ROOT / ".ci/run"], check=True)
