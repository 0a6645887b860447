"""Videos that can be watched while they are made: a reader follows the spool file of a running turn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

from comps.core.errors import NotFoundError

_PIECE_BYTES = 256 * 1024


class _Growing:
    """A file that somebody else still writes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ended = False
        self.changed = asyncio.Event()

    def wake(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()


class LiveVideos:
    """The spool files of the turns that are running, by video id."""

    def __init__(self) -> None:
        self._growing: dict[str, _Growing] = {}

    @asynccontextmanager
    async def following(self, video_id: str, path: Path) -> AsyncIterator[_Growing]:
        """Let readers follow `path` while the block runs; call `wake` after each write."""
        growing = self._growing[video_id] = _Growing(path)
        try:
            yield growing
        finally:
            del self._growing[video_id]
            growing.ended = True
            growing.wake()

    async def read(self, video_id: str) -> AsyncGenerator[bytes, None]:
        """The video from its first byte, as it grows; ends when the turn does.

        Raises:
            NotFoundError: no turn with this id is running.
        """
        growing = self._growing.get(video_id)
        if growing is None:
            raise NotFoundError("no such answer is being made; finished ones are under /outputs/")
        async with await anyio.open_file(growing.path, "rb") as file:
            yield b""  # opened: what comes now can no longer be "not found"
            while True:
                changed, ended = growing.changed, growing.ended
                piece = await file.read(_PIECE_BYTES)
                if piece:
                    yield piece
                elif ended:
                    return
                else:
                    await changed.wait()
