"""The transport under `create_client`: aiohttp's connection pool behind httpx's interface.

httpx's own pool costs several times the CPU per call. What is here keeps apart what the adapter
mixes up: a connection never made, which may be tried again, and one lost with a request on it.
"""

from __future__ import annotations

import asyncio
import ssl
import weakref
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from functools import cache

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

BUFFER_BYTES = 256 * 1024
"""Unread body bytes at which a connection stops reading (at twice as many, to be exact)."""
PIECE_BYTES = 256 * 1024
"""Longer request bodies are written in pieces of this size, each when the one before has gone out."""

_HTTPX_HEADERS = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
_MEANINGS: tuple[tuple[type[Exception], type[httpx.TransportError]], ...] = (
    (aiohttp.SocketTimeoutError, httpx.ReadTimeout),
    (aiohttp.ServerTimeoutError, httpx.ConnectTimeout),
    (aiohttp.ClientConnectorError, httpx.ConnectError),
    (aiohttp.InvalidURL, httpx.UnsupportedProtocol),
    (aiohttp.NonHttpUrlClientError, httpx.UnsupportedProtocol),
    (aiohttp.ClientError, httpx.RemoteProtocolError),
    (OSError, httpx.ReadError),
    (ValueError, httpx.LocalProtocolError),
)
"""What aiohttp's errors are to httpx, the first that fits; a ValueError is a header with a line break."""


class PooledTransport(AiohttpTransport):
    """Connections kept alive per address; belongs to the event loop of its first request.

    No cookies are kept, no redirects followed, no bodies unpacked, no proxies used.

    Args:
        limits: connections at once, over which requests wait, and seconds an idle one is kept.
    """

    def __init__(self, limits: httpx.Limits) -> None:
        super().__init__(verify=_certificates(), limits=limits, client=self._session)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send `request`; the response's body is read as it is asked for.

        Raises:
            httpx.ConnectError, httpx.ConnectTimeout: no connection, also when none of the pool gets free.
            httpx.ReadTimeout: nothing came for too long.
            httpx.RemoteProtocolError: what came is not HTTP, or broke off.
            httpx.UnsupportedProtocol, httpx.LocalProtocolError: the URL or a header cannot be sent.
        """
        await _notice_hang_ups()
        with _as_httpx_errors():
            response = await super().handle_async_request(_in_pieces(request))
        response.stream = _Body(response)
        return response

    def _session(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            ssl=self.ssl_context,
            limit=self.limits.max_connections or 0,
            keepalive_timeout=self.limits.keepalive_expiry,
        )
        session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=_HTTPX_HEADERS,
            read_bufsize=BUFFER_BYTES,
        )
        weakref.finalize(self, _drop, session)
        return session


class _Body(httpx.AsyncByteStream):
    """A response's body; closing it before its end closes the connection."""

    def __init__(self, response: httpx.Response) -> None:
        stream = response.stream
        assert isinstance(stream, httpx.AsyncByteStream)  # the adapter makes nothing else
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _as_httpx_errors():
            async for piece in self._stream:
                yield piece

    async def aclose(self) -> None:
        with _as_httpx_errors():
            await self._stream.aclose()


class _Pieces(httpx.AsyncByteStream):
    """A long request body: aiohttp warns of bytes that it would have to write at once."""

    def __init__(self, content: bytes) -> None:
        self._content = memoryview(content)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self._content), PIECE_BYTES):
            yield bytes(self._content[start : start + PIECE_BYTES])


def _in_pieces(request: httpx.Request) -> httpx.Request:
    with suppress(httpx.RequestNotRead):
        if len(request.content) > PIECE_BYTES * 2:
            return httpx.Request(
                request.method,
                request.url,
                headers=request.headers,
                stream=_Pieces(request.content),
                extensions=request.extensions,
            )
    return request


async def _notice_hang_ups() -> None:
    """Let the event loop see which idle connections the servers have closed.

    A request sent on such a connection fails, and cannot be sent again, as nobody knows whether it was
    acted on. The first turn of the loop asks the system, the second tells the pool.
    """
    await asyncio.sleep(0)
    await asyncio.sleep(0)


@contextmanager
def _as_httpx_errors() -> Iterator[None]:
    try:
        yield
    except (aiohttp.ClientError, httpx.TransportError, OSError, ValueError) as error:
        origin = error.__cause__ if isinstance(error, httpx.TransportError) else error
        meaning = next((meaning for kind, meaning in _MEANINGS if isinstance(origin, kind)), None)
        if meaning is None:
            raise
        raise meaning(str(origin) or type(origin).__name__) from origin


@cache
def _certificates() -> ssl.SSLContext:
    """Trusted certificates; reading them takes as long as many calls, so once per program."""
    return httpx.create_ssl_context()


def _drop(session: aiohttp.ClientSession) -> None:
    """Close what was left open without waiting: programs written for OPEA never close their orchestrator."""
    closing = session.close()
    with suppress(StopIteration, RuntimeError):
        closing.send(None)
    closing.close()
