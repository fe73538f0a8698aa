"""The OpenAPI description of the routes: request bodies, responses, errors and examples."""

from collections.abc import Iterable
from typing import Annotated, Any

from fastapi import Query

Schema = dict[str, Any]

DESCRIPTION = (
    'Reads handwritten digits in pictures. Errors are one line of JSON: `{"error": …}`. If the '
    "server was started with a token, `/v1/` needs the header `Authorization: Bearer TOKEN`."
)


def _object(properties: Schema, optional: Iterable[str] = ()) -> Schema:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "required": required, "properties": properties}


def _array(items: Schema, **limits: Any) -> Schema:
    return {"type": "array", "items": items, **limits}


def _string(meaning: str) -> Schema:
    return {"description": meaning, "type": "string"}


def _answer(meaning: str, schema: Schema, example: Any) -> Schema:
    """A response in JSON."""
    content = {"application/json": {"schema": schema, "example": example}}
    return {"description": meaning, "content": content}


def _error(meaning: str, example: str) -> Schema:
    return _answer(meaning, _object({"error": {"type": "string"}}), {"error": example})


def _busy(meaning: str, example: str) -> Schema:
    header = {"Retry-After": {"description": "seconds", "schema": {"type": "integer"}}}
    return {**_error(meaning, example), "headers": header}


def _body(content: Schema) -> Schema:
    return {"requestBody": {"required": True, "content": content}}


_BOX = {
    "description": "x, y, width, height in the picture's pixels",
    **_array({"type": "integer"}, minItems=4, maxItems=4),
}
_SHARE = {"type": "number", "minimum": 0, "maximum": 1}
_DIGIT = _object(
    {
        "digit": {"type": "integer", "minimum": 0, "maximum": 9},
        "confidence": _SHARE,
        "box": _BOX,
        "probs": {
            "description": "one for each digit 0 to 9; only with detail",
            **_array({"type": "number"}, minItems=10, maxItems=10),
        },
        "image": _string("what the network saw: 28×28 bytes in base64; only with detail"),
    },
    optional=("probs", "image"),
)
_DIGITS = _array(_DIGIT)
_NUMBER = _object(
    {
        "text": _string("the number as written, with its signs; empty for an empty grid cell"),
        "digits": _string("without signs"),
        "box": _BOX,
        "confidence": _SHARE,
    }
)
_LINE = _object(
    {
        "text": _string("the numbers, separated by spaces; _ marks an empty cell"),
        "numbers": _array(_NUMBER),
    }
)
_READING = _object(
    {
        "path": {"description": "the file name in a form upload", "type": ["string", "null"]},
        "page": {"description": "page number in the file, from 1", "type": "integer", "minimum": 1},
        "num_pages": {
            "description": "pages in the file; null if this and later pages cannot be read",
            "type": ["integer", "null"],
        },
        "text": _string("all digits in reading order; empty if there are none"),
        "digits": _DIGITS,
        "rejected": {"description": "signs that are not digits; only with detail", **_DIGITS},
        "ok": {"type": "boolean"},
        "reason": {"description": "why no digit was found", "type": ["string", "null"]},
        "lines": {
            "description": "the lines of the page, or rows of its grid, each with its numbers",
            **_array(_LINE),
        },
        "turned": {
            "description": "degrees clockwise by which the page was rotated before reading",
            "type": "integer",
            "minimum": 0,
            "maximum": 359,
        },
        "notice": {
            "description": "which part of the file was not read, such as frames after the first",
            "type": ["string", "null"],
        },
    },
    optional=("rejected",),
)
_EXAMPLE = {
    "path": None,
    "page": 1,
    "num_pages": 1,
    "text": "42",
    "digits": [
        {"digit": 4, "confidence": 0.9981, "box": [60, 41, 80, 118]},
        {"digit": 2, "confidence": 0.9973, "box": [170, 44, 77, 113]},
    ],
    "ok": True,
    "reason": None,
    "lines": [
        {
            "text": "42",
            "numbers": [
                {"text": "42", "digits": "42", "box": [60, 41, 187, 118], "confidence": 0.9954}
            ],
        }
    ],
    "turned": 0,
    "notice": None,
}
_NO_DIGIT = {
    "text": "",
    "digits": [],
    "ok": False,
    "reason": "what is drawn does not look like a digit",
    "lines": [],
}
_PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR42mP4DwABAQEAsCgVzwAAAABJRU5ErkJggg=="
)
_FILE = {"schema": {"type": "string", "format": "binary"}}
_BASE64 = {"type": "string", "format": "byte"}

Single = Annotated[
    bool,
    Query(description="the picture holds one digit; its parts are never read as several digits"),
]
Detail = Annotated[
    bool,
    Query(
        description="add the ten probabilities of each sign, and the 28×28 image that the network "
        "saw; also list the signs that are not digits"
    ),
]
PREDICT: Schema = {
    "description": (
        "A single picture returns an object. Several files in a form, `images` in JSON, or a TIFF "
        "or PDF with several pages return a list in the same order; a picture that cannot be read "
        "gets a `reason` and does not stop the others, unless it is not valid base64. With "
        "`Accept: text/csv` the response is a table with one row per line and one column per "
        "number; where JSON would be a list, it has a header and starts with path, page and line."
    ),
    "openapi_extra": _body(
        {
            "image/png": _FILE,
            "image/jpeg": _FILE,
            "application/octet-stream": _FILE,
            "multipart/form-data": {"schema": _object({"file": _array(_FILE["schema"])})},
            "application/json": {
                "schema": {
                    "oneOf": [_object({"image": _BASE64}), _object({"images": _array(_BASE64)})]
                },
                "examples": {
                    "one": {"value": {"image": _PIXEL}},
                    "several": {"value": {"images": [_PIXEL, _PIXEL]}},
                },
            },
        }
    ),
    "responses": {
        200: {
            "description": "The digits that were read",
            "content": {
                "application/json": {
                    "schema": {"anyOf": [_READING, _array(_READING)]},
                    "examples": {
                        "one": {"value": _EXAMPLE},
                        "no digit": {"value": _EXAMPLE | _NO_DIGIT},
                    },
                },
                "text/csv": {"schema": {"type": "string"}, "example": '12,"1,250",\r\n7,,3\r\n'},
            },
        },
        400: _error("The form or JSON is malformed", "the body is not valid JSON"),
        401: _error("The token is missing or wrong", "this request needs the header Authorization"),
        408: _error("The body arrived too slowly", "the body did not arrive within 10 seconds"),
        413: _error("The body is too large", "the body is larger than 16,777,216 bytes"),
        415: _error("Not a picture, or of another format", "not a picture in a supported format"),
        422: _error("The picture is damaged or too large", "the picture is damaged"),
        503: _busy("Too many requests at once", "too many requests at once"),
    },
}
_CORRECTION = _object({"label": {"type": "string"}, "box": _BOX}, optional=("box",))
CORRECT: Schema = {
    "description": (
        "Stores what a person confirmed or corrected: for each digit a PNG and a JSON file with "
        "its label, such as `7_….png` and `7_….json`. `label` is the number in `box`, or `none` if "
        "there is no digit; without `box` it applies to the whole picture. If as many digits were "
        "read in the box as the label has, each digit gets its own pair of files; otherwise the "
        "whole box gets one. Either all corrections of a request are stored, or none."
    ),
    "openapi_extra": _body(
        {
            "application/json": {
                "schema": _object(
                    {"image": _BASE64, "corrections": _array(_CORRECTION, minItems=1)}
                ),
                "examples": {
                    "one": {"value": {"image": _PIXEL, "corrections": [{"label": "none"}]}},
                    "in a box": {
                        "value": {
                            "image": _PIXEL,
                            "corrections": [{"label": "7", "box": [0, 0, 1, 1]}],
                        }
                    },
                },
            }
        }
    ),
    "responses": {
        201: _answer(
            "The file names of the stored pictures",
            _object({"stored": _array({"type": "string"})}),
            {"stored": ["7_20260314-092653-5897f4a1.png"]},
        ),
        **{status: PREDICT["responses"][status] for status in (400, 401, 408, 413, 415)},
        422: _error("The picture, a label or a box is invalid", "a box lies outside the picture"),
        503: PREDICT["responses"][503],
        507: _error("There is no room for more", "the corrections folder is full (100 MiB)"),
    },
}
_STATUS = _object({"status": {"type": "string"}})
ALIVE: Schema = {
    "responses": {200: _answer("The process is alive", _STATUS, {"status": "alive"})},
}
READY: Schema = {
    "responses": {
        200: _answer("The model is loaded", _STATUS, {"status": "ready"}),
        503: _busy("Not ready yet", "the model is not loaded yet"),
    }
}
