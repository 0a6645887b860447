from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator

import pytest

from comps.core.context import request_id_var
from comps.core.logs import JsonFormatter, TextFormatter, configure_logging


@pytest.fixture
def _root_restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def _record(**extra: object) -> logging.LogRecord:
    record = logging.LogRecord("comps.tts", logging.WARNING, __file__, 1, "spoke %d words", (3,), None)
    record.__dict__.update(extra)
    return record


def test_a_json_line_has_time_level_message_request_and_fields() -> None:
    token = request_id_var.set("turn-3")
    try:
        entry = json.loads(JsonFormatter().format(_record(fields={"status": 200, "path": {1, 2}})))
    finally:
        request_id_var.reset(token)
    assert entry["time"].endswith("+00:00")
    assert (entry["level"], entry["logger"], entry["message"]) == ("warning", "comps.tts", "spoke 3 words")
    assert (entry["request_id"], entry["status"], entry["path"]) == ("turn-3", 200, "{1, 2}")


def test_a_traceback_stays_inside_its_line() -> None:
    try:
        raise ValueError("bad")
    except ValueError as error:
        record = _record(exc_info=(ValueError, error, error.__traceback__))
    line = JsonFormatter().format(record)
    assert "\n" not in line
    assert "ValueError: bad" in json.loads(line)["exception"]
    assert "request_id" not in json.loads(line)


def test_text_shows_the_fields_too() -> None:
    assert TextFormatter().format(_record(fields={"status": 200})).endswith("spoke 3 words status=200")
    assert TextFormatter().format(_record()).endswith("spoke 3 words")


@pytest.mark.usefixtures("_root_restored")
def test_configuring_replaces_handlers_and_quietens_libraries(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("debug", "json")
    configure_logging("info", "json")
    logging.getLogger("comps.test").info("once")
    logging.getLogger("comps.test").debug("never")
    logging.getLogger("httpx").info("never")
    lines = capsys.readouterr().err.splitlines()
    assert [json.loads(line)["message"] for line in lines] == ["once"]
    configure_logging("warning", "text")
    logging.getLogger("comps.test").warning("plain")
    assert "WARNING comps.test: plain" in capsys.readouterr().err


@pytest.mark.usefixtures("_root_restored")
def test_a_request_cut_off_by_shutting_down_leaves_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "text")
    server = logging.getLogger("uvicorn.error")
    for error in (asyncio.CancelledError("shutting down"), ValueError("a fault")):
        server.error("Exception in ASGI application", exc_info=error)
    shown = capsys.readouterr().err
    assert "CancelledError" not in shown
    assert shown.count("Exception in ASGI application") == 1
    assert "ValueError: a fault" in shown
