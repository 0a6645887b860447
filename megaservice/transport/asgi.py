"""HTTP to an ASGI app in this process, streamed both ways.

Unlike a transport that collects the response, the first piece is there as soon as the app has sent
it, a bounded queue holds the app back when nobody reads, and closing the response early reaches the
app as a disconnect.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import anyio
import httpx
from anyio.streams.memory import MemoryObjectReceiveStream
from starlette.types import ASGIApp, Message, Scope

from megaservice.tasks import end_tasks

PIECES_AHEAD = 8
"""Pieces of a response body that wait for a slow reader."""

_NOTICE_S = 0.05

logger = logging.getLogger(__name__)


class AsgiTransport(httpx.AsyncBaseTransport):
    """Serves each request by a task that runs `app`; `aclose` cancels what still runs and waits for it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._tasks: set[asyncio.Task[None]] = set()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The app's response, its body still to come.

        Raises:
            httpx.RemoteProtocolError: the app ended or broke before it began to respond.
        """
        exchange = _Exchange(request)
        task = asyncio.create_task(exchange.run(self._app))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            return await exchange.response(request)
        except BaseException:
            exchange.disconnect()
            raise

    async def aclose(self) -> None:
        """Stop every exchange."""
        await end_tasks(list(self._tasks))


class _Exchange:
    """One request and its response."""

    def __init__(self, request: httpx.Request) -> None:
        self._scope = http_scope(request)
        stream = request.stream
        assert isinstance(stream, httpx.AsyncByteStream)  # httpx gives async clients nothing else
        self._request_body: AsyncIterator[bytes] | None = stream.__aiter__()
        self._started: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._gone = asyncio.Event()
        self._pieces, self._body = anyio.create_memory_object_stream[bytes](PIECES_AHEAD)
        self._complete = False

    async def run(self, app: ASGIApp) -> None:
        try:
            await app(self._scope, self._receive, self._send)
        except Exception:  # task boundary: as over a network, the caller sees a broken response
            if not self._gone.is_set():
                logger.exception("the app broke while serving %s", self._scope["path"])
        finally:
            self._pieces.close()
            if not self._started.done():
                self._started.set_exception(httpx.RemoteProtocolError("the app sent no response"))
                self._started.exception()  # read here, as the caller may have gone

    async def response(self, request: httpx.Request) -> httpx.Response:
        start = await asyncio.shield(self._started)
        body = _Body(self, self._body)
        return httpx.Response(start["status"], headers=start.get("headers", []), stream=body, request=request)

    def disconnect(self) -> None:
        self._gone.set()
        self._body.close()

    @property
    def complete(self) -> bool:
        return self._complete

    async def _receive(self) -> Message:
        if self._request_body is not None:
            async for piece in self._request_body:
                return {"type": "http.request", "body": piece, "more_body": True}
            self._request_body = None
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            if not self._started.done():
                self._started.set_result(message)
        elif message["type"] == "http.response.body":
            await self._send_body(message.get("body", b""), more=message.get("more_body", False))

    async def _send_body(self, piece: bytes, *, more: bool) -> None:
        try:
            if piece:
                await self._pieces.send(piece)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            # Nobody reads any more. An app that heeds the disconnect is gone by then; any other is told.
            await asyncio.sleep(_NOTICE_S)
            raise OSError("the client has left") from None
        if not more:
            self._complete = True
            self._pieces.close()
            self._gone.set()


class _Body(httpx.AsyncByteStream):
    """The response body as httpx reads it."""

    def __init__(self, exchange: _Exchange, pieces: MemoryObjectReceiveStream[bytes]) -> None:
        self._exchange = exchange
        self._pieces = pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._pieces:
            yield piece
        if not self._exchange.complete:
            raise httpx.RemoteProtocolError("the app broke off in the middle of its response")

    async def aclose(self) -> None:
        self._exchange.disconnect()


def http_scope(request: httpx.Request) -> Scope:
    """The ASGI scope of an httpx request."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": request.url.scheme,
        "path": request.url.path,
        "raw_path": request.url.raw_path.partition(b"?")[0],
        "query_string": request.url.query,
        "root_path": "",
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "client": ("127.0.0.1", 0),
        "server": (request.url.host, request.url.port or 80),
        "state": {},
    }
