"""The documents match the code: trees, commands, options, examples and links."""

import re
import subprocess
from pathlib import Path

import pytest
import typer

import cnn_mnist
from cnn_mnist import cli, training
from cnn_mnist.training import recipes

ROOT = Path(__file__).parent.parent
USAGE = (ROOT / "docs/usage.md").read_text()
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "CONTRIBUTING.md"]


def commands() -> dict[str, typer.core.TyperCommand]:
    return typer.main.get_command(cli.app).commands


def options(command: typer.core.TyperCommand) -> set[str]:
    return {o for p in command.params for o in p.opts if o.startswith("--")} - {"--help"}


def section(command: str) -> str:
    return re.split(r"^## ", USAGE.split(f"## cnn-mnist {command}\n")[1], flags=re.M)[0]


def test_usage_has_a_section_for_every_command_and_no_other():
    assert set(re.findall(r"^## cnn-mnist (\w+)$", USAGE, re.M)) == set(commands())


@pytest.mark.parametrize("name", commands())
def test_usage_documents_every_option_and_no_other(name):
    documented = set(re.findall(r"^\| `(--[\w-]+)`", section(name), re.M))
    assert documented == options(commands()[name])


@pytest.mark.parametrize("name", ["train", "study"])
def test_help_and_usage_name_every_recipe(name):
    for recipe in recipes.RECIPES:
        assert recipe in cli.options.RecipeOption.__metadata__[0].help
    if name == "train":
        assert all(f"`{recipe}`" in section(name) for recipe in recipes.RECIPES)


def test_every_file_in_the_readme_tree_exists():
    tree = (ROOT / "README.md").read_text().split("## The tree")[1].split("```")[1]
    paths, folders = [], []
    for line in tree.strip().splitlines()[1:]:
        depth, name = re.match(r"^((?:│   |    )*)[├└]── (\S+)", line).groups()
        folders = [*folders[: len(depth) // 4], name]
        paths.append(ROOT.joinpath(*folders))
    assert len(paths) > 20
    assert [str(p) for p in paths if not p.exists()] == []


def test_every_room_is_in_the_readme_tree():
    tree = (ROOT / "README.md").read_text().split("## The tree")[1].split("```")[1]
    rooms = {p.parent.name for p in (ROOT / "src").rglob("*.py")}
    assert [room for room in rooms if f"{room}/" not in tree] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: p.name)
def test_links_and_pictures_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text()):
        assert (path.parent / target).exists(), target


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: p.name)
def test_python_in_the_documents_runs(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for code in re.findall(r"```python\n(.*?)```", path.read_text(), re.S):
        exec(compile(code, path.name, "exec"), {})


def test_readme_begins_with_the_two_commands():
    text = (ROOT / "README.md").read_text()
    first = re.search(r"```\w*\n(.*?)```", text, re.S).group(1)
    assert [line.split("#")[0].strip() for line in first.strip().splitlines()] == [
        "make train",
        "make test",
    ]


def test_the_release_has_one_version_and_one_date():
    released = re.search(r"^## \[(\d\S+)\] - (\S+)$", (ROOT / "CHANGELOG.md").read_text(), re.M)
    citation = (ROOT / "CITATION.cff").read_text()
    assert released.group(1) == cnn_mnist.__version__
    assert f"version: {released.group(1)}\ndate-released: {released.group(2)}\n" in citation


@pytest.mark.parametrize("package", [cnn_mnist, training], ids=lambda p: p.__name__)
def test_the_api_reference_lists_every_public_name(package):
    text = (ROOT / "docs/api.md").read_text()
    listed = set(re.findall(rf":: {package.__name__}\.(\w+)$", text, re.M))
    assert listed - {"training"} == {name for name in package.__all__ if name != "__version__"}


def test_make_knows_every_target_the_documents_name():
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([\w-]+):", makefile, re.M))
    named = {t for d in DOCUMENTS for t in re.findall(r"`?make ([a-z-]+)`?", d.read_text())}
    named -= {"sure"}
    assert named <= targets


def test_the_continuous_integration_runs_the_readmes_test_command():
    lines = (ROOT / ".ci/run").read_text().strip().splitlines()
    assert lines[-1] == "make test"
    subprocess.run(["bash", "-n", ROOT / ".ci/run"], check=True)
