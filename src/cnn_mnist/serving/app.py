"""The HTTP application: routes, and nothing that a route calls."""

import asyncio
import contextlib
import gc
import warnings
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse
from PIL import Image
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

import cnn_mnist
from cnn_mnist import process
from cnn_mnist.inference.reader import Reader
from cnn_mnist.serving import api, metrics
from cnn_mnist.serving.limits import Limits, Refusal
from cnn_mnist.serving.middleware import Guard
from cnn_mnist.serving.responses import as_csv, combine, read
from cnn_mnist.serving.uploads import check, parse

TYPES = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
}
DEFAULT = Limits()
FAILED = "the server failed; this has been logged"
Answer = dict[str, Any]


def create(
    model: str | None = None,
    limits: Limits = DEFAULT,
    token: str | None = None,
    origins: tuple[str, ...] = (),
    threads: int = 1,
) -> ASGIApp:
    """The application of one worker.

    Args:
        model: an exported model file or a name of the shelf; without it, the released `reader`.
        token: what the API asks for as a bearer token; None asks for nothing.
        origins: other sites whose pages may call the API.
        threads: pictures read at a time.
    """

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        process.keep_memory()
        cv2.setNumThreads(1)  # workers and threads share the cores already
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limits are ours
        reader = Reader(model, threads=1)
        reader.read(np.pad(np.zeros((90, 12), np.uint8), 40, constant_values=255))
        gc.freeze()  # what is loaded now stays; looking through it again takes time
        with ThreadPoolExecutor(threads, "reader") as pool:
            app.state.reader, app.state.pool, app.state.ready = reader, pool, True
            yield
            app.state.ready = False

    app = FastAPI(
        title="cnn-mnist",
        version=cnn_mnist.__version__,
        description=api.DESCRIPTION,
        docs_url=None,  # their scripts come from elsewhere
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.ready, app.state.limits = False, limits
    _add_routes(app)
    _add_pages(app)
    _add_errors(app)
    guarded = Guard(app, limits, token)
    if not origins:
        return guarded
    return CORSMiddleware(
        guarded,
        allow_origins=list(origins),
        allow_methods=["POST"],
        allow_headers=["authorization", "content-type"],
        expose_headers=["retry-after"],
    )


def _add_routes(app: FastAPI) -> None:
    @app.post("/v1/predict", summary="Read the digits in pictures", **api.PREDICT)
    async def predict(request: Request, single: bool = False, detail: bool = False) -> Response:
        state, limits = app.state, app.state.limits
        pictures = await parse(request.headers, request.scope["body"], limits)
        in_pool = partial(asyncio.get_running_loop().run_in_executor, state.pool)
        await in_pool(check, pictures, limits)
        answers: list[list[Answer | Refusal]] = []
        for content in pictures.contents:
            answers.append([])
            pages = read(state.reader, content, single, detail)
            # one by one, so that many pages of one client don't stand before another's
            while (answer := await in_pool(next, pages, None)) is not None:
                answers[-1].append(answer)
        combined = combine(pictures, answers)
        if "text/csv" in request.headers.get("accept", ""):
            return Response(as_csv(combined), media_type="text/csv")
        return JSONResponse(combined)

    @app.get("/healthz", summary="The process lives", **api.STATE)
    async def healthz() -> Answer:
        return {"status": "alive"}

    @app.get("/readyz", summary="The model is loaded", **api.STATE)
    async def readyz() -> Answer:
        if not app.state.ready:
            raise Refusal(503, "the model is not loaded yet")
        return {"status": "ready"}

    @app.get("/metrics", summary="Counters for Prometheus", response_class=Response)
    def prometheus() -> Response:
        return Response(metrics.render(), media_type=metrics.CONTENT_TYPE)


def _add_pages(app: FastAPI) -> None:
    """The pages and their files, held in memory: no path of a request reaches the disk."""
    package = resources.files("cnn_mnist")
    folders = {"static": package / "serving" / "static", "explore": package / "explore"}
    files = {
        (folder, file.name): file.read_bytes()
        for folder, path in folders.items()
        for file in path.iterdir()
    }
    route = partial(app.api_route, methods=["GET", "HEAD"], include_in_schema=False)

    def respond(folder: str, name: str) -> Response:
        if (folder, name) not in files:
            raise HTTPException(404, "Not Found")
        kind = TYPES[Path(name).suffix]
        headers = {"cache-control": "no-cache"}
        return Response(files[folder, name], media_type=kind, headers=headers)

    @route("/")
    async def index() -> Response:
        return respond("static", "index.html")

    @route("/static/{name}")
    async def static(name: str) -> Response:
        return respond("static", name)

    @route("/explore")
    async def to_explore() -> Response:
        return Response(status_code=308, headers={"location": "explore/"})

    @route("/explore/")
    async def explore() -> Response:
        return respond("explore", "index.html")

    @route("/explore/{name}")
    async def explore_file(name: str) -> Response:
        return respond("explore", name)


def _add_errors(app: FastAPI) -> None:
    """Every error is one line of JSON."""

    @app.exception_handler(HTTPException)
    async def http(_: Request, raised: HTTPException) -> Response:
        return JSONResponse({"error": str(raised.detail)}, raised.status_code, raised.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, raised: RequestValidationError) -> Response:
        first = raised.errors()[0]
        return JSONResponse({"error": f"{first['loc'][-1]}: {first['msg']}"}, 422)

    @app.exception_handler(Refusal)
    async def refused(_: Request, raised: Refusal) -> Response:
        headers = {"retry-after": "1"} if raised.status == 503 else None
        return JSONResponse({"error": raised.message}, raised.status, headers)

    @app.exception_handler(Exception)
    async def failed(_: Request, raised: Exception) -> Response:
        return JSONResponse({"error": FAILED}, 500)
