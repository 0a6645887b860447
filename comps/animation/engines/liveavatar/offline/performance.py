"""WholePerformance: an answer made offline, once all of it was heard."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing

import anyio
import anyio.to_thread
import numpy as np
import soxr
from numpy.typing import NDArray

from comps.animation.engine import AnimationOptions, FrameBatch, Performance
from comps.animation.engines.liveavatar.failures import FailedError, Failure
from comps.animation.engines.liveavatar.groups import Groups
from comps.animation.engines.liveavatar.launch.gpus import Gpu
from comps.animation.engines.liveavatar.launch.mending import mended
from comps.animation.engines.liveavatar.launch.plan import Plan, for_preset
from comps.animation.engines.liveavatar.launch.program import Program
from comps.animation.engines.liveavatar.live.blocks import model_frame, shown_by
from comps.animation.engines.liveavatar.live.channel import RATE
from comps.animation.engines.liveavatar.look import Look, scaled_frames, scaled_size
from comps.animation.engines.liveavatar.offline.job import OfflineJob
from comps.animation.engines.liveavatar.settings import LiveAvatarSettings
from comps.core.errors import EngineUnavailableError
from comps.core.speech import SpeechChunk

logger = logging.getLogger(__name__)

MOST_TRIES = 12
"""Runs of the program for one answer; the ladder of remedies has fewer rungs."""


class Bench:
    """A group of GPUs for offline work: its `plan`, which failures change, and the job being made."""

    def __init__(self, plan: Plan, gpus: Sequence[Gpu]) -> None:
        self.plan, self.gpus = plan, tuple(gpus)
        self.job: OfflineJob | None = None

    @property
    def running(self) -> bool:
        """Whether a job is being made on its GPUs."""
        return self.job is not None

    def __str__(self) -> str:
        return str(self.job.progress) if self.job is not None else "idle"


class WholePerformance(Performance):
    """One answer; frames are rgb24. Nothing is drawn before the speech has ended."""

    def __init__(
        self,
        settings: LiveAvatarSettings,
        program: Program,
        benches: Groups[Bench],
        look: Look,
        options: AnimationOptions,
    ) -> None:
        self.width, self.height = scaled_size(look.size, options.size)
        self._settings, self._program, self._benches = settings, program, benches
        self._look, self._fps, self._preset = look, options.fps, options.preset

    async def animate(self, speech: AsyncIterator[SpeechChunk]) -> AsyncIterator[FrameBatch]:
        """See `Performance.animate`; closing the iterator ends the program."""
        sound, until = await self._listen(speech)
        if not until:
            return
        async with self._benches.one() as bench, aclosing(self._frames(bench, sound, until)) as groups:
            first = 0
            async for frames in groups:
                numbers = shown_by(first, len(frames), self._fps, until)
                wanted = [model_frame(number, self._fps) - first for number in numbers]
                first += len(frames)
                if wanted:
                    shown = await anyio.to_thread.run_sync(scaled_frames, frames[wanted], self.width, self.height)
                    yield FrameBatch(numbers[0], shown, "rgb24")

    async def _listen(self, speech: AsyncIterator[SpeechChunk]) -> tuple[NDArray[np.int16], int]:
        """The whole speech, int16 `[n]` at 16 kHz, and the number of the video's frames."""
        pieces: list[NDArray[np.int16]] = []
        rate = RATE
        async for chunk in speech:
            pieces.append(chunk.pcm)
            rate = chunk.sample_rate
        if not sum(map(len, pieces)):
            return np.zeros(0, np.int16), 0
        whole = np.concatenate(pieces)
        sound = await anyio.to_thread.run_sync(soxr.resample, whole, rate, RATE)
        return np.asarray(sound, np.int16), -(-len(whole) * self._fps // rate)

    async def _frames(
        self, bench: Bench, sound: NDArray[np.int16], until: int
    ) -> AsyncGenerator[NDArray[np.uint8], None]:
        """The program's frames; after a failure that can be mended it is run again, with the change in the plan's notes."""
        needed = model_frame(until - 1, self._fps) + 1
        plan = for_preset(bench.plan, self._preset)
        for _ in range(MOST_TRIES):
            self.notes = plan.notes
            bench.job = OfflineJob(self._settings, self._program, plan, self._look, sound, needed)
            try:
                async with aclosing(bench.job.batches()) as groups:
                    async for frames in groups:
                        yield frames
                return
            except FailedError as error:
                better = self._mended(plan, bench.gpus, error.failure)
                bench.plan = better if plan == bench.plan else bench.plan
                plan = better
            finally:
                bench.job = None
        raise EngineUnavailableError("LiveAvatar could not draw this answer, whatever was tried")

    def _mended(self, plan: Plan, gpus: Sequence[Gpu], failure: Failure) -> Plan:
        """The plan to try next; raises EngineUnavailableError when trying again is of no use."""
        better = mended(plan, failure, gpus, self._settings.liveavatar_remedies)
        if better is None or (better == plan and failure.kind != "port"):
            tried = f"; tried: {' '.join(plan.notes)}" if plan.notes else ""
            raise EngineUnavailableError(f"LiveAvatar could not draw this answer: {failure}{tried}")
        logger.warning("LiveAvatar failed: %s; it is run again. %s", failure, " ".join(better.notes[-1:]))
        return better
