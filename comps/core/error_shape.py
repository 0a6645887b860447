"""Errors as they travel: to the one JSON shape, and back from what an upstream sent."""

from __future__ import annotations

import errno
import math
from typing import Any

import orjson

from comps.core.context import request_id as current_request_id
from comps.core.errors import (
    AvatarError,
    BadRequestError,
    BusyError,
    EngineUnavailableError,
    FaceError,
    MethodNotAllowedError,
    NoSpeechError,
    NotFoundError,
    NotReadyError,
    StorageFullError,
    TooLargeError,
    UnknownChoiceError,
    UnprocessableError,
    UnsupportedMediaError,
    UpstreamError,
    UpstreamTimeoutError,
)

EXCERPT_BYTES = 200
_MESSAGE_CHARS = 2000

_BY_STATUS: dict[int, type[AvatarError]] = {
    error.status: error
    for error in (
        BadRequestError,
        NotFoundError,
        MethodNotAllowedError,
        TooLargeError,
        UnsupportedMediaError,
        UnprocessableError,
        BusyError,
    )
}
_PASSED_ON = {kind.status for kind in _BY_STATUS.values()} - {MethodNotAllowedError.status}
_BY_CODE: dict[str, type[AvatarError]] = {
    error.code: error
    for error in (
        UnknownChoiceError,
        NoSpeechError,
        FaceError,
        EngineUnavailableError,
        NotReadyError,
        StorageFullError,
    )
}


def public_error(error: BaseException) -> AvatarError:
    """What a client may know of `error`: an `AvatarError` as it is, that a disk is full, else that something failed."""
    if isinstance(error, AvatarError):
        return error
    if is_disk_full(error):
        return StorageFullError("the disk is full: make room on the machine of this service, then try again")
    return AvatarError("internal error; the log of the service says more")


def is_disk_full(error: BaseException) -> bool:
    """Whether the system refused to write because there is no room, or none left for this user."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def error_body(error: BaseException, service: str, request_id: str = "") -> dict[str, Any]:
    """The public JSON shape of `public_error(error)`.

    `service` is used when the error names none, and shown as ``node`` too; `request_id` defaults to that of the
    request being served.
    """
    shown = public_error(error)
    name = shown.service or service
    return {
        "error": {
            "code": shown.code,
            "message": shown.message,
            "service": name,
            "node": name,
            "param": shown.param,
            "retryable": shown.retryable,
            "request_id": request_id or current_request_id(),
        }
    }


def error_headers(error: AvatarError) -> dict[str, str]:
    """HTTP headers an error is sent with: ``Retry-After`` in whole seconds when a retry may work."""
    if error.retry_after_s is not None:
        return {"Retry-After": str(math.ceil(error.retry_after_s))}
    return {"Retry-After": "1"} if isinstance(error, BusyError | NotReadyError) else {}


def framework_error(status: int, message: str) -> AvatarError:
    """The error for a status chosen by the web framework (404, 405, 400 of a broken multipart body...)."""
    if status in _BY_STATUS:
        return _BY_STATUS[status](message)
    return BadRequestError(message) if 400 <= status < 500 else AvatarError(message)


def error_from_body(body: dict[str, Any], service: str) -> AvatarError:
    """The error in a message ``{"error": {...}}`` of a stream or a WebSocket of `service`."""
    detail = _detail(body)
    known = next((e for e in _tree(AvatarError) if e.code == detail.get("code")), UpstreamError)
    return _build(known, detail, service, _message(body) or f"{service} failed and did not say why")


def error_from_response(
    status: int, body: bytes, content_type: str, service: str, *, retry_after_s: float | None = None
) -> AvatarError:
    """What a failed response of `service` means to our own client.

    400, 404, 413, 415, 422 and 429 pass with their status and message; 408 and 504 are
    `UpstreamTimeoutError`; a 503 or 507 in our own shape stays one; everything else is an `UpstreamError`
    that quotes at most 200 printable bytes of the body.
    """
    parsed = _json_object(body) if "json" in content_type else {}
    detail, message = _detail(parsed), _message(parsed)
    if status in (408, 504):
        return _build(UpstreamTimeoutError, detail, service, message or f"{service} did not answer in time")
    kind = _BY_CODE.get(str(detail.get("code")))
    if kind is None or kind.status != status:
        kind = _BY_STATUS.get(status) if status in _PASSED_ON else None
    if kind is BusyError:  # proxies and load balancers send it without a word
        message = message or f"{service} is busy"
    if kind is None or not message:
        return UpstreamError(_refusal(status, body, message, service), service=_named(detail, service))
    error = _build(kind, detail, service, message)
    error.retry_after_s = retry_after_s
    return error


def excerpt(body: bytes) -> str:
    """At most 200 bytes of `body` as one line of printable text."""
    text = body[:EXCERPT_BYTES].decode("utf-8", "replace")
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _refusal(status: int, body: bytes, message: str, service: str) -> str:
    said = message or excerpt(body)
    return f"{service} answered with status {status}" + (f": {said}" if said else "")


def _build(kind: type[AvatarError], detail: dict[str, Any], service: str, message: str) -> AvatarError:
    param = detail.get("param")
    return kind(message, service=_named(detail, service), param=param if isinstance(param, str) else None)


def _named(detail: dict[str, Any], service: str) -> str:
    name = detail.get("service")
    return name if isinstance(name, str) and name else service


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _detail(body: dict[str, Any]) -> dict[str, Any]:
    detail = body.get("error")
    return detail if isinstance(detail, dict) else {}


def _message(body: dict[str, Any]) -> str:
    """The sentence in our shape, OpenAI's (``error.message``), Ollama's (``error``) or FastAPI's (``detail``)."""
    said = _detail(body).get("message") or body.get("error") or body.get("message") or body.get("detail")
    if isinstance(said, list) and said and isinstance(said[0], dict):
        said = said[0].get("msg")
    return said[:_MESSAGE_CHARS] if isinstance(said, str) else ""


def _tree(root: type[AvatarError]) -> list[type[AvatarError]]:
    return [root, *(leaf for child in root.__subclasses__() for leaf in _tree(child))]
