"""Log lines: one JSON object each, with the request's id, or plain text for a terminal."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timezone
from typing import Literal

import orjson

from comps.core.context import request_id


class JsonFormatter(logging.Formatter):
    """One JSON object per record; a dict passed as ``extra={"fields": {...}}`` joins its keys."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line of JSON."""
        fields = getattr(record, "fields", {})
        entry = {
            "time": datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **({"request_id": request_id()} if request_id() else {}),
            **(fields if isinstance(fields, dict) else {}),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(entry, default=str).decode()


class TextFormatter(logging.Formatter):
    """Time, level, logger, message and fields, for people."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s", datefmt="%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        """The record as text; an exception follows on lines of its own."""
        fields = getattr(record, "fields", {})
        shown = " ".join(f"{key}={value}" for key, value in fields.items()) if isinstance(fields, dict) else ""
        line = super().format(record)
        return f"{line} {shown}" if shown else line


class _CutOffQuietly(logging.Filter):
    """Drops uvicorn's traceback of a request that shutting down has cut off; the line before it says that it does."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether `record` is anything else."""
        return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))


_CUT_OFF_QUIETLY = _CutOffQuietly()


def configure_logging(level: str = "info", form: Literal["json", "text"] = "json") -> None:
    """Send all logging of the process to stderr in one format; libraries that chat are quietened."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    for name in ("httpx", "httpcore", "websockets", "multipart"):
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    logging.getLogger("uvicorn.error").addFilter(_CUT_OFF_QUIETLY)
