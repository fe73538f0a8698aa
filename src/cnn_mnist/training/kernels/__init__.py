"""Training kernels in C, which make training faster on a CPU; all are optional.

They are compiled by the system's C compiler on first use and kept in the user's cache. Without a
compiler, torch does the work.
"""

import ctypes
import functools
import hashlib
import platform
import subprocess
import tempfile
from importlib.resources import files
from pathlib import Path

COMPILE = ("cc", "-O3", "-march=native", "-fno-math-errno", "-fPIC", "-fopenmp", "-c")
LINK = ("cc", "-shared")
LIBRARIES = ("-lm",)  # not OpenMP's: torch has loaded its own


@functools.cache
def library() -> ctypes.CDLL | None:
    """The compiled functions; None if they cannot be compiled."""
    import pooch  # only here: a model is loaded without it

    here = sorted(files(__name__).iterdir(), key=lambda file: file.name)
    code = {file.name: file.read_bytes() for file in here if file.name.endswith((".c", ".h"))}
    how = (*COMPILE, *LINK, *LIBRARIES, _processor())
    made_of = b"\0".join([*code.values(), *map(str.encode, how)])
    path = Path(pooch.os_cache("cnn-mnist")) / f"kernels-{hashlib.sha256(made_of).hexdigest()}.so"
    try:
        if not path.exists():
            _compile(code, path)
        kernels = ctypes.CDLL(str(path))
    except (OSError, subprocess.SubprocessError):
        return None
    pointer, size, number, real = ctypes.c_void_p, ctypes.c_long, ctypes.c_int, ctypes.c_float
    kernels.forward.argtypes = [pointer, pointer, size, size, number]
    kernels.backward.argtypes = [pointer, pointer, pointer, pointer, size, size, number]
    kernels.step.argtypes = [
        *(pointer, size, real, real, pointer, real, real),
        *(pointer, size, pointer, size, pointer, pointer, size, number),
    ]
    kernels.lay_out.argtypes = [pointer, pointer, size, size, number]
    kernels.affine.argtypes = [pointer, pointer, *[real] * 4, pointer, size, number]
    kernels.adamw.argtypes = [*[pointer] * 5, size, *[real] * 5]
    kernels.muon.argtypes = [*[pointer] * 5, size, *[real] * 9, number, pointer, size]
    return kernels


def _processor() -> str:
    """Identifies the processor, on which -march=native depends."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    flags = [line for line in lines if line.startswith(("flags", "Features"))]
    return " ".join([platform.machine(), platform.processor(), *flags[:1]])


def _compile(code: dict[str, bytes], path: Path) -> None:
    """Compile sources to a shared library, moved into place once complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as name:
        folder = Path(name)
        for file, content in code.items():
            (folder / file).write_bytes(content)
        sources = [file for file in code if file.endswith(".c")]
        objects = [Path(source).with_suffix(".o").name for source in sources]
        commands = [(*COMPILE, *sources), (*LINK, *objects, *LIBRARIES, "-o", "kernels.so")]
        for command in commands:
            subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=60)
        (folder / "kernels.so").replace(path)
