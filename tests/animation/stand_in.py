"""A small real engine: a grey square that is as bright as the speech is loud, framed in its avatar's colour."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import cv2
import numpy as np
from numpy.typing import NDArray

from comps.animation.engine import (
    AnimationCapabilities,
    AnimationEngine,
    AnimationOptions,
    Avatar,
    FrameBatch,
    Performance,
)
from comps.animation.enhancer import Enhancement, EnhancementCounts, Enhancer, Frames
from comps.animation.table import AnimationTable, EnhancerTable
from comps.core.engine import EngineSpec, EngineTable
from comps.core.errors import EngineUnavailableError, FaceError
from comps.core.speech import SpeechChunk

CAPABILITIES = AnimationCapabilities(look_ahead_s=0.0, needs_phones=False, head_pose=False, emotion=False)
BATCH = 5


class StandIn(AnimationEngine):
    capabilities = CAPABILITIES

    def __init__(self, settings: object) -> None:
        self.drawn = 0
        self.open_now = 0
        self.delay_s = 0.0
        self.seen: list[SpeechChunk] = []
        self.options: list[AnimationOptions] = []

    async def load(self) -> None:
        await asyncio.sleep(0)

    async def open(self, avatar: Avatar, options: AnimationOptions) -> Performance:
        if options.emotion == "faceless":
            raise FaceError("this picture cannot be animated")
        self.options.append(options)
        picture = cv2.imread(str(avatar.image), cv2.IMREAD_GRAYSCALE)
        assert picture is not None
        return Act(self, options, int(picture.mean()))


class Act(Performance):
    def __init__(self, engine: StandIn, options: AnimationOptions, grey: int) -> None:
        self.width = self.height = options.size
        self._engine, self._options, self._grey = engine, options, grey

    async def animate(self, speech: AsyncIterator[SpeechChunk]) -> AsyncIterator[FrameBatch]:
        engine, fps = self._engine, self._options.fps
        engine.open_now += 1
        try:
            pcm, rate, frame = np.zeros(0, np.int16), 1, 0
            async for chunk in speech:
                engine.seen.append(chunk)
                pcm, rate = np.concatenate([pcm, chunk.pcm]), chunk.sample_rate
                while (frame + BATCH) * rate <= len(pcm) * fps:
                    yield await self._draw(pcm, rate, frame, BATCH)
                    frame += BATCH
            left = -(-len(pcm) * fps // rate) - frame
            if left > 0:
                yield await self._draw(pcm, rate, frame, left)
        finally:
            engine.open_now -= 1

    async def _draw(self, pcm: NDArray[np.int16], rate: int, first: int, count: int) -> FrameBatch:
        await asyncio.sleep(self._engine.delay_s)
        size = self._options.size
        frames = np.full((count, size * 3 // 2, size), 128, np.uint8)
        frames[:, :size] = self._grey
        for index in range(count):
            start = (first + index) * rate // self._options.fps
            loud = np.abs(pcm[start : start + rate // self._options.fps].astype(np.float64)).mean() if len(pcm) else 0
            frames[index, size // 4 : size * 3 // 4, size // 4 : size * 3 // 4] = min(235, 16 + loud / 40)
        self._engine.drawn += count
        return FrameBatch(first, frames)


TABLE: AnimationTable = EngineTable(
    "animation",
    [
        EngineSpec("stand-in", "tests.animation.stand_in:StandIn", None, CAPABILITIES),
        EngineSpec("absent", "tests.animation.no_such_module:Engine", "wav2lip", CAPABILITIES),
    ],
)


class Inverter(Enhancer):
    """Turns the colours of every second frame round and doubles the size; the others show no face to it."""

    def __init__(self, settings: object) -> None:
        self.opened: list[tuple[float, bool]] = []

    async def load(self) -> None:
        await asyncio.sleep(0)

    def open(self, strength: float, *, still: bool) -> Enhancement:
        self.opened.append((strength, still))
        return Inversion(strength)


class Inversion(Enhancement):
    upscale = 2

    def __init__(self, strength: float) -> None:
        self._strength = strength
        self.counts = EnhancementCounts()

    async def enhance(self, frames: Frames) -> Frames:
        if self._strength == 0.5:
            raise EngineUnavailableError("the enhancer failed")
        large = frames.repeat(2, 1).repeat(2, 2)
        for frame in large:
            if self.counts.frames % 2 == 0:
                frame[:] = 255 - frame
            else:
                self.counts.without_face += 1
            self.counts.frames += 1
        return large


ENHANCERS: EnhancerTable = EngineTable(
    "animation",
    [
        EngineSpec("inverter", "tests.animation.stand_in:Inverter", None, None),
        EngineSpec("absent", "tests.animation.no_such_module:Enhancer", "neural", None),
    ],
    "enhancer",
)
