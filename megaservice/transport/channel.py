"""One WebSocket as seen by a client, over a socket or straight into an ASGI app."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Protocol

import anyio
from starlette.types import ASGIApp, Message, Scope
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from comps.core.error_shape import error_from_response
from comps.core.errors import UpstreamError, UpstreamTimeoutError
from megaservice.tasks import end_tasks

MAX_MESSAGE_BYTES = 64 * 1024 * 1024
MESSAGES_AHEAD = 16
OPEN_TIMEOUT_S = 5.0
CLOSE_TIMEOUT_S = 2.0

logger = logging.getLogger(__name__)


class ChannelClosedError(Exception):
    """The other side closed, or the connection broke."""


class Channel(Protocol):
    """Text messages are `str`, binary ones `bytes`."""

    async def send(self, message: str | bytes) -> None:
        """Send one message, waiting while the other side does not read. Raises ChannelClosedError."""

    async def receive(self) -> str | bytes:
        """The next message. Raises ChannelClosedError when there will be none."""


@asynccontextmanager
async def open_socket(url: str, service: str, headers: Mapping[str, str]) -> AsyncIterator[Channel]:
    """A WebSocket to `url` (``ws://`` or ``wss://``), closed on leaving.

    Raises:
        UpstreamError: refused, or what answers is no WebSocket; a refusal in the one error shape is passed on.
        UpstreamTimeoutError: no answer within `OPEN_TIMEOUT_S`.
    """
    connection = await _connect(url, service, headers)
    try:
        yield _Socket(connection)
    finally:
        with anyio.CancelScope(shield=True):
            await connection.close()


async def _connect(url: str, service: str, headers: Mapping[str, str]) -> ClientConnection:
    local = url.partition("://")[2].startswith(("127.", "localhost", "[::1]"))
    try:
        return await connect(
            url,
            additional_headers=dict(headers),
            compression=None,  # PCM and video do not shrink, and deflate costs time per message
            proxy=None if local else True,
            open_timeout=OPEN_TIMEOUT_S,
            close_timeout=CLOSE_TIMEOUT_S,
            max_size=MAX_MESSAGE_BYTES,
            max_queue=MESSAGES_AHEAD,
        )
    except InvalidStatus as error:
        response = error.response
        kind = response.headers.get("Content-Type", "")
        raise error_from_response(response.status_code, bytes(response.body or b""), kind, service) from error
    except TimeoutError as error:
        raise _not_opened(service) from error
    except (OSError, InvalidHandshake, EOFError) as error:
        raise UpstreamError(f"{service} cannot be reached ({type(error).__name__})", service=service) from error


def _not_opened(service: str) -> UpstreamTimeoutError:
    return UpstreamTimeoutError(f"{service} did not open a session in {OPEN_TIMEOUT_S:g} s", service=service)


class _Socket:
    """`Channel` over a connection of the websockets library."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def send(self, message: str | bytes) -> None:
        try:
            await self._connection.send(message)
        except ConnectionClosed as error:
            raise ChannelClosedError(str(error)) from error

    async def receive(self) -> str | bytes:
        try:
            return await self._connection.recv()
        except ConnectionClosed as error:
            raise ChannelClosedError(str(error)) from error


@asynccontextmanager
async def open_in_process(app: ASGIApp, path: str, service: str, headers: Mapping[str, str]) -> AsyncIterator[Channel]:
    """A WebSocket into `app`; leaving sends it a disconnect and ends its task. Errors as `open_socket`."""
    session = _Session(websocket_scope(path, headers), service)
    task = asyncio.create_task(session.run(app))
    try:
        await session.accepted()
        yield session
    finally:
        with anyio.CancelScope(shield=True):
            await session.finish(task)


class _Session:
    """`Channel` made of two bounded queues, one each way."""

    def __init__(self, scope: Scope, service: str) -> None:
        self._scope = scope
        self._service = service
        self._to_app, self._from_client = anyio.create_memory_object_stream[Message](MESSAGES_AHEAD)
        self._to_client, self._from_app = anyio.create_memory_object_stream[str | bytes](MESSAGES_AHEAD)
        self._handshake: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._refusal: Message | None = None
        self._connected = False

    async def run(self, app: ASGIApp) -> None:
        try:
            await app(self._scope, self._receive, self._send)
        except Exception:  # task boundary: as over a network, the caller sees the session end
            logger.exception("the app broke while serving %s", self._scope["path"])
        finally:
            self._to_client.close()
            self._refuse(403, b"", "")

    async def accepted(self) -> None:
        try:
            with anyio.fail_after(OPEN_TIMEOUT_S):
                await asyncio.shield(self._handshake)
        except TimeoutError as error:
            raise _not_opened(self._service) from error

    async def send(self, message: str | bytes) -> None:
        kind = "text" if isinstance(message, str) else "bytes"
        try:
            await self._to_app.send({"type": "websocket.receive", kind: message})
        except (anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
            raise ChannelClosedError("the session is over") from error

    async def receive(self) -> str | bytes:
        try:
            return await self._from_app.receive()
        except (anyio.EndOfStream, anyio.ClosedResourceError) as error:
            raise ChannelClosedError("the session is over") from error

    async def finish(self, task: asyncio.Task[None]) -> None:
        """Disconnect, and cancel the app if it takes longer than `CLOSE_TIMEOUT_S` to notice."""
        self._to_app.close()
        self._from_app.close()
        try:
            await asyncio.wait({task}, timeout=CLOSE_TIMEOUT_S)
            await end_tasks([task])
        finally:
            self._from_client.close()
            self._to_client.close()

    async def _receive(self) -> Message:
        if not self._connected:
            self._connected = True
            return {"type": "websocket.connect"}
        try:
            return await self._from_client.receive()
        except (anyio.EndOfStream, anyio.ClosedResourceError):
            return {"type": "websocket.disconnect", "code": 1005, "reason": ""}

    async def _send(self, message: Message) -> None:
        kind = message["type"]
        if kind == "websocket.accept":
            self._settle()
        elif kind == "websocket.send":
            text = message.get("text")
            await self._deliver(message["bytes"] if text is None else text)
        elif kind == "websocket.http.response.start":
            self._refusal = message
        elif kind == "websocket.http.response.body" and self._refusal is not None:
            headers = {name.decode().lower(): value.decode() for name, value in self._refusal.get("headers", [])}
            self._refuse(self._refusal["status"], message.get("body", b""), headers.get("content-type", ""))
        elif kind == "websocket.close":
            self._refuse(403, b"", "")
            self._to_client.close()
            self._from_client.close()

    async def _deliver(self, message: str | bytes) -> None:
        try:
            await self._to_client.send(message)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            return  # nobody reads any more: the app finds out by the disconnect

    def _settle(self) -> None:
        if not self._handshake.done():
            self._handshake.set_result(None)

    def _refuse(self, status: int, body: bytes, content_type: str) -> None:
        if not self._handshake.done():
            self._handshake.set_exception(error_from_response(status, body, content_type, self._service))
            self._handshake.exception()  # read here, as the caller may have gone


def websocket_scope(path: str, headers: Mapping[str, str]) -> Scope:
    """The ASGI scope of a handshake."""
    route, _, query = path.partition("?")
    return {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "scheme": "ws",
        "path": route,
        "raw_path": route.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 0),
        "server": ("in-process", 80),
        "subprotocols": [],
        "state": {},
        "extensions": {"websocket.http.response": {}},
    }
