"""OfflineJob: a whole answer by the program's own script, from a WAV and a picture to the frames of an MP4."""

from __future__ import annotations

import asyncio
import logging
import re
import shutil
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread
import numpy as np
from numpy.typing import NDArray

from comps.animation.engines.liveavatar.failures import FailedError, Failure, recognise
from comps.animation.engines.liveavatar.launch.command import Job, build_command, environment
from comps.animation.engines.liveavatar.launch.observed import Observed, watching
from comps.animation.engines.liveavatar.launch.plan import Plan
from comps.animation.engines.liveavatar.launch.preset import clips
from comps.animation.engines.liveavatar.launch.program import Program
from comps.animation.engines.liveavatar.live.channel import BLOCK_FRAMES, BLOCK_SAMPLES, FPS, RATE
from comps.animation.engines.liveavatar.look import Look
from comps.animation.engines.liveavatar.offline.film import Film, count_frames
from comps.animation.engines.liveavatar.process import ProcessGroup, free_port
from comps.animation.engines.liveavatar.settings import LiveAvatarSettings
from comps.core.errors import UpstreamTimeoutError
from comps.core.media.audio import encode_audio
from comps.core.threads import run_to_end

logger = logging.getLogger(__name__)

LOST_FRAMES = 3
"""Frames fewer than a multiple of 12 that the program makes: its first block has nine."""
_STEP_BAR = re.compile(r"100%\|.*\|\s*(\d+)/\1\b")
"""A progress bar over the sampling steps that has come to its end: one block is done."""
_SAVING = re.compile(r"Saving generated video|[Ss]aved? (?:the )?video")


@dataclass(slots=True)
class Progress:
    """How far a job is: blocks made of all, since when (monotonic seconds), and whether the file is being written."""

    blocks: int
    steps: int
    done: int = 0
    saving: bool = False
    began: float = field(default_factory=time.monotonic)
    first: float | None = None

    def note(self, line: str) -> None:
        """Look at a line of the program's output."""
        bar = _STEP_BAR.search(line)
        if bar is not None and int(bar.group(1)) == self.steps:
            self.done = min(self.blocks, self.done + 1)
            self.first = time.monotonic() if self.first is None else self.first
        self.saving = self.saving or _SAVING.search(line) is not None

    @property
    def left_s(self) -> float | None:
        """Seconds until the last block, by the pace since the first one; None before the second one."""
        if self.first is None or self.done < 2:
            return None
        return (time.monotonic() - self.first) / (self.done - 1) * (self.blocks - self.done)

    def __str__(self) -> str:
        if self.saving:
            return "writing the video"
        if not self.done:
            return "loading"
        left = f", about {self.left_s:.0f} s left" if self.left_s is not None else ""
        return f"block {self.done} of {self.blocks}{left}"


class OfflineJob:
    """One answer on one group of GPUs.

    Args:
        sound: the whole speech, int16 `[n]` at 16 kHz.
        frames: frames of the program that are needed, at 25 a second.
    """

    def __init__(
        self,
        settings: LiveAvatarSettings,
        program: Program,
        plan: Plan,
        look: Look,
        sound: NDArray[np.int16],
        frames: int,
    ) -> None:
        self._settings, self._program, self._plan, self._look = settings, program, plan, look
        self._sound, self._frames = sound, frames
        self._clips = clips(Fraction(frames, FPS), plan.infer_frames)
        self.progress = Progress(self._clips * plan.infer_frames // BLOCK_FRAMES, plan.steps)

    async def batches(self) -> AsyncGenerator[NDArray[np.uint8], None]:
        """Run the program, then yield its frames in groups of at most 12: RGB uint8 `[n, h, w, 3]`, `frames` in all.

        Nothing of the program and of its files is left afterwards, also when this is closed early.

        Raises:
            FailedError: it ended without a video, or with one of another length.
            UpstreamTimeoutError: it took too long.
        """
        folder = Path(await anyio.to_thread.run_sync(tempfile.mkdtemp, "", "avatar-job-"))
        try:
            job = Job(
                image=folder / "picture.png",
                audio=folder / "speech.wav",
                out=folder / "video.mp4",
                prompt=self._look.prompt,
                seed=self._look.seed,
                clips=self._clips,
            )
            await anyio.to_thread.run_sync(self._write_inputs, job)
            async with watching(self._settings.liveavatar_nvidia_smi, self._plan.gpus) as watch:
                await self._run(job)
            observed = Observed(self._settings.liveavatar_peaks_dir)
            await anyio.to_thread.run_sync(observed.keep, self._plan, watch.peak_gib)
            async with aclosing(self._read(job.out)) as groups:
                async for frames in groups:
                    yield frames
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(lambda: shutil.rmtree(folder, ignore_errors=True))

    def _write_inputs(self, job: Job) -> None:
        self._look.write(job.image)
        # Silence up to the end of the last clip: what the program writes is cut where its sound ends.
        whole = np.zeros(max(len(self._sound), self.progress.blocks * BLOCK_SAMPLES), np.int16)
        whole[: len(self._sound)] = self._sound
        job.audio.write_bytes(encode_audio(whole, RATE, "wav"))

    async def _run(self, job: Job) -> None:
        command = build_command(self._program, self._plan, free_port(), job)
        settings = self._settings
        group = await ProcessGroup.start(
            command,
            self._program.checkout,
            environment(self._plan),
            settings.liveavatar_stop_s,
            self._note,
            private=job.prompt,
            folder=job.out.parent,
        )
        try:
            code = await asyncio.wait_for(group.wait(), settings.liveavatar_job_s)
        except asyncio.TimeoutError as error:
            raise UpstreamTimeoutError(
                f"LiveAvatar did not finish within {settings.liveavatar_job_s:g} s: ask for less speech at once"
            ) from error
        finally:
            await group.stop()
        if code or not job.out.is_file():
            failure = recognise(list(group.lines), code)
            logger.error("LiveAvatar ended with exit code %d: %s", code, failure.line)
            raise FailedError(failure)

    def _note(self, line: str) -> None:
        logger.debug("LiveAvatar | %s", line)
        self.progress.note(line)

    async def _read(self, path: Path) -> AsyncGenerator[NDArray[np.uint8], None]:
        """The frames of the video, the last one held for those of its end that the program does not make."""
        expected = self.progress.blocks * BLOCK_FRAMES - LOST_FRAMES
        made = await anyio.to_thread.run_sync(count_frames, path)
        if made < min(self._frames, expected):
            raise FailedError(Failure("unknown", seen=f"the video has {made} frames, not {expected}"))
        if made != expected:
            logger.warning("LiveAvatar's video has %d frames, not %d; those that are needed are there", made, expected)
        film = await anyio.to_thread.run_sync(Film, path)
        try:
            for start in range(0, self._frames, BLOCK_FRAMES):
                yield await run_to_end(partial(film.take, min(BLOCK_FRAMES, self._frames - start)))
        finally:
            film.close()
