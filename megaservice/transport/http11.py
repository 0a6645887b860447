"""HTTP/1.1 over pooled keep-alive connections, as an httpx transport with little work per request.

For plain ``http://`` without proxies, which is what services on one machine or in one cluster speak.
httpx's own transport parses in pure Python and costs several times the CPU per call; here the parser
is httptools', and a request is one write.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Coroutine
from typing import Any, TypeVar, cast

import httptools
import httpx

IDLE_S = 20.0
"""Idle connections older than this are not used again; below the 30 s after which our servers close them."""
BUFFER_BYTES = 256 * 1024
"""Unread body bytes at which a connection stops reading."""

_Address = tuple[str, int]
ResultT = TypeVar("ResultT")


class Http11Transport(httpx.AsyncBaseTransport):
    """A pool of connections by address.

    Args:
        max_connections: requests under way at once; more wait for their turn.
    """

    def __init__(self, max_connections: int = 256) -> None:
        self._idle: dict[_Address, list[_Connection]] = {}
        self._turns = asyncio.Semaphore(max_connections)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send `request`; the response's body is read as it is asked for.

        Raises:
            httpx.UnsupportedProtocol: the URL is not ``http://``.
            httpx.ConnectError: the address cannot be reached.
            httpx.TimeoutException: a time-out of the request passed.
            httpx.RemoteProtocolError: what came is not HTTP, or broke off.
        """
        if request.url.scheme != "http":
            raise httpx.UnsupportedProtocol(f"this transport speaks http, not '{request.url.scheme}'")
        timeouts = request.extensions.get("timeout", {})
        if self._turns.locked():
            await _within(self._turns.acquire(), timeouts.get("pool"), httpx.PoolTimeout)
        else:
            await self._turns.acquire()
        connection: _Connection | None = None
        try:
            connection = await self._connection(request, timeouts.get("connect"))
            await connection.send(request)
            await connection.headers(timeouts.get("read"))
        except BaseException:
            if connection is not None:
                connection.close()
            self._turns.release()
            raise
        body = _Body(self, connection, timeouts.get("read"))
        return httpx.Response(connection.status, headers=connection.fields, stream=body)

    async def aclose(self) -> None:
        """Close the idle connections; those in use close with their responses."""
        for connections in self._idle.values():
            for connection in connections:
                connection.close()
        self._idle.clear()

    def give_back(self, connection: _Connection) -> None:
        """End an exchange: keep the connection if it can serve another, else close it."""
        self._turns.release()
        if connection.reusable:
            connection.idle_since = time.monotonic()
            self._idle.setdefault(connection.address, []).append(connection)
        else:
            connection.close()

    async def _connection(self, request: httpx.Request, timeout: float | None) -> _Connection:
        address = request.url.host, request.url.port or 80
        idle = self._idle.get(address, [])
        while idle:
            connection = idle.pop()
            if connection.reusable and time.monotonic() - connection.idle_since < IDLE_S:
                return connection
            connection.close()
        loop = asyncio.get_running_loop()
        try:
            opening = loop.create_connection(lambda: _Connection(address), *address)
            _, connection = await _within(opening, timeout, httpx.ConnectTimeout)
        except OSError as error:
            raise httpx.ConnectError(str(error)) from error
        return connection


class _Connection(asyncio.Protocol):
    """One socket and the exchange on it; httptools calls the ``on_`` methods."""

    def __init__(self, address: _Address) -> None:
        self.address = address
        self.idle_since = 0.0
        self.status = 0
        self.fields: list[tuple[bytes, bytes]] = []
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._waiter: asyncio.Future[None] | None = None
        self._failure: Exception | None = None
        self._lost = False
        self._reset("")

    def _reset(self, method: str) -> None:
        self._method = method
        self._headers_done = self._complete = self._keep_alive = self._paused = False
        self._until_close = True
        self._pieces: deque[bytes] = deque()
        self._buffered = 0

    @property
    def reusable(self) -> bool:
        """True when the last exchange is complete and the socket is still good."""
        closing = self._transport is None or self._transport.is_closing()
        return self._complete and self._keep_alive and not closing and not self._lost

    async def send(self, request: httpx.Request) -> None:
        """Write the whole request, waiting while the other side does not read."""
        transport = self._transport
        assert transport is not None  # set before a connection is handed out
        self._reset(request.method)
        stream = request.stream
        assert isinstance(stream, httpx.AsyncByteStream)  # httpx gives async clients nothing else
        chunked = request.headers.get("transfer-encoding", "").lower() == "chunked"
        head = _head(request)
        async for piece in stream:
            transport.write(head + (b"%x\r\n%b\r\n" % (len(piece), piece) if chunked and piece else piece))
            head = b""
            await self._writable.wait()
        if chunked:
            head += b"0\r\n\r\n"
        if head:
            transport.write(head)

    async def headers(self, timeout: float | None) -> None:
        """Wait until status and headers are there."""
        while not self._headers_done:
            await self._wait(timeout)

    async def piece(self, timeout: float | None) -> bytes:
        """The next part of the body, empty at its end."""
        while not self._pieces:
            if self._complete:
                return b""
            await self._wait(timeout)
        piece = self._pieces.popleft()
        self._buffered -= len(piece)
        if self._paused and self._buffered < BUFFER_BYTES // 2 and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        return piece

    def close(self) -> None:
        """Close the socket at once, which tells a service still at work to stop."""
        if self._transport is not None:
            self._transport.abort()

    async def _wait(self, timeout: float | None) -> None:
        if self._failure is not None:
            raise self._failure
        if self._lost:
            raise httpx.RemoteProtocolError("the server closed the connection in the middle of an exchange")
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        timer = None if timeout is None else loop.call_later(timeout, self._fail, httpx.ReadTimeout("no data came"))
        try:
            await self._waiter
        finally:
            self._waiter = None
            if timer is not None:
                timer.cancel()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, error: Exception) -> None:
        self._failure = error
        self._keep_alive = False
        self._wake()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # TCP; uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        if self._complete:  # nobody asked: the connection cannot be trusted
            self._keep_alive = False
            self.close()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(httpx.RemoteProtocolError(f"the answer is not HTTP: {error}"))
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        self._writable.set()
        if exc is None and self._headers_done and self._until_close:
            self._complete = True
        self._wake()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def on_message_begin(self) -> None:
        self.fields = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name, value))
        if name.lower() in (b"content-length", b"transfer-encoding"):
            self._until_close = False

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        if self.status < 200:
            return
        self._headers_done = True
        if self._method == "HEAD":
            # The parser would wait for the body that the headers announce.
            self._complete = True
            self._keep_alive = False

    def on_body(self, body: bytes) -> None:
        self._pieces.append(body)
        self._buffered += len(body)
        if self._buffered > BUFFER_BYTES and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        if self.status >= 200:
            self._complete = True
            self._keep_alive = self._parser.should_keep_alive()


class _Body(httpx.AsyncByteStream):
    """A response's body; closing it ends the exchange."""

    def __init__(self, pool: Http11Transport, connection: _Connection, timeout: float | None) -> None:
        self._pool, self._connection, self._timeout = pool, connection, timeout
        self._closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while piece := await self._connection.piece(self._timeout):
            yield piece

    async def aclose(self) -> None:
        if not self._closed:
            self._closed = True
            self._pool.give_back(self._connection)


def _head(request: httpx.Request) -> bytes:
    """Request line and headers; raises httpx.LocalProtocolError when a header would break out of its line."""
    lines = [request.method.encode("ascii") + b" " + request.url.raw_path + b" HTTP/1.1"]
    lines += [name + b": " + value for name, value in request.headers.raw]
    if any(b"\r" in line or b"\n" in line for line in lines):
        raise httpx.LocalProtocolError("a header holds a line break")
    return b"\r\n".join(lines) + b"\r\n\r\n"


async def _within(
    work: Coroutine[Any, Any, ResultT], timeout: float | None, error: type[httpx.TimeoutException]
) -> ResultT:
    try:
        return await asyncio.wait_for(work, timeout)
    except asyncio.TimeoutError as expired:
        raise error(f"not done in {timeout} s") from expired
