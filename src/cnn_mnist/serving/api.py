"""What /openapi.json says of the routes: bodies, answers, errors and an example of each."""

from typing import Any

DESCRIPTION = 'Reads handwritten digits in pictures. Errors are one line: `{"error": …}`.'

_BOX = {
    "description": "x, y, width, height in the picture's pixels",
    "type": "array",
    "items": {"type": "integer"},
    "minItems": 4,
    "maxItems": 4,
}
_DIGIT = {
    "type": "object",
    "required": ["digit", "confidence", "box"],
    "properties": {
        "digit": {"type": "integer", "minimum": 0, "maximum": 9},
        "confidence": {"type": "number", "minimum": 0, "maximum": 1},
        "box": _BOX,
        "probs": {
            "description": "of 0 to 9; with detail only",
            "type": "array",
            "items": {"type": "number"},
            "minItems": 10,
            "maxItems": 10,
        },
        "image": {
            "description": "what the network saw, 28×28 bytes in base64; with detail only",
            "type": "string",
        },
    },
}
_DIGITS = {"type": "array", "items": _DIGIT}
_NUMBER = {
    "type": "object",
    "required": ["text", "digits", "box", "confidence"],
    "properties": {
        "text": {
            "description": "as it is written, with its signs; empty in an empty cell of a grid",
            "type": "string",
        },
        "digits": {"description": "without signs", "type": "string"},
        "box": _BOX,
        "confidence": {"type": "number", "minimum": 0, "maximum": 1},
    },
}
_READING = {
    "type": "object",
    "required": [
        "path",
        "page",
        "num_pages",
        "text",
        "digits",
        "ok",
        "reason",
        "lines",
        "turned",
        "notice",
    ],
    "properties": {
        "path": {"description": "the file's name in a form", "type": ["string", "null"]},
        "page": {"description": "of the file, from 1", "type": "integer", "minimum": 1},
        "num_pages": {
            "description": "of the file; null where this and later ones cannot be read",
            "type": ["integer", "null"],
        },
        "text": {
            "description": "all digits in reading order; empty where there is none",
            "type": "string",
        },
        "digits": _DIGITS,
        "rejected": {"description": "signs that are no digits; with detail only", **_DIGITS},
        "ok": {"type": "boolean"},
        "reason": {"description": "why there is no digit", "type": ["string", "null"]},
        "lines": {
            "description": "the lines of the page, or rows of its grid, each with its numbers",
            "type": "array",
            "items": {
                "type": "object",
                "required": ["text", "numbers"],
                "properties": {
                    "text": {
                        "description": "the numbers, a space between, _ for an empty cell",
                        "type": "string",
                    },
                    "numbers": {"type": "array", "items": _NUMBER},
                },
            },
        },
        "turned": {
            "description": "degrees clockwise by which the page was turned to be read",
            "type": "integer",
            "minimum": 0,
            "maximum": 359,
        },
        "notice": {
            "description": "what else of the file was not read: frames after the first",
            "type": ["string", "null"],
        },
    },
}
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
_PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR42mP4DwABAQEAsCgVzwAAAABJRU5ErkJggg=="
)
_BINARY = {"type": "string", "format": "binary"}


def _error(meaning: str, example: str, retry: bool = False) -> dict[str, Any]:
    schema = {
        "type": "object",
        "required": ["error"],
        "properties": {"error": {"type": "string"}},
    }
    content = {"application/json": {"schema": schema, "example": {"error": example}}}
    if not retry:
        return {"description": meaning, "content": content}
    header = {"Retry-After": {"description": "seconds", "schema": {"type": "integer"}}}
    return {"description": meaning, "content": content, "headers": header}


PREDICT: dict[str, Any] = {
    "description": (
        "One picture is answered with an object; several files of a form, `images` in JSON, and a "
        "TIFF or PDF of several pages with a list in their order, where one that cannot be read "
        "has its `reason` and does not stop the others. `single`: the picture holds one digit, its "
        "parts are never read as several. "
        "`detail`: the ten probabilities of each sign and the 28×28 image that the network saw. "
        "With `Accept: text/csv` the answer is a table, a row for each line and a column for each "
        "number; where JSON would be a list, it has a head and begins with path, page and line."
    ),
    "openapi_extra": {
        "requestBody": {
            "required": True,
            "content": {
                "image/png": {"schema": _BINARY},
                "image/jpeg": {"schema": _BINARY},
                "application/octet-stream": {"schema": _BINARY},
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": ["file"],
                        "properties": {"file": {"type": "array", "items": _BINARY}},
                    }
                },
                "application/json": {
                    "schema": {
                        "oneOf": [
                            {
                                "type": "object",
                                "required": ["image"],
                                "properties": {"image": {"type": "string", "format": "byte"}},
                            },
                            {
                                "type": "object",
                                "required": ["images"],
                                "properties": {
                                    "images": {
                                        "type": "array",
                                        "items": {"type": "string", "format": "byte"},
                                    }
                                },
                            },
                        ]
                    },
                    "examples": {
                        "one": {"value": {"image": _PIXEL}},
                        "several": {"value": {"images": [_PIXEL, _PIXEL]}},
                    },
                },
            },
        }
    },
    "responses": {
        200: {
            "description": "What the pictures say",
            "content": {
                "application/json": {
                    "schema": {"anyOf": [_READING, {"type": "array", "items": _READING}]},
                    "examples": {
                        "one": {"value": _EXAMPLE},
                        "no digit": {
                            "value": _EXAMPLE
                            | {
                                "text": "",
                                "digits": [],
                                "ok": False,
                                "reason": "what is drawn does not look like a digit",
                                "lines": [],
                            }
                        },
                    },
                },
                "text/csv": {"schema": {"type": "string"}, "example": '12,"1,250",\r\n7,,3\r\n'},
            },
        },
        400: _error("The form or JSON is malformed", "the body is no JSON"),
        401: _error("The token is missing or wrong", "this needs the header Authorization"),
        408: _error("The body came too slowly", "the body did not arrive within 10 seconds"),
        413: _error("The body is too large", "the body is larger than 16,777,216 bytes"),
        415: _error("Not a picture", "not a picture that can be read"),
        422: _error("The picture is damaged or too large", "the picture is damaged"),
        503: _error("Too many requests at once", "too many requests at once", retry=True),
    },
}
CORRECT: dict[str, Any] = {
    "description": (
        "Stores what a person confirmed or corrected: for each digit a PNG of it and a JSON file "
        "with its label, as `7_….png` and `7_….json`. `label` is the number that stands in `box`, "
        "or `none` where there is no digit; without `box` it is that of all the picture. Where as "
        "many digits were read in the box as the label has, each has a pair of its own, else the "
        "whole box has one. All of a request are stored, or none."
    ),
    "openapi_extra": {
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {
                        "type": "object",
                        "required": ["image", "corrections"],
                        "properties": {
                            "image": {"type": "string", "format": "byte"},
                            "corrections": {
                                "type": "array",
                                "minItems": 1,
                                "items": {
                                    "type": "object",
                                    "required": ["label"],
                                    "properties": {
                                        "label": {"type": "string"},
                                        "box": _BOX,
                                    },
                                },
                            },
                        },
                    },
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
            },
        }
    },
    "responses": {
        201: {
            "description": "The names of the pictures that were stored",
            "content": {
                "application/json": {
                    "schema": {
                        "type": "object",
                        "required": ["stored"],
                        "properties": {"stored": {"type": "array", "items": {"type": "string"}}},
                    },
                    "example": {"stored": ["7_20260314-092653-5897f4a1.png"]},
                }
            },
        },
        **{status: PREDICT["responses"][status] for status in (400, 401, 408, 413, 415)},
        422: _error("The picture, a label or a box is wrong", "a box is not in the picture"),
        503: PREDICT["responses"][503],
        507: _error("There is no room for more", "the folder of corrections has its 100 MiB"),
    },
}
STATE: dict[str, Any] = {
    "responses": {
        200: {"description": "Yes", "content": {"application/json": {"example": {"status": "…"}}}},
        503: _error("Not yet", "the model is not loaded yet", retry=True),
    }
}
