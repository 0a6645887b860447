"""The channel between this service and the live program: framed messages over a local socket, bounded in size.

Layout of a message, integers little-endian: ``u32 header bytes | u32 payload bytes | header (UTF-8 JSON) | payload``.
To the program go ``hello``, ``start``, ``audio``, ``flush`` and ``stop``; back come ``ready``, ``frame``, ``stats`` and
``error``. Only the standard library is used, because the program's environment reads this file too.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

PROTOCOL = 1
FPS = 25
BLOCK_FRAMES = 12
"""Frames of a block, the least the program makes at once: three latents of four frames."""
RATE = 16_000
"""Hz of the sound the program hears, mono."""
BLOCK_SAMPLES = RATE * BLOCK_FRAMES // FPS
"""Samples of the sound of one block, 0.48 s."""
AHEAD_SAMPLES = 320
"""Sound beyond a block without which its last frame would get no sound at all: 20 ms."""
CHUNK_SAMPLES = BLOCK_SAMPLES + AHEAD_SAMPLES
BLOCK_S = BLOCK_FRAMES / FPS
WARM_UP = 12
"""Blocks at the beginning that show noise instead of speech: three clips of four blocks."""
PIPE_BLOCKS = 4
"""Blocks between the one that is heard and the one that is seen: sound asked for during yield 8 + n is in yield 12 + n."""
PATH_VARIABLE = "AVATAR_LIVEAVATAR_CHANNEL"
"""Environment variable that tells the program where the socket is."""

MAX_HEADER, MAX_PAYLOAD = 64 * 1024, 32 * 1024 * 1024
TO_PROGRAM = frozenset({"hello", "start", "audio", "flush", "stop"})
FROM_PROGRAM = frozenset({"ready", "frame", "stats", "error"})
_LENGTHS = struct.Struct("<II")
HEAD_BYTES = _LENGTHS.size

assert BLOCK_SAMPLES * FPS == RATE * BLOCK_FRAMES, "a block is a whole number of samples"


class ChannelError(Exception):
    """The other end sent what is no message, or one out of its bounds."""


@dataclass(frozen=True)
class Message:
    """One message; `fields` are its header without the type."""

    type: str
    fields: dict[str, Any] = field(default_factory=dict)
    payload: bytes = b""

    def number(self, name: str, least: int = 0, most: int = 2**53) -> int:
        """The whole number `name`; raises ChannelError when it is missing or out of its bounds."""
        value = self.fields.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise ChannelError(f"'{name}' of a '{self.type}' message is no whole number from {least} to {most}")
        return value

    def text(self, name: str, longest: int = 4000) -> str:
        """The text `name`, cut to `longest` characters; raises ChannelError when it is missing."""
        value = self.fields.get(name)
        if not isinstance(value, str):
            raise ChannelError(f"'{name}' of a '{self.type}' message is no text")
        return value[:longest]


def encode(message: Message) -> bytes:
    """`message` as bytes; raises ChannelError when it is too large to be taken."""
    header = json.dumps({"type": message.type, **message.fields}).encode()
    head = _LENGTHS.pack(len(header), len(message.payload))
    lengths(head)
    return head + header + message.payload


def lengths(head: bytes) -> tuple[int, int]:
    """Bytes of the header and of the payload, from the first `HEAD_BYTES`; raises ChannelError beyond the bounds."""
    header, payload = _LENGTHS.unpack(head)
    if not 2 <= header <= MAX_HEADER or payload > MAX_PAYLOAD:
        raise ChannelError(f"a message of {header} and {payload} bytes is beyond the bounds of the channel")
    return header, payload


def decode(header: bytes, payload: bytes, known: frozenset[str]) -> Message:
    """The message; raises ChannelError when its header is no JSON object or its type is not `known`."""
    try:
        fields = json.loads(header)
        kind = fields.pop("type")
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError) as error:
        raise ChannelError("the header of a message is no JSON object with a type") from error
    if kind not in known:
        raise ChannelError(f"there is no message of type {str(kind)[:40]!r}")
    return Message(kind, fields, payload)


class SocketChannel:
    """The program's end: blocking; `send` may be called by several threads."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._lock = threading.Lock()

    def send(self, message: Message) -> None:
        """Raises OSError when nobody listens any more."""
        data = encode(message)
        with self._lock:
            self._socket.sendall(data)

    def receive(self) -> Message | None:
        """The next message, None when the other end has closed; raises ChannelError on anything else."""
        head = self._exactly(HEAD_BYTES)
        if head is None:
            return None
        sizes = lengths(head)
        parts = [self._exactly(size) for size in sizes]
        if parts[0] is None or parts[1] is None:
            return None
        return decode(parts[0], parts[1], TO_PROGRAM)

    def close(self) -> None:
        """Close the socket; whoever waits in `receive` gets None."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _exactly(self, size: int) -> bytes | None:
        data = bytearray()
        while len(data) < size:
            try:
                piece = self._socket.recv(min(size - len(data), 1 << 20))
            except OSError:
                piece = b""
            if not piece:
                return None
            data += piece
        return bytes(data)
