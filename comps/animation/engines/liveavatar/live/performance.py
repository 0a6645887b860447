"""LivePerformance: an answer spoken by the live program, frame by frame as it is heard."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress

import anyio
import anyio.to_thread
import numpy as np
from numpy.typing import NDArray

from comps.animation.engine import FrameBatch, Performance
from comps.animation.engines.liveavatar.groups import Groups
from comps.animation.engines.liveavatar.live.blocks import BlockStream, SpeechBlock, model_frame, shown_by
from comps.animation.engines.liveavatar.live.channel import BLOCK_FRAMES, ChannelError
from comps.animation.engines.liveavatar.live.line import WINDOW, Line
from comps.animation.engines.liveavatar.live.supervisor import Worker
from comps.animation.engines.liveavatar.look import Look, cut, read_picture, scaled_frames, scaled_size
from comps.core.errors import EngineUnavailableError, UpstreamTimeoutError
from comps.core.speech import SpeechChunk

Sent = asyncio.Queue[SpeechBlock | None]


class LivePerformance(Performance):
    """One answer; frames are rgb24, of the program's 25 a second those that the video's rate shows.

    Closing its iterator ends the answer at once: its speech is forgotten, and frames that are under way are dropped.
    """

    def __init__(self, groups: Groups[Worker], look: Look, fps: int, longest: int) -> None:
        self.width, self.height = scaled_size(look.size, longest)
        self._groups, self._look, self._fps = groups, look, fps
        self._last: NDArray[np.uint8] | None = None

    async def animate(self, speech: AsyncIterator[SpeechChunk]) -> AsyncIterator[FrameBatch]:
        """See `Performance.animate`; frames the program leaves out are those before them, held."""
        async with self._groups.one(lambda worker: worker.look == self._look) as worker:
            await worker.prepare(self._look)
            await worker.until_ready()
            self.notes = worker.plan.notes
            line = worker.open()
            sent: Sent = asyncio.Queue(WINDOW)
            feeding = asyncio.create_task(self._feed(speech, line, sent))
            try:
                while (block := await _next(sent, feeding)) is not None:
                    batch = await self._batch(block, await line.frames(block.sequence))
                    if batch is not None:
                        yield batch
                await feeding
            except UpstreamTimeoutError:
                await worker.restart()
                raise
            finally:
                with anyio.CancelScope(shield=True):
                    feeding.cancel()
                    await asyncio.gather(feeding, return_exceptions=True)
                    await worker.close(line)

    async def _feed(self, speech: AsyncIterator[SpeechChunk], line: Line, sent: Sent) -> None:
        """Send the speech as far ahead as the line has room for, and None to `sent` at its end."""
        stream: BlockStream | None = None
        async for chunk in speech:
            stream = stream or BlockStream(chunk.sample_rate, self._fps)
            await self._send(await anyio.to_thread.run_sync(stream.feed, chunk.pcm), line, sent)
        if stream is not None:
            await self._send(stream.finish(), line, sent)
        await sent.put(None)

    async def _send(self, blocks: Sequence[SpeechBlock], line: Line, sent: Sent) -> None:
        for block in blocks:
            try:
                await line.send(block.sequence, block.pcm, last=block.last)
            except ChannelError as error:
                raise EngineUnavailableError("LiveAvatar ended while it was drawing this answer: try again") from error
            await sent.put(block)

    async def _batch(self, block: SpeechBlock, frames: NDArray[np.uint8] | None) -> FrameBatch | None:
        """The video's frames of a block, the last one held where the program left some out."""
        first = block.sequence * BLOCK_FRAMES
        numbers = shown_by(first, BLOCK_FRAMES, self._fps, block.until)
        if not numbers:
            return None
        wanted = [model_frame(number, self._fps) - first for number in numbers]
        return FrameBatch(numbers[0], await anyio.to_thread.run_sync(self._shown, frames, wanted), "rgb24")

    def _shown(self, frames: NDArray[np.uint8] | None, wanted: Sequence[int]) -> NDArray[np.uint8]:
        if frames is None:
            frames = self._held()[None]
        scaled = scaled_frames(frames, self.width, self.height)
        self._last = scaled[-1]
        return scaled[[min(index, len(scaled) - 1) for index in wanted]]

    def _held(self) -> NDArray[np.uint8]:
        return self._last if self._last is not None else cut(read_picture(self._look.image), self._look.size)


async def _next(sent: Sent, feeding: asyncio.Task[None]) -> SpeechBlock | None:
    """The next block that was sent, None at the end; raises what `feeding` raised."""
    getting = asyncio.ensure_future(sent.get())
    try:
        await asyncio.wait([getting, feeding], return_when=asyncio.FIRST_COMPLETED)
        if getting.done():
            return getting.result()
        await feeding
        return await getting
    finally:
        getting.cancel()
        with suppress(asyncio.CancelledError):
            await getting
