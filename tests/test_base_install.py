"""A clean environment with nothing but the base install reads digits."""

import json
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from PIL import Image

from drawn import page

ROOT = Path(__file__).parent.parent
HEAVY = ("torch", "sklearn", "scipy", "matplotlib", "safetensors")


@pytest.mark.slow
def test_the_base_install_reads_without_torch(environment: dict[str, str], tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    clean = {name: value for name, value in environment.items() if name != "PYTHONPATH"}
    install = ["-m", "pip", "install", "--quiet", "-c", str(ROOT / "constraints.txt"), str(ROOT)]
    subprocess.run([str(python), *install], env=clean, check=True)
    Image.fromarray(page("508", 80, 8)).save(tmp_path / "number.png")

    command = [str(python.with_name("cnn-mnist")), "predict", "number.png", "--json"]
    done = subprocess.run(
        command, env=clean, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout)["text"] == "508"

    program = (
        "import importlib.util as u, sys; from cnn_mnist import Reader;"
        f"Reader().read({str(tmp_path / 'number.png')!r});"
        f"print([m for m in {HEAVY} if u.find_spec(m) or m in sys.modules])"
    )
    done = subprocess.run([python, "-c", program], env=clean, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr

    packages = tmp_path / "venv" / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}"
    sizes = {
        folder.name: sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) / 2**20
        for folder in (packages / "site-packages").iterdir()
    }
    largest = sorted(sizes.items(), key=lambda item: -item[1])[:8]
    print(f"base install: {sum(sizes.values()):.0f} MB;", {n: round(s) for n, s in largest})
    assert sum(sizes.values()) < 450
