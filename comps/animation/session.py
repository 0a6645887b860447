"""One answer being animated: speech in, encoded segments or raw frames out."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Any

import anyio

from comps.animation.ahead import one_ahead
from comps.animation.engine import AnimationEngine, AnimationOptions, Avatar, FrameBatch, Performance
from comps.animation.enhancer import EnhancedPerformance, Enhancer
from comps.animation.hearing import with_phones
from comps.core.media.video import Mp4Writer, Segment, VideoSpec
from comps.core.speech import Pcm, SpeechChunk
from comps.core.threads import run_to_end

SOUND_AHEAD_S = 0.12
"""Sound encoded beyond the frames, in seconds: the resampler, the encoder and the muxer each hold some back."""


@dataclass(slots=True)
class Progress:
    """What a session has made so far: `frames`, and `duration` in seconds of sound."""

    frames: int = 0
    duration: float = 0.0


@dataclass(frozen=True, slots=True)
class Workers:
    """Bounds of the threads that do the blocking work: `encode` for codecs, `prepare` for pictures and hearing."""

    encode: anyio.CapacityLimiter
    prepare: anyio.CapacityLimiter


class AnimationSession:
    """Joins an engine's performance with an encoder on the clock of one answer.

    `pace`: seconds of work for a second of speech, once `segments` has ended and there was enough to tell it from; how
    long whoever takes the segments needed for them does not count.

    Closing an iterator it gave stops the work: the engine draws at most one batch more.
    """

    def __init__(
        self,
        performance: Performance,
        options: AnimationOptions,
        sample_rate: int,
        needs_phones: bool,
        workers: Workers,
    ) -> None:
        self._performance = performance
        self._options = options
        self._sample_rate = sample_rate
        self._workers = workers
        self._needs_phones = needs_phones
        self.progress = Progress()
        self.pace: float | None = None
        self._all_heard: tuple[float, int] | None = None
        self._waited = 0.0

    @classmethod
    async def open(
        cls,
        engine: AnimationEngine,
        avatar: Avatar,
        options: AnimationOptions,
        sample_rate: int,
        workers: Workers,
        enhancer: Enhancer | None = None,
    ) -> AnimationSession:
        """Prepare `avatar`, its faces to be made better by `enhancer`; raises FaceError when it cannot be animated."""
        performance = await engine.open(avatar, options)
        if enhancer is not None:
            enhancement = enhancer.open(options.enhancer_strength, still=performance.still)
            performance = EnhancedPerformance(performance, enhancement)
        return cls(performance, options, sample_rate, engine.capabilities.needs_phones, workers)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the video in pixels."""
        return self._performance.width, self._performance.height

    @property
    def fps(self) -> int:
        """Frames per second of the video."""
        return self._options.fps

    @property
    def unenhanced(self) -> int | None:
        """Frames so far in which the enhancer saw no face; None without an enhancer."""
        performance = self._performance
        return performance.counts.without_face if isinstance(performance, EnhancedPerformance) else None

    @property
    def lost_faces(self) -> int | None:
        """Frames so far of the avatar's film in which its face was not found; None without a film."""
        return self._performance.lost_faces

    @property
    def notes(self) -> tuple[str, ...]:
        """What the engine did otherwise than asked."""
        return self._performance.notes

    async def frames(self, speech: AsyncIterator[SpeechChunk], first: int = 0) -> AsyncGenerator[FrameBatch, None]:
        """Every frame of the speech from number `first` on, as soon as it is drawn; the next batch is drawn while one is used."""

        heard = with_phones(speech, self._workers.prepare) if self._needs_phones else speech

        async def counted() -> AsyncIterator[SpeechChunk]:
            async for chunk in heard:
                self.progress.duration = chunk.end
                yield chunk

        async with aclosing(one_ahead(self._performance.animate_from(counted(), first))) as batches:
            async for batch in batches:
                self.progress.frames += len(batch.frames)
                yield batch

    def writer(self) -> Mp4Writer:
        """The encoder for `segments`; made first, because a client is told its type before anything is drawn."""
        width, height = self.size
        fps, preset = self._options.fps, self._options.video_preset
        fragment = max(2, round(fps * 0.5))
        return Mp4Writer(VideoSpec(width, height, fps, self._sample_rate, fragment_frames=fragment, preset=preset))

    async def segments(self, speech: AsyncIterator[SpeechChunk], writer: Mp4Writer) -> AsyncGenerator[Segment, None]:
        """The fragmented MP4 of the speech: its init segment, then each fragment when it is full."""
        sound = _Sound(self._sample_rate)

        async def listened() -> AsyncIterator[SpeechChunk]:
            async for chunk in speech:
                sound.put(chunk.pcm)
                yield chunk

        async with aclosing(self.frames(listened())) as batches:
            async for batch in batches:
                until = (batch.first + len(batch.frames)) / self.fps + SOUND_AHEAD_S
                for segment in await self._encode(_encoded, writer, sound.take(until), batch):
                    given = time.monotonic()
                    yield segment
                    self._waited += time.monotonic() - given
        last = await self._encode(_closed, writer, sound.take(math.inf))
        self._note_pace()
        for segment in last:
            yield segment

    def all_heard(self) -> None:
        """To be called when all speech is there: the frames that come now wait for nothing, and tell the pace."""
        self._all_heard = time.monotonic() - self._waited, self.progress.frames

    def _note_pace(self) -> None:
        if self._all_heard is not None:
            since, first = self._all_heard
            frames = self.progress.frames - first
            if frames >= self.fps:
                self.pace = (time.monotonic() - self._waited - since) / frames * self.fps

    async def _encode(self, work: Callable[..., list[Segment]], *arguments: Any) -> list[Segment]:
        return await run_to_end(partial(work, *arguments), self._workers.encode)


class _Sound:
    """The samples that were heard and are not encoded yet, taken up to a time of the answer.

    Sound is encoded with the frames it belongs to, not when it comes: encoding a whole sentence would hold back the
    first picture.
    """

    def __init__(self, sample_rate: int) -> None:
        self._sample_rate = sample_rate
        self._waiting: deque[Pcm] = deque()
        self._taken = 0

    def put(self, pcm: Pcm) -> None:
        self._waiting.append(pcm)

    def take(self, until_s: float) -> list[Pcm]:
        """What lies before `until_s` seconds and was not taken before."""
        pieces = []
        while self._waiting and self._taken < until_s * self._sample_rate:
            pcm = self._waiting.popleft()
            wanted = len(pcm) if math.isinf(until_s) else math.ceil(until_s * self._sample_rate) - self._taken
            if wanted < len(pcm):
                self._waiting.appendleft(pcm[wanted:])
            pieces.append(pcm[:wanted])
            self._taken += len(pieces[-1])
        return pieces


def _encoded(writer: Mp4Writer, sound: list[Pcm], batch: FrameBatch) -> list[Segment]:
    for pcm in sound:
        writer.add_audio(pcm)
    writer.add_video(batch.frames, batch.pixel_format)
    return writer.take()


def _closed(writer: Mp4Writer, sound: list[Pcm]) -> list[Segment]:
    for pcm in sound:
        writer.add_audio(pcm)
    writer.close()
    return writer.take()
