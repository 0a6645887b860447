"""Line: one answer on its way through the live program and back, with a bound on what is under way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import anyio
import numpy as np
from numpy.typing import NDArray

from comps.animation.engines.liveavatar.live.channel import BLOCK_FRAMES, PIPE_BLOCKS, ChannelError, Message
from comps.core.errors import AvatarError, UpstreamTimeoutError

WINDOW = PIPE_BLOCKS + 4
"""Blocks of speech sent whose frames nobody has taken yet: enough to keep the GPUs busy, 10 MB each at most."""
Send = Callable[[Message], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Block:
    """Frames of one block of speech, RGB uint8 `[n, h, w, 3]`, n at most 12."""

    generation: int
    sequence: int
    frames: NDArray[np.uint8]

    @classmethod
    def of(cls, message: Message) -> Block:
        """What a ``frame`` message holds; raises ChannelError when its numbers do not fit its bytes."""
        count = message.number("count", 1, BLOCK_FRAMES)
        height, width = message.number("height", 1, 8192), message.number("width", 1, 8192)
        if len(message.payload) != count * height * width * 3:
            raise ChannelError(f"{count} frames of {width}x{height} have other than {len(message.payload)} bytes")
        frames = np.frombuffer(message.payload, np.uint8).reshape(count, height, width, 3)
        return cls(message.number("generation"), message.number("sequence"), frames)


class Line:
    """One answer, generation `generation`: its speech is numbered from 0, and so are the frames that come back.

    Args:
        send: takes messages for the program.
        stall_s: longest wait for frames of speech that was sent.
    """

    def __init__(self, generation: int, send: Send, stall_s: float) -> None:
        self.generation = generation
        self.unasked = 0
        self._send, self._stall_s = send, stall_s
        self._room = asyncio.Semaphore(WINDOW)
        self._expected: set[int] = set()
        self._arrived: dict[int, Block] = {}
        self._error: AvatarError | None = None
        self._changed = asyncio.Event()

    async def send(self, sequence: int, pcm: bytes, *, last: bool) -> None:
        """Send block `sequence` of the speech, once there is room for it; raises what `fail` was given."""
        await self._room.acquire()
        self._check()
        self._expected.add(sequence)
        which = {"generation": self.generation, "sequence": sequence, "last": last}
        await self._send(Message("audio", which, pcm))

    async def frames(self, sequence: int) -> NDArray[np.uint8] | None:
        """The frames of block `sequence`, which was sent; None when later ones came instead. Ask in order.

        Raises:
            UpstreamTimeoutError: nothing came within `stall_s`.
            AvatarError: what `fail` was given.
        """
        try:
            with anyio.fail_after(self._stall_s):
                while not self._arrived:
                    self._check()
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError as error:
            raise UpstreamTimeoutError(f"LiveAvatar made no frames for {self._stall_s:g} s: try again") from error
        self._expected.discard(sequence)
        self._room.release()
        block = self._arrived.pop(sequence, None)
        return block.frames if block is not None else None

    def deliver(self, block: Block) -> None:
        """Take frames of the program; those of other answers, or that nobody waits for, are dropped and counted."""
        if block.generation != self.generation or block.sequence not in self._expected:
            self.unasked += 1
            return
        self._arrived[block.sequence] = block
        self._changed.set()

    def fail(self, error: AvatarError) -> None:
        """The program has ended: whoever waits gets `error`."""
        self._error = error
        self._room.release()
        self._changed.set()

    def _check(self) -> None:
        if self._error is not None:
            raise self._error
