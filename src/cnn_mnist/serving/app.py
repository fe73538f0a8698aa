"""The HTTP application: routes only."""

import asyncio
import contextlib
import gc
import logging
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from fastapi import FastAPI, Request, Response
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp

import cnn_mnist
from cnn_mnist import process, shelf
from cnn_mnist.inference.reader import Reader
from cnn_mnist.serving import api, corrections, metrics
from cnn_mnist.serving.collection import Collection
from cnn_mnist.serving.errors import add_errors
from cnn_mnist.serving.middleware import RequestMiddleware
from cnn_mnist.serving.pages import add_explore, add_page
from cnn_mnist.serving.refusal import Refusal
from cnn_mnist.serving.responses import as_csv, combine, read, store
from cnn_mnist.serving.settings import Settings
from cnn_mnist.serving.uploads import parse

Answer = dict[str, Any]
log = logging.getLogger("cnn_mnist.serving")


def create(settings: Settings, threads: int = 1) -> ASGIApp:
    """Create the application of one worker.

    Args:
        threads: pictures read at the same time.
    """

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        process.keep_memory()
        cv2.setNumThreads(1)  # workers and threads already share the cores
        process.ignore_large_pictures()
        reader = Reader(settings.model, threads=1)
        reader.read(np.pad(np.zeros((90, 12), np.uint8), 40, constant_values=255))
        gc.freeze()  # loaded objects stay; the collector need not scan them again
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
    app.state.ready, app.state.limits = False, settings.limits
    _add_routes(app)
    if settings.collect:
        _add_corrections(
            app, settings.collect, shelf.find(settings.model or shelf.DIGITS, shelf.ONNX)
        )
    else:
        _refuse_corrections(app)
    add_page(app, "index.html", is_collecting=settings.collect is not None)
    add_explore(app)
    add_errors(app)
    limited = RequestMiddleware(app, settings.limits, settings.token)
    if not settings.origins:
        return limited
    return CORSMiddleware(
        limited,
        allow_origins=list(settings.origins),
        allow_methods=["POST"],
        allow_headers=["authorization", "content-type"],
        expose_headers=["retry-after"],
    )


def _add_routes(app: FastAPI) -> None:
    @app.post("/v1/predict", summary="Read the digits in pictures", **api.PREDICT)
    async def predict(
        request: Request, single: api.Single = False, detail: api.Detail = False
    ) -> Response:
        state, limits = app.state, app.state.limits
        pictures = await parse(request.headers, request.scope["body"], limits)
        in_pool = partial(asyncio.get_running_loop().run_in_executor, state.pool)
        answers: list[list[Answer | Refusal]] = [[] for _ in pictures.contents]
        pages = read(state.reader, pictures, limits, single, detail)
        # one page at a time, so that one client's many pages do not hold up the others
        while (page := await in_pool(next, pages, None)) is not None:
            answers[page[0]].append(page[1])
        combined = combine(pictures, answers)
        if "text/csv" in request.headers.get("accept", ""):
            return Response(as_csv(combined), media_type="text/csv")
        return JSONResponse(combined)

    @app.get("/healthz", summary="The process is alive", **api.ALIVE)
    async def healthz() -> Answer:
        return {"status": "alive"}

    @app.get("/readyz", summary="The model is loaded", **api.READY)
    async def readyz() -> Answer:
        if not app.state.ready:
            raise Refusal(503, "the model is not loaded yet")
        return {"status": "ready"}

    @app.get("/metrics", summary="Counters for Prometheus", response_class=Response)
    def prometheus() -> Response:
        return Response(metrics.render(), media_type=metrics.CONTENT_TYPE)


def _add_corrections(app: FastAPI, folder: Path, model: Path) -> None:
    collection = Collection(folder, app.state.limits.collected)
    digest = shelf.sha256(model)
    log.info(f"corrections are stored in {folder}")

    def corrected(body: bytes) -> list[str]:
        said = corrections.parse(body, app.state.limits)
        return store(app.state.reader, digest, said, collection)

    @app.post("/v1/corrections", status_code=201, summary="Store corrections", **api.CORRECT)
    async def correct(request: Request) -> Response:
        in_pool = asyncio.get_running_loop().run_in_executor
        names = await in_pool(app.state.pool, corrected, request.scope["body"])
        return JSONResponse({"stored": names}, 201)


def _refuse_corrections(app: FastAPI) -> None:
    @app.post("/v1/corrections", include_in_schema=False)
    async def refuse() -> None:
        raise Refusal(404, "corrections are not collected; start the server with --collect FOLDER")
