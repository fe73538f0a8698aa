"""A request's body → its pictures: raw bytes, multipart files, or base64 in JSON."""

import base64
import binascii
import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from cnn_mnist.inference.pictures.image import page_sizes
from cnn_mnist.inference.pictures.page import ImageError
from cnn_mnist.serving.refusal import Refusal
from cnn_mnist.serving.settings import Limits

JSON_FORM = 'give {"image": BASE64} or {"images": [BASE64, …]}'
WHITESPACE = b" \t\n\r\v\f"


@dataclass(frozen=True)
class Pictures:
    """Encoded pictures with their names. `many`: the response is a list, even of one."""

    names: list[str | None]
    contents: list[bytes]
    many: bool


async def parse(headers: Headers, body: bytes, limits: Limits) -> Pictures:
    """Parse the pictures in a body by its content type; other types are one raw picture.

    Raises:
        Refusal: the body is malformed or empty, or has more pictures than the limits allow.
    """
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        pictures = await _from_form(headers, body, limits)
    elif kind == "application/json":
        pictures = _from_json(body)
    else:
        pictures = Pictures([None], [body], many=False)
    if not pictures.contents:
        raise Refusal(422, "there is no picture in the request")
    if len(pictures.contents) > limits.pictures:
        raise Refusal(422, f"more than {limits.pictures} pictures; send them in several requests")
    return pictures


async def _from_form(headers: Headers, body: bytes, limits: Limits) -> Pictures:
    async def stream() -> AsyncGenerator[bytes, None]:
        yield body

    parser = MultiPartParser(
        headers, stream(), max_files=limits.pictures, max_fields=limits.pictures
    )
    parser.spool_max_size = len(body) + 1  # keep it in memory; no temporary file
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise Refusal(400, f"the form cannot be read: {error.message}") from error
    except (ValueError, LookupError) as error:
        raise Refusal(400, "the form cannot be read") from error
    files = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
    names = [(file.filename or "")[:255] or None for file in files]
    return Pictures(names, [await file.read() for file in files], many=len(files) > 1)


def _from_json(body: bytes) -> Pictures:
    match json_value(body, JSON_FORM):
        case {"images": list(texts)}:
            contents = [decoded(text, f"picture {n}") for n, text in enumerate(texts, start=1)]
            return Pictures([None] * len(texts), contents, many=True)
        case {"image": text}:
            return Pictures([None], [decoded(text)], many=False)
        case _:
            raise Refusal(422, JSON_FORM)


def json_value(body: bytes, form: str) -> Any:
    """Parse a JSON body.

    Args:
        form: what the error message asks for.

    Raises:
        Refusal: the body is not valid JSON.
    """
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refusal(400, f"the body is not valid JSON; {form}") from error


def decoded(text: Any, name: str = "the picture") -> bytes:
    """Decode a picture in base64, also in lines, or in a data URL.

    Args:
        name: what the error message calls it.

    Raises:
        Refusal: it is neither.
    """
    if not isinstance(text, str):
        raise Refusal(422, JSON_FORM)
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        return base64.b64decode(text.encode().translate(None, WHITESPACE), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refusal(422, f"{name} is not valid base64") from error


def check(pictures: Pictures, limits: Limits) -> None:
    """Check that all pages together are within the limits, by their headers.

    Raises:
        Refusal: they are not.
    """
    num_pages = num_pixels = 0
    for content in pictures.contents:
        sizes = _page_sizes(content)
        num_pages += len(sizes)
        num_pixels += sum(width * height for width, height in sizes)
        if num_pages > limits.pictures:
            raise Refusal(422, f"more than {limits.pictures} pages; send them in several requests")
        if num_pixels > limits.pixels:
            millions = limits.pixels / 1e6
            raise Refusal(
                422, f"more than {millions:g} million pixels; send fewer or smaller pictures"
            )


def _page_sizes(content: bytes) -> list[tuple[int, int]]:
    """The page sizes; empty for an unreadable picture, which is refused later with a reason."""
    try:
        return page_sizes(content)
    except ImageError:
        return []
