"""Server-sent events of other services, read from a stream of bytes that may be cut anywhere.

The format: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass

from comps.core.error_shape import excerpt
from comps.core.errors import UpstreamError

DONE = b"[DONE]"
"""The data of the event that ends an OpenAI-compatible stream."""

_LINE_END = re.compile(rb"\r\n|\r|\n")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_UNUSED_FIELDS = (b"", b"id", b"retry")
_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """What is read: its name in errors, most bytes of one event (its lines together) and of the whole stream."""

    expected: str = "event stream"
    event_bytes: int = _MIB
    stream_bytes: int = 64 * _MIB


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One event; several ``data`` lines are joined by newlines."""

    name: str
    data: bytes


async def read_events(
    pieces: AsyncIterator[bytes], service: str, options: StreamOptions | None = None
) -> AsyncGenerator[ServerEvent, None]:
    """The events of `service`, each as soon as it is complete; one that only lacks its empty line at the end counts.

    Raises:
        UpstreamError: a line is no field of an event (a page of HTML, say), or something is larger than `options`.
    """
    reader = _Reader(service, options or StreamOptions())
    async for piece in pieces:
        for event in reader.feed(piece):
            yield event
    for event in reader.feed(b"\n\n"):
        yield event


async def read_bodies(
    pieces: AsyncIterator[bytes], service: str, options: StreamOptions | None = None
) -> AsyncGenerator[bytes, None]:
    """JSON as OpenAI-compatible servers send it: each event's data up to `DONE`, or the one object of an answer
    that is not streamed (the body begins with ``{``), for which `options.event_bytes` also holds.

    Raises:
        UpstreamError: as for `read_events`.
    """
    allowed = options or StreamOptions()
    start = b""
    async for piece in pieces:
        start += piece
        if start.strip():
            break
        _check(len(start), allowed.event_bytes, service, "a line")
    if start.lstrip().startswith(b"{"):
        yield await _whole(start, pieces, service, allowed)
        return
    async with (
        aclosing(_joined(start, pieces)) as all_pieces,
        aclosing(read_events(all_pieces, service, allowed)) as events,
    ):
        async for event in events:
            yield event.data
            if event.data == DONE:
                return


async def _joined(start: bytes, rest: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    yield start
    async for piece in rest:
        yield piece


async def _whole(start: bytes, rest: AsyncIterator[bytes], service: str, options: StreamOptions) -> bytes:
    body = bytearray()
    async with aclosing(_joined(start, rest)) as pieces:
        async for piece in pieces:
            body += piece
            _check(len(body), options.event_bytes, service, "a body")
    return bytes(body)


class _Reader:
    """Turns pieces into events; work grows with the bytes, however small the pieces are."""

    def __init__(self, service: str, options: StreamOptions) -> None:
        self._service, self._options = service, options
        self._received = 0
        self._rest = bytearray()
        self._after_return = False
        self._first = True
        self._name, self._size = "", 0
        self._data: list[bytes] = []

    def feed(self, piece: bytes) -> list[ServerEvent]:
        """The events that end in `piece`."""
        self._received += len(piece)
        _check(self._received, self._options.stream_bytes, self._service, "a stream")
        return [event for line in self._lines(piece) if (event := self._take(line))]

    def _lines(self, piece: bytes) -> list[bytes]:
        if not piece:
            return []
        if self._after_return:
            piece = piece.removeprefix(b"\n")  # the second half of a line end that was cut in two
        self._after_return = piece.endswith(b"\r")
        *lines, rest = _LINE_END.split(piece)
        if lines:
            lines[0] = bytes(self._rest) + lines[0]
            self._rest.clear()
        self._rest += rest
        _check(self._size + len(self._rest), self._options.event_bytes, self._service, "a line")
        return lines

    def _take(self, line: bytes) -> ServerEvent | None:
        if self._first:
            line, self._first = line.removeprefix(_BYTE_ORDER_MARK), False
        if not line:
            return self._event()
        self._size += len(line)
        _check(self._size, self._options.event_bytes, self._service, "an event")
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._data.append(value)
        elif field == b"event":
            self._name = value.decode("utf-8", "replace")
        elif field not in _UNUSED_FIELDS:
            raise UpstreamError(
                f"{self._service} sent no {self._options.expected}: {excerpt(line)}", service=self._service
            )
        return None

    def _event(self) -> ServerEvent | None:
        event = ServerEvent(self._name or "message", b"\n".join(self._data)) if self._data else None
        self._name, self._size = "", 0
        self._data.clear()
        return event


def _check(size: int, limit: int, service: str, what: str) -> None:
    if size > limit:
        raise UpstreamError(f"{service} sent {what} of more than {limit} bytes", service=service)
