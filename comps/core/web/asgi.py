"""Errors sent straight from ASGI middleware, over HTTP or a WebSocket, before a response has started."""

from __future__ import annotations

import orjson
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from comps.core.error_shape import error_body, error_headers, public_error


class Sent:
    """A `send` that remembers what has been sent: `status` (0 before the start) and `complete`."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0
        self.complete = False

    async def __call__(self, message: Message) -> None:
        """Send on and note the message."""
        if message["type"] in ("http.response.start", "websocket.http.response.start"):
            self.status = message["status"]
        elif message["type"] == "websocket.accept":
            self.status = 101
        elif message["type"] == "websocket.close":
            self.status = self.status or 403
            self.complete = True
        elif message["type"] == "http.response.body" and not message.get("more_body", False):
            self.complete = True
        await self._send(message)


def error_response(error: BaseException, service: str) -> Response:
    """The response for `error` to the request being served."""
    known = public_error(error)
    return Response(
        orjson.dumps(error_body(known, service)),
        status_code=known.status,
        headers=error_headers(known),
        media_type="application/json",
    )


async def send_error(error: BaseException, service: str, scope: Scope, receive: Receive, send: Sent) -> None:
    """Answer with `error`: an HTTP response, a refused handshake, or a last message on an open WebSocket."""
    if send.complete:
        return
    if scope["type"] == "http":
        await error_response(error, service)(scope, receive, send)
    elif send.status == 101:
        text = orjson.dumps({"type": "error", **error_body(error, service)}).decode()
        await send({"type": "websocket.send", "text": text})
        await send({"type": "websocket.close", "code": 1011, "reason": ""})
    elif "websocket.http.response" in scope.get("extensions", {}):
        await error_response(error, service)(scope, receive, send)
    else:
        await send({"type": "websocket.close", "code": 1013, "reason": ""})
