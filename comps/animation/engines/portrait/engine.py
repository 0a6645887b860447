"""PortraitEngine: any portrait speaks, on the processor, without weights."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, suppress

import cv2

from comps.animation.engine import (
    AnimationCapabilities,
    AnimationEngine,
    AnimationOptions,
    Avatar,
    FrameBatch,
    Performance,
)
from comps.animation.engines.portrait.render.cache import FaceCache
from comps.animation.engines.portrait.render.face import Face
from comps.animation.engines.portrait.render.renderer import Renderer
from comps.animation.motion.coarticulation import LOOK_AHEAD_S
from comps.animation.motion.face_motion import FaceMotion
from comps.animation.motion.stream import MotionOptions, MotionStream
from comps.animation.speech_input import in_pieces
from comps.core.errors import NotReadyError
from comps.core.speech import SpeechChunk

FIRST_BATCH, BATCH = 5, 12
"""Frames in the first batch, which someone waits for, and at most in those after it."""
QUEUED_CHUNKS = 32
"""Speech that may wait to be animated, in chunks; more holds up whoever sends it."""
LOOK_UPS = 6
"""Prepared faces kept, 5 to 10 MB each."""

CAPABILITIES = AnimationCapabilities(look_ahead_s=LOOK_AHEAD_S, needs_phones=True, head_pose=True, emotion=True)


class PortraitEngine(AnimationEngine):
    """Warps a portrait by 52 blend shapes that follow the phones of the speech."""

    capabilities = CAPABILITIES

    def __init__(self, settings: object) -> None:
        """`settings` are the animation service's; nothing in them concerns this engine yet."""
        self._faces = FaceCache(LOOK_UPS)
        self._workers: ThreadPoolExecutor | None = None

    async def load(self) -> None:
        """Start the drawing threads, one per processor core."""
        # Each frame is small: OpenCV's own threads would only wait for one another where several answers are drawn.
        cv2.setNumThreads(1)
        self._workers = ThreadPoolExecutor(max_workers=os.cpu_count() or 1, thread_name_prefix="portrait")

    async def close(self) -> None:
        """Stop them; a batch being drawn is finished first."""
        if self._workers is not None:
            self._workers.shutdown(wait=False, cancel_futures=True)
            self._workers = None

    async def open(self, avatar: Avatar, options: AnimationOptions) -> PortraitPerformance:
        """Prepare a face (about 0.3 s the first time); raises FaceError when the picture shows none."""
        motion = MotionStream(
            MotionOptions(options.fps, options.seed, options.emotion, options.head_motion, options.blinks)
        )
        workers = self._running()
        loop = asyncio.get_running_loop()
        face = await loop.run_in_executor(
            workers, self._faces.get, avatar.image, avatar.rig, options.size, options.backdrop
        )
        return PortraitPerformance(face, motion, workers)

    def _running(self) -> ThreadPoolExecutor:
        if self._workers is None:
            raise NotReadyError("the portrait engine is not loaded")
        return self._workers


class PortraitPerformance(Performance):
    """One answer spoken by one portrait; frames are planar yuv420p."""

    def __init__(self, face: Face, motion: MotionStream, workers: ThreadPoolExecutor) -> None:
        self._renderer = Renderer(face)
        self._motion = motion
        self._workers = workers
        self.width, self.height = self._renderer.width, self._renderer.height

    async def animate(self, speech: AsyncIterator[SpeechChunk]) -> AsyncIterator[FrameBatch]:
        """Draw on a worker thread; a batch is cut short when no more speech has come yet."""
        async with aclosing(self.animate_from(speech, 0)) as batches:
            async for batch in batches:
                yield batch

    async def animate_from(self, speech: AsyncIterator[SpeechChunk], first: int) -> AsyncGenerator[FrameBatch, None]:
        """See `Performance.animate_from`: of the frames before `first` only the motion is made."""
        heard: asyncio.Queue[SpeechChunk | None] = asyncio.Queue()
        room = asyncio.Semaphore(QUEUED_CHUNKS)
        listener = asyncio.create_task(_listen(speech, heard, room))
        pending: FaceMotion | None = None
        ended = False
        try:
            while not ended or pending:
                while not ended and (not pending or (len(pending) < _wanted(pending) and not heard.empty())):
                    chunk = await heard.get()
                    room.release()
                    ended = chunk is None
                    motion = self._motion.finish() if chunk is None else self._motion.feed(chunk)
                    motion = await self._skipped(motion, first)
                    pending = pending.then(motion) if pending else motion
                if pending:
                    batch, pending = pending[: _wanted(pending)], pending[_wanted(pending) :]
                    yield await self._draw(batch)
            await listener
        finally:
            listener.cancel()
            with suppress(asyncio.CancelledError):
                await listener

    async def _skipped(self, motion: FaceMotion, first: int) -> FaceMotion:
        """What is left of `motion` from frame `first` on."""
        count = min(len(motion), max(0, first - motion.first))
        if count:
            await asyncio.get_running_loop().run_in_executor(self._workers, self._renderer.skip, motion[:count])
        return motion[count:]

    async def _draw(self, motion: FaceMotion) -> FrameBatch:
        frames = await asyncio.get_running_loop().run_in_executor(self._workers, self._renderer.render, motion)
        return FrameBatch(motion.first, frames)


async def _listen(
    speech: AsyncIterator[SpeechChunk], heard: asyncio.Queue[SpeechChunk | None], room: asyncio.Semaphore
) -> None:
    """Pass speech on as it comes while there is `room`, and None at its end.

    A failure of `speech` ends it too and is raised where this task is awaited.
    """
    try:
        async for chunk in speech:
            for piece in in_pieces(chunk):
                await room.acquire()
                heard.put_nowait(piece)
    finally:
        heard.put_nowait(None)


def _wanted(motion: FaceMotion) -> int:
    return FIRST_BATCH if motion.first == 0 else BATCH
