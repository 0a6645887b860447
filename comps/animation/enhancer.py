"""What an enhancer is: a performance in, the same performance with better faces out."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass

import anyio.to_thread
import cv2
import numpy as np
from numpy.typing import NDArray

from comps.animation.ahead import one_ahead
from comps.animation.engine import FrameBatch, Performance
from comps.core.engine import Engine
from comps.core.speech import SpeechChunk

logger = logging.getLogger(__name__)

Frames = NDArray[np.uint8]


@dataclass(slots=True)
class EnhancementCounts:
    """Of one clip: its frames, and those in which no face was seen and which were passed on as they are."""

    frames: int = 0
    without_face: int = 0


class Enhancement(ABC):
    """One clip being enhanced; `upscale` is how many times wider and higher its frames become."""

    upscale: int
    counts: EnhancementCounts

    @abstractmethod
    async def enhance(self, frames: Frames) -> Frames:
        """The next frames of the clip, RGB uint8 `[n, h, w, 3]`, as `[n, h * upscale, w * upscale, 3]`.

        A frame without a face comes back as it is, enlarged. Whatever fails is raised.
        """

    async def see(self, frames: Frames) -> None:
        """Take note of the next frames without making them better; those after them become what they would have.

        By default they are enhanced and dropped.
        """
        await self.enhance(frames)


class Enhancer(Engine):
    """Makes faces better after an engine drew them."""

    @abstractmethod
    def open(self, strength: float, *, still: bool) -> Enhancement:
        """Begin a clip.

        Args:
            strength: 0 leaves the frames as they are, 1 shows the enhanced face alone.
            still: the face keeps its place in all frames.
        """


class EnhancedPerformance(Performance):
    """A performance whose frames pass through an enhancement; they are rgb24."""

    def __init__(self, performance: Performance, enhancement: Enhancement) -> None:
        self._performance = performance
        self._enhancement = enhancement
        self.still = performance.still
        self.width = performance.width * enhancement.upscale
        self.height = performance.height * enhancement.upscale

    @property
    def lost_faces(self) -> int | None:  # type: ignore[override]
        """See `Performance`."""
        return self._performance.lost_faces

    @property
    def notes(self) -> tuple[str, ...]:  # type: ignore[override]
        """See `Performance`."""
        return self._performance.notes

    @property
    def counts(self) -> EnhancementCounts:
        """What was enhanced so far."""
        return self._enhancement.counts

    async def animate(self, speech: AsyncIterator[SpeechChunk]) -> AsyncIterator[FrameBatch]:
        """See `Performance.animate`."""
        async with aclosing(self.animate_from(speech, 0)) as batches:
            async for batch in batches:
                yield batch

    async def animate_from(self, speech: AsyncIterator[SpeechChunk], first: int) -> AsyncGenerator[FrameBatch, None]:
        """See `Performance.animate_from`: frames before `first` are drawn, as what is seen in them counts later."""
        async with aclosing(one_ahead(self._performance.animate(speech))) as batches:
            async for batch in batches:
                frames = await anyio.to_thread.run_sync(to_rgb, batch)
                skipped = min(len(frames), max(0, first - batch.first))
                if skipped:
                    await self._enhancement.see(frames[:skipped])
                if skipped < len(frames):
                    enhanced = await self._enhancement.enhance(frames[skipped:])
                    yield FrameBatch(batch.first + skipped, enhanced, "rgb24")
        if self.counts.without_face:
            logger.warning(
                "no face was seen in %d of %d frames, which were not enhanced",
                self.counts.without_face,
                self.counts.frames,
            )


def to_rgb(batch: FrameBatch) -> Frames:
    """The frames as RGB uint8 `[n, h, w, 3]`."""
    if batch.pixel_format == "rgb24":
        return batch.frames
    frames = [cv2.cvtColor(frame, cv2.COLOR_YUV2RGB_I420) for frame in batch.frames]
    return np.stack(frames).astype(np.uint8, copy=False)
