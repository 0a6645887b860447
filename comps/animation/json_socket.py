"""A WebSocket that speaks JSON and bytes, with patience for slow clients and the one error shape."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import anyio
import orjson
from fastapi import WebSocket, WebSocketDisconnect

from comps.core.error_shape import error_body
from comps.core.errors import AvatarError, BadRequestError

logger = logging.getLogger(__name__)

SEND_TIMEOUT_S = 60.0
"""Seconds a client may leave a message unread."""
_NORMAL, _BAD, _FAILED, _BUSY = 1000, 1008, 1011, 1013

Text = dict[str, Any]


class LeftError(Exception):
    """The client cancelled, closed, or stopped reading."""


class JsonSocket:
    """One client. `service` is the name that errors carry; a silent client is let go after `idle_s` seconds."""

    def __init__(self, socket: WebSocket, service: str, idle_s: float) -> None:
        self._socket = socket
        self._service = service
        self._idle_s = idle_s

    async def serve(self, converse: Callable[[], Awaitable[None]]) -> None:
        """Accept, run the conversation, and close with a code that says how it ended."""
        await self._socket.accept()
        try:
            await converse()
        except (WebSocketDisconnect, LeftError):
            await self._close(_NORMAL)
        except AvatarError as error:
            await self._fail(error, _BUSY if error.status == 429 else _BAD)
        except Exception:  # session boundary: the client gets the one error shape, the log the trace
            logger.exception("a session failed")
            await self._fail(AvatarError("the session failed; the log says why"), _FAILED)
        else:
            await self._close(_NORMAL)

    async def receive(self, *, forever: bool = False) -> Any:
        """The next message; raises WebSocketDisconnect, or BadRequestError when the client keeps silent."""
        with anyio.move_on_after(None if forever else self._idle_s):
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(message.get("code", _NORMAL))
            return message
        raise BadRequestError(f"the client sent nothing for {self._idle_s:g} s; the session is closed")

    async def say(self, message: Text) -> None:
        """Send JSON."""
        await self.say_json(orjson.dumps(message))

    async def say_json(self, message: bytes) -> None:
        """Send JSON that is written already."""
        with _patience():
            await self._socket.send_text(message.decode())

    async def send(self, message: bytes) -> None:
        """Send bytes."""
        with _patience():
            await self._socket.send_bytes(message)

    async def _fail(self, error: AvatarError, code: int) -> None:
        try:
            await self.say({"type": "error", **error_body(error, self._service)})
        except (WebSocketDisconnect, RuntimeError, LeftError):
            return
        await self._close(code)

    async def _close(self, code: int) -> None:
        try:
            await self._socket.close(code)
        except (WebSocketDisconnect, RuntimeError):
            logger.debug("the client had already closed the session")


async def beside(listening: Coroutine[Any, Any, None], work: Coroutine[Any, Any, None]) -> None:
    """Run both until `work` ends or either fails, which ends the other and is raised."""
    failures: list[Exception] = []
    async with anyio.create_task_group() as tasks:

        async def run(part: Coroutine[Any, Any, None]) -> None:
            try:
                await part
            except (AvatarError, WebSocketDisconnect, LeftError) as error:
                failures.append(error)
            tasks.cancel_scope.cancel()

        tasks.start_soon(run, listening)
        await run(work)
    if failures:
        raise failures[0]


def binary(message: Any) -> bytes | None:
    """The bytes of a binary message, None for a text."""
    data = message.get("bytes")
    return data if isinstance(data, bytes) else None


def text(message: Any) -> Text:
    """The object of a text message; raises BadRequestError for anything else."""
    if message.get("text") is None:
        raise BadRequestError('the session begins with a text message {"type": "start", ...}')
    try:
        document = orjson.loads(message["text"])
    except orjson.JSONDecodeError as error:
        raise BadRequestError("a text message is a JSON object") from error
    if not isinstance(document, dict):
        raise BadRequestError("a text message is a JSON object")
    return document


@contextmanager
def _patience() -> Iterator[None]:
    """Bounds one send; a client that leaves it unread for `SEND_TIMEOUT_S` counts as one that has left."""
    try:
        with anyio.fail_after(SEND_TIMEOUT_S):
            yield
    except TimeoutError as error:
        raise LeftError from error
