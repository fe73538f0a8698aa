"""The application of `cnn-mnist label`: a page that shows one sign at a time."""

from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp

from cnn_mnist.inference.pictures.labels import NAME, NONE
from cnn_mnist.inference.pictures.page import ImageError
from cnn_mnist.inference.recognition.line import DIGITS
from cnn_mnist.serving.errors import add_errors
from cnn_mnist.serving.labels import Labels, Place
from cnn_mnist.serving.middleware import RequestMiddleware
from cnn_mnist.serving.pages import add_page
from cnn_mnist.serving.refusal import Refusal
from cnn_mnist.serving.settings import Limits
from cnn_mnist.serving.signs import Sign
from cnn_mnist.serving.uploads import json_value

LABELS = (*DIGITS, NONE)
FORM = 'give {"sign": NUMBER, "label": LABEL}: a digit, "none", or null to remove the label'


def place(folder: Path, sign: Sign) -> Place:
    """The place of a sign, as in labels.csv."""
    return Place(sign.path.relative_to(folder).as_posix(), sign.box)


def create(folder: Path, signs: list[Sign], token: str) -> ASGIApp:
    """Create the application.

    Args:
        signs: shown in this order, unless labelled already.
        token: secret that the page must send.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    _add_routes(app, folder, signs, Labels(folder))
    add_page(app, "label.html")
    add_errors(app)
    return RequestMiddleware(app, Limits(), token)


def _add_routes(app: FastAPI, folder: Path, signs: list[Sign], labels: Labels) -> None:
    @app.get("/v1/signs")
    def unlabelled() -> Response:
        missing = labels.missing(place(folder, sign) for sign in signs)
        missing_signs = [{"number": n, **_to_dict(folder, signs[n])} for n in missing]
        return JSONResponse({"labelled": len(labels), "signs": missing_signs})

    @app.get("/v1/signs/{number}")
    def picture(number: int) -> Response:
        try:
            return Response(_sign(signs, number).png(), media_type="image/png")
        except ImageError as error:
            raise Refusal(422, str(error)) from error

    @app.post("/v1/labels")
    async def label(request: Request) -> Response:
        match json_value(request.scope["body"], FORM):
            case {"sign": int(number), "label": None | str() as label} if label in (*LABELS, None):
                where = place(folder, _sign(signs, number))
            case _:
                raise Refusal(422, FORM)
        try:
            return JSONResponse({"labelled": await run_in_threadpool(labels.set, where, label)})
        except OSError as error:
            raise Refusal(507, f"{NAME} cannot be written: {error.strerror}") from error
        except ValueError as error:
            raise Refusal(422, str(error)) from error


def _sign(signs: list[Sign], number: int) -> Sign:
    if not 0 <= number < len(signs):
        raise Refusal(404, "there is no such sign")
    return signs[number]


def _to_dict(folder: Path, sign: Sign) -> dict[str, Any]:
    path = place(folder, sign).path.encode("utf-8", "replace").decode()  # the name may not be text
    return {"path": path, "answered": sign.answered, "confidence": round(sign.confidence, 4)}
