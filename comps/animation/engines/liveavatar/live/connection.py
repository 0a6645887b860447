"""Connection: this service's end of the channel, in the event loop."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import anyio

from comps.animation.engines.liveavatar.live.channel import (
    FROM_PROGRAM,
    HEAD_BYTES,
    ChannelError,
    Message,
    decode,
    encode,
    lengths,
)

BUFFER_BYTES = 1 << 20
"""Bytes read ahead of what is asked for."""
SEND_S = 10.0
"""Seconds the program may leave a message unread."""


class Connection:
    """A connected program. One task receives; several may send."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def receive(self) -> Message | None:
        """The next message, None at the end; raises ChannelError on what is none."""
        try:
            sizes = lengths(await self._reader.readexactly(HEAD_BYTES))
            header, payload = [await self._reader.readexactly(size) for size in sizes]
        except asyncio.IncompleteReadError as error:
            if error.partial:
                raise ChannelError("the program left in the middle of a message") from error
            return None
        except OSError:
            return None
        return decode(header, payload, FROM_PROGRAM)

    async def send(self, message: Message) -> None:
        """Raises ChannelError when the program has gone or does not read."""
        try:
            self._writer.write(encode(message))
            with anyio.fail_after(SEND_S):
                await self._writer.drain()
        except (OSError, TimeoutError) as error:
            raise ChannelError("the program does not read what it is sent") from error

    def close(self) -> None:
        """Close it; whoever receives gets the end."""
        with suppress(OSError, RuntimeError):
            self._writer.close()
