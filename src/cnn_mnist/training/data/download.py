"""Download a file from the first mirror that has it; verified before anything reads it."""

import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pooch
import requests
import urllib3.exceptions

from cnn_mnist.training.data.splits import DataError


def _download(timeout: float, deadline: float, url: str, output_file: str, _: object) -> None:
    """Download one file for pooch, within a deadline that slow servers cannot stretch.

    pooch's own downloader waits for every 1,024 bytes, however slowly they arrive.

    Args:
        timeout: seconds without a byte.
        deadline: seconds in all.
    """
    end = time.monotonic() + deadline
    as_it_is = {"Accept-Encoding": "identity"}
    with (
        requests.get(url, stream=True, timeout=timeout, headers=as_it_is) as response,
        Path(output_file).open("wb") as file,
    ):
        response.raise_for_status()
        while chunk := _received(response):
            file.write(chunk)
            if time.monotonic() > end:
                raise TimeoutError


def _received(response: requests.Response) -> bytes:
    """The bytes received so far, as soon as there are any; empty at the end."""
    try:
        return bytes(response.raw.read1(2**16))
    except urllib3.exceptions.ReadTimeoutError as error:
        raise TimeoutError from error
    except urllib3.exceptions.HTTPError as error:
        raise requests.exceptions.ChunkedEncodingError from error


def fetch(
    name: str,
    sha256: str,
    cache: Path,
    mirrors: Sequence[str],
    problems: list[str],
    timeout: float = 10,
    deadline: float = 120,
) -> Path:
    """Download a file into the cache: two tries per mirror, verified, moved into place complete."""
    pooch.get_logger().setLevel("WARNING")
    for mirror in mirrors:
        source = pooch.create(
            path=cache,
            base_url=mirror,
            registry={name: f"sha256:{sha256}"},
            retry_if_failed=1,
        )
        try:
            return Path(source.fetch(name, downloader=partial(_download, timeout, deadline)))
        except (requests.RequestException, ValueError, OSError) as error:
            problems.append(f"{urlsplit(mirror).netloc}: {_short(error)}")
    raise DataError(
        f"{name} was not found, and no mirror could provide it ({'; '.join(problems)}). Put "
        "the four MNIST .gz files into a folder and pass it with --data-dir or CNN_MNIST_DATA, or "
        "use --dataset digits"
    )


def _short(error: Exception) -> str:
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"HTTP {error.response.status_code}"
    if isinstance(error, requests.Timeout | TimeoutError):
        return "too slow"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the download was interrupted"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return "not the requested file" if isinstance(error, ValueError) else str(error)
