"""Try a built wheel as a user would: install it into an empty environment, train, read, serve.

    python tests/try_wheel.py dist

It trains once with the machine's C compiler and once without one.
"""

import os
import subprocess
import sys
import tempfile
import urllib.request
import venv
from pathlib import Path

CONSTRAINTS = Path(__file__).parent.parent / "constraints.txt"
PICTURE = """
import cv2, numpy as np
paper = np.full((120, 200), 255, np.uint8)
cv2.putText(paper, "42", (40, 90), cv2.FONT_HERSHEY_SIMPLEX, 2.5, 0, 5)
cv2.imwrite("number.png", paper)
"""


def main() -> None:
    """Exit with an error at the first step that fails."""
    (wheel,) = Path(sys.argv[1]).resolve().glob("*.whl")
    with tempfile.TemporaryDirectory() as folder:
        venv.create(Path(folder) / "venv", with_pip=True)
        bin_folder = Path(folder) / "venv" / ("Scripts" if os.name == "nt" else "bin")
        clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "CNN_MNIST_DATA")}

        def run(*command: object, **settings: str) -> str:
            print("$", *command, flush=True)
            arguments = [str(bin_folder / str(command[0])), *map(str, command[1:])]
            done = subprocess.run(
                arguments, cwd=folder, env=clean | settings, text=True, stdout=subprocess.PIPE
            )
            if done.returncode:
                sys.exit(f"failed with exit code {done.returncode}: {' '.join(map(str, command))}")
            return done.stdout

        install = ("python", "-m", "pip", "install", "--quiet", "-c", CONSTRAINTS)
        run(*install, f"{wheel}[train,serve]")
        quick = ("cnn-mnist", "train", "--dataset", "digits", "--epochs", 1, "--out")
        run(*quick, "compiled")
        run(*quick, "uncompiled", PATH=str(bin_folder), XDG_CACHE_HOME=f"{folder}/empty")
        run("cnn-mnist", "export", "compiled", "--out", "model.onnx")
        run("python", "-c", PICTURE)
        read = run("cnn-mnist", "predict", "number.png", "--json")
        if '"text": "42"' not in read:
            sys.exit(f"a drawn 42 was read as: {read}")
        serve(bin_folder / "cnn-mnist", folder, clean)
    print(f"{wheel.name} installs, trains, exports, reads and serves.")


def serve(command: Path, folder: str, environment: dict[str, str]) -> None:
    """Start a server on a free port, and get its page."""
    arguments = [str(command), "serve", "--port", "0"]
    with subprocess.Popen(
        arguments, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE
    ) as server:
        try:
            assert server.stdout
            told = next(line for line in server.stdout if "http://" in line)
            url = "http://" + told.split("http://")[1].split()[0]
            with urllib.request.urlopen(url) as page:
                print("GET", url, page.status, flush=True)
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
