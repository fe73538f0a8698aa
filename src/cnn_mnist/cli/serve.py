"""cnn-mnist serve: read pictures over HTTP."""

import re
from pathlib import Path
from typing import Annotated

import typer

from cnn_mnist import process
from cnn_mnist.cli.options import ModelOption, extra
from cnn_mnist.terminal import Terminal

ORIGIN = re.compile(r"\*|[a-z][a-z0-9+.-]*://[^A-Z/?#@*\s]+")  # as browsers send it


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(help="Port to listen on; 0 picks a free one.", min=0, max=65535)
    ] = 8000,
    workers: Annotated[int, typer.Option(help="Number of worker processes.", min=1, max=256)] = 1,
    model: ModelOption = None,
    token: Annotated[
        str | None,
        typer.Option(envvar="CNN_MNIST_TOKEN", help="Bearer token that the API requires."),
    ] = None,
    cors_origin: Annotated[
        list[str] | None,
        typer.Option(help="Another site whose pages may call the API, or *; may be repeated."),
    ] = None,
    collect: Annotated[
        Path | None, typer.Option(help="Folder in which to store people's corrections.")
    ] = None,
    max_collect: Annotated[
        int, typer.Option(help="Maximum size of that folder, in MiB.", min=1)
    ] = 100,
    max_body: Annotated[
        int, typer.Option(help="Maximum size of a request, in MiB.", min=1, max=1024)
    ] = 16,
    max_in_flight: Annotated[
        int, typer.Option(help="Concurrent requests per worker; any more get a 503.", min=1)
    ] = 32,
    timeout: Annotated[
        float, typer.Option(help="Seconds within which a request must arrive.", min=0.1, max=3600)
    ] = 10.0,
) -> None:
    """Serve an HTTP API that reads digits, and a web page to draw on."""
    for origin in cors_origin or ():
        if not ORIGIN.fullmatch(origin):
            raise typer.BadParameter(
                f"--cors-origin {origin}: give https://that.site, without a path, or * for any site"
            )
    process.limit_blas()
    with extra("serve"):
        from cnn_mnist.serving import server
        from cnn_mnist.serving.settings import Limits, Settings

    limits = Limits(
        body=max_body * 2**20,
        in_flight=max_in_flight,
        timeout=timeout,
        collected=max_collect * 2**20,
    )
    settings = Settings(model, limits, token or None, tuple(cors_origin or ()), collect)
    say = Terminal(as_json=False)

    def show(url: str) -> None:
        say.row(f"Serving {url} (press Ctrl-C to stop)")

    server.serve(host, port, workers, settings, show)
