"""The log: one JSON object per line. It never contains a picture's content or name."""

import json
import logging
import time
from typing import Any

FIELDS = ("method", "route", "status", "ms", "bytes", "client")  # of a request


class JsonFormatter(logging.Formatter):
    """A record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """A record as one line of JSON."""
        values = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            + f".{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            "pid": record.process,
        }
        values |= {k: v for k, v in vars(record).items() if k in FIELDS}
        if record.exc_info:
            values["error"] = self.formatException(record.exc_info)
        return json.dumps(values)


def log_config(level: str) -> dict[str, Any]:
    """The configuration of Python's logging: everything from `level` up, on standard error."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": JsonFormatter}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {"uvicorn": {"level": level}},
    }
