"""Every error is one line of JSON."""

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from cnn_mnist.serving.refusal import FAILED, Refusal


def add_errors(app: FastAPI) -> None:
    """Add a handler for every exception that a route may raise."""

    @app.exception_handler(HTTPException)
    async def http(request: Request, raised: HTTPException) -> Response:
        headers = raised.headers or {}
        said = {
            404: "there is nothing at this path; the API is described at /openapi.json",
            405: f"this path does not answer {request.method}; use {headers.get('Allow')}",
        }
        message = said.get(raised.status_code, str(raised.detail))
        return JSONResponse({"error": message}, raised.status_code, headers)

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
