"""The web pages and their files, held in memory: no request path reaches the disk."""

from functools import partial
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from fastapi import FastAPI, Response
from starlette.exceptions import HTTPException

TYPES = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
}


def add_page(app: FastAPI, name: str, is_collecting: bool = False) -> None:
    """Add a page from static/, at /.

    Args:
        is_collecting: whether the page offers to store corrections.
    """
    files = _files(resources.files("cnn_mnist") / "serving" / "static")
    if is_collecting:
        files[name] = files[name].replace(b"<body>", b'<body class="collecting">')
    _add(app, "/", "/static/", files, name)


def add_explore(app: FastAPI) -> None:
    """Add the explorer, at /explore/."""
    files = _files(resources.files("cnn_mnist") / "explore")
    _add(app, "/explore/", "/explore/", files, "index.html")

    @app.api_route("/explore", methods=["GET", "HEAD"], include_in_schema=False)
    async def to_explore() -> Response:
        return Response(status_code=308, headers={"location": "explore/"})


def _files(folder: Traversable) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def _add(app: FastAPI, page: str, folder: str, files: dict[str, bytes], index: str) -> None:
    route = partial(app.api_route, methods=["GET", "HEAD"], include_in_schema=False)

    @route(page)
    @route(f"{folder}{{name}}")
    async def respond(name: str = index) -> Response:
        if name not in files:
            raise HTTPException(404)
        kind = TYPES[Path(name).suffix]
        headers = {"cache-control": "no-cache"}
        return Response(files[name], media_type=kind, headers=headers)
