"""A gRPC client that costs little: it speaks HTTP/2 itself and hands out messages as bytes.

A library's client costs as much as the service that is measured, on the same two cores. This one knows no more than one
kind of call needs: bidirectional streams without encryption, compression or deadlines; its windows are as large as HTTP/2
allows, so that it never has to open them (RFC 9113); headers are literals (RFC 7541).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

Received = Callable[[bytes], None]

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
_END_STREAM, _ACK, _END_HEADERS = 1, 1, 4
_HEAD = 9
_LARGEST_FRAME = 16_384
_WINDOW, _LARGEST_WINDOW = 65_535, 2**31 - 1
_INITIAL_WINDOW_SIZE = 4


class GrpcConnection(asyncio.Protocol):
    """One connection; `connect` makes it."""

    def __init__(self) -> None:
        self._transport: Any = None
        self._came = bytearray()
        self._calls: dict[int, GrpcCall] = {}
        self._next = 1
        self._waiting: deque[GrpcCall] = deque()
        self.window = self.window_of_calls = _WINDOW

    @classmethod
    async def connect(cls, address: str) -> GrpcConnection:
        """A connection to HOST:PORT."""
        host, _, port = address.rpartition(":")
        _, connection = await asyncio.get_running_loop().create_connection(cls, host, int(port))
        return connection

    def call(self, path: str, received: Received) -> GrpcCall:
        """Begins a call; every message that comes is given to `received`."""
        number, self._next = self._next, self._next + 2
        call = self._calls[number] = GrpcCall(self, number, received)
        self.write(_HEADERS, _END_HEADERS, number, _headers(path))
        return call

    def close(self) -> None:
        """Ends the connection."""
        self._transport.close()

    def write(self, kind: int, flags: int, stream: int, content: bytes) -> None:
        """Sends a frame."""
        self._transport.write(_head(len(content), kind, flags, stream) + content)

    def hold(self, call: GrpcCall) -> None:
        """The call has something to send when the other side takes more."""
        self._waiting.append(call)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._transport.write(_PREFACE)
        self.write(_SETTINGS, 0, 0, _INITIAL_WINDOW_SIZE.to_bytes(2, "big") + _LARGEST_WINDOW.to_bytes(4, "big"))
        self.write(_WINDOW_UPDATE, 0, 0, (_LARGEST_WINDOW - _WINDOW).to_bytes(4, "big"))

    def connection_lost(self, exc: Exception | None) -> None:
        for call in self._calls.values():
            call.ended("the connection was lost")

    def data_received(self, data: bytes) -> None:
        self._came += data
        start, came = 0, self._came
        while len(came) - start >= _HEAD:
            end = start + _HEAD + (came[start] << 16 | came[start + 1] << 8 | came[start + 2])
            if len(came) < end:
                break
            stream = int.from_bytes(came[start + 5 : start + _HEAD], "big")
            self._take(came[start + 3], came[start + 4], stream, bytes(came[start + _HEAD : end]))
            start = end
        del came[:start]

    def _take(self, kind: int, flags: int, stream: int, content: bytes) -> None:
        call = self._calls.get(stream)
        if kind == _DATA and call:
            call.take(content)
        elif kind == _SETTINGS and not flags & _ACK:
            self._settings(content)
        elif kind == _PING and not flags & _ACK:
            self.write(_PING, _ACK, 0, content)
        elif kind == _WINDOW_UPDATE:
            self._widen(call, stream, int.from_bytes(content, "big"))
        elif kind == _GOAWAY:
            self.connection_lost(None)
        if call and (kind == _RST_STREAM or (kind in (_DATA, _HEADERS) and flags & _END_STREAM)):
            del self._calls[stream]
            call.ended("the call was reset" if kind == _RST_STREAM else "")

    def _settings(self, content: bytes) -> None:
        for place in range(0, len(content), 6):
            if int.from_bytes(content[place : place + 2], "big") == _INITIAL_WINDOW_SIZE:
                size = int.from_bytes(content[place + 2 : place + 6], "big")
                for call in self._calls.values():
                    call.window += size - self.window_of_calls
                self.window_of_calls = size
        self.write(_SETTINGS, _ACK, 0, b"")

    def _widen(self, call: GrpcCall | None, stream: int, by: int) -> None:
        if not stream:
            self.window += by
        elif call:
            call.window += by
        for _ in range(len(self._waiting)):
            self._waiting.popleft().flush()


class GrpcCall:
    """One call. `done` has a result when the other side has ended it; RuntimeError when it was cut off."""

    def __init__(self, connection: GrpcConnection, number: int, received: Received) -> None:
        self._connection, self._number, self._received = connection, number, received
        self.window = connection.window_of_calls
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._came = bytearray()
        self._unsent = bytearray()

    def send(self, message: bytes) -> None:
        """Sends a message as soon as the other side takes it."""
        waits = bool(self._unsent)
        self._unsent += b"\0" + len(message).to_bytes(4, "big") + message
        if not waits:
            self.flush()

    def flush(self) -> None:
        """Sends what the windows let through."""
        connection = self._connection
        while self._unsent and not self.done.done():
            size = min(len(self._unsent), _LARGEST_FRAME, self.window, connection.window)
            if size <= 0:
                connection.hold(self)
                return
            connection.write(_DATA, 0, self._number, bytes(self._unsent[:size]))
            del self._unsent[:size]
            self.window -= size
            connection.window -= size

    def take(self, content: bytes) -> None:
        """Bytes of messages came."""
        came = self._came
        came += content
        while len(came) >= 5 and len(came) >= (end := 5 + int.from_bytes(came[1:5], "big")):
            message = bytes(came[5:end])
            del came[:end]
            self._received(message)

    def ended(self, fault: str) -> None:
        """Nothing comes any more."""
        if self.done.done():
            return
        if fault:
            self.done.set_exception(RuntimeError(fault))
        else:
            self.done.set_result(None)


def _head(length: int, kind: int, flags: int, stream: int) -> bytes:
    return length.to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big")


def _headers(path: str) -> bytes:
    """POST over http to `path`, application/grpc, te: trailers; numbers are places in HPACK's static table."""
    method, scheme = b"\x83", b"\x86"
    named = _literal(b"\x04", path) + _literal(b"\x01", "localhost") + _literal(b"\x0f\x10", "application/grpc")
    return method + scheme + named + _literal(_literal(b"\x00", "te"), "trailers")


def _literal(name: bytes, value: str) -> bytes:
    content = value.encode()
    assert len(content) < 127
    return name + bytes([len(content)]) + content
