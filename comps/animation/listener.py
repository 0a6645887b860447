"""Listener: speech taken in while something else is being drawn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

from comps.core.speech import SpeechChunk

QUEUED_CHUNKS = 32
"""Speech that may wait to be animated, in chunks; more holds up whoever sends it."""


class Listener:
    """Reads `speech` ahead, up to `room` chunks. Use as an async context manager, which ends the reading."""

    def __init__(self, speech: AsyncIterator[SpeechChunk], room: int = QUEUED_CHUNKS) -> None:
        self._speech = speech
        self._heard: asyncio.Queue[SpeechChunk | None] = asyncio.Queue()
        self._room = asyncio.Semaphore(room)
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Listener:
        self._task = asyncio.create_task(self._listen())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    @property
    def waiting(self) -> bool:
        """Whether `next` would return at once."""
        return not self._heard.empty()

    async def next(self) -> SpeechChunk | None:
        """The next chunk, None at the end; raises what `speech` raised."""
        chunk = await self._heard.get()
        self._room.release()
        if chunk is None and self._task is not None:
            await self._task
        return chunk

    async def _listen(self) -> None:
        try:
            async for chunk in self._speech:
                await self._room.acquire()
                self._heard.put_nowait(chunk)
        finally:
            self._heard.put_nowait(None)
