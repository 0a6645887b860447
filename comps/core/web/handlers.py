"""Exception handlers that turn every failure of a route into the one error shape."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import Response

from comps.core.error_shape import framework_error
from comps.core.errors import AvatarError, BadRequestError
from comps.core.web.asgi import error_response
from comps.core.web.problems import refusal

Handler = Callable[[Request, Exception], Awaitable[Response]]


def install_handlers(app: FastAPI, service: str) -> None:
    """Handle `AvatarError`, request validation and framework errors (404, 405, broken multipart)."""

    async def on_avatar_error(connection: HTTPConnection, error: Exception) -> Response:
        if connection.scope["type"] == "websocket":
            raise error  # the outermost middleware knows how far the WebSocket has got
        return error_response(error, service)

    async def on_validation_error(request: Request, error: Exception) -> Response:
        return error_response(validation_error(request, cast("RequestValidationError", error).errors()), service)

    async def on_http_error(request: Request, error: Exception) -> Response:
        return _framework_response(cast("HTTPException", error), request, service)

    app.add_exception_handler(AvatarError, on_avatar_error)
    app.add_exception_handler(RequestValidationError, on_validation_error)
    app.add_exception_handler(HTTPException, on_http_error)


def _framework_response(error: HTTPException, request: Request, service: str) -> Response:
    message = str(error.detail)
    if error.status_code in (404, 405):
        message = f"{request.method} {request.url.path[:200]}: {message.lower()}"
    response = error_response(framework_error(error.status_code, message), service)
    response.status_code = error.status_code
    response.headers.update(error.headers or {})
    return response


def validation_error(request: Request, problems: Sequence[Any]) -> AvatarError:
    """400 when there is no body or it is not JSON at all, else 422 naming the fields at fault."""
    first: dict[str, Any] = problems[0] if problems else {"loc": (), "msg": "invalid request", "type": ""}
    if first["type"] == "json_invalid":
        return BadRequestError(
            f"the body is not valid JSON: {first.get('ctx', {}).get('error', 'it cannot be parsed')}"
        )
    if _body_is_empty(request, first):
        return BadRequestError("the body is empty")
    if tuple(first["loc"]) == ("body",) and isinstance(first.get("input"), bytes):
        return BadRequestError("the body is not JSON; send it with Content-Type: application/json")
    return refusal(problems)


def _body_is_empty(request: Request, first: Any) -> bool:
    if first["type"] != "missing" or first["loc"][:1] != ("body",):
        return False
    chunked = "transfer-encoding" in request.headers
    return tuple(first["loc"]) == ("body",) or (request.headers.get("content-length", "0") == "0" and not chunked)
