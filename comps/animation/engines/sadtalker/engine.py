"""SadTalkerEngine: face, head and eyes move with the speech, by the networks of Zhang et al. (2023)."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from typing import ParamSpec, TypeVar

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
from comps.animation.engines.sadtalker.camera import Camera
from comps.animation.engines.sadtalker.composing import Composer
from comps.animation.engines.sadtalker.drawing import Drawable
from comps.animation.engines.sadtalker.loading import Loaded, load
from comps.animation.engines.sadtalker.motion import FaceMotion, MotionOptions, MotionStream, joined, look_ahead_s
from comps.animation.engines.sadtalker.settings import SadTalkerSettings
from comps.animation.engines.sadtalker.source import Picture
from comps.animation.engines.sadtalker.subject import Subject, prepare
from comps.animation.listener import Listener
from comps.animation.neural.batching import BatchCounts, SharedBatch
from comps.animation.once import OnceCache
from comps.core.errors import NotReadyError
from comps.core.speech import SpeechChunk

P = ParamSpec("P")
T = TypeVar("T")
Pose = NDArray[np.float32]
RefinePose = Callable[[int, Pose], Pose]
"""From the number of the first frame and its and the next frames' head poses, float32 `[n, 3]` (yaw, pitch and roll in
degrees), to as many others. Called in a worker thread, with the frames of an answer in order."""

BATCH_WAIT_S = 0.02
"""Longest a frame waits for frames of other answers."""
PIECE_S = 1.0
"""Speech whose motion is computed at once, so that an answer can be stopped in between."""


class SadTalkerEngine(AnimationEngine):
    """Draws a face whose expression and head motion come from the speech alone.

    How far it looks ahead depends on the settings, and `capabilities` of a made engine say it: the sound of a window, 13
    frames around the one that is drawn, and, unless the head is still, the frames of head motion that are drawn at once
    and 6 for smoothing. Angles given as a list are walked over the whole answer, which must then be heard first.

    Args:
        settings: the animation service's.
    """

    capabilities = AnimationCapabilities(
        look_ahead_s=look_ahead_s(still=False), needs_phones=False, head_pose=True, emotion=False
    )

    def __init__(self, settings: SadTalkerSettings) -> None:
        self._settings = settings
        ahead = look_ahead_s(settings.sadtalker_still, settings.sadtalker_pose_step)
        self.capabilities = replace(self.capabilities, look_ahead_s=ahead)
        self._subjects: OnceCache[Subject] = OnceCache(settings.sadtalker_avatars)
        self._stage: Stage | None = None
        self._workers: ThreadPoolExecutor | None = None

    async def load(self) -> None:
        """Read checkpoints and reference videos; raises EngineUnavailableError that says what is missing."""
        workers = ThreadPoolExecutor(max_workers=os.cpu_count() or 1, thread_name_prefix="sadtalker")
        self._workers = workers
        self.use(await asyncio.get_running_loop().run_in_executor(workers, load, self._settings), workers)

    def use(self, loaded: Loaded, workers: ThreadPoolExecutor) -> None:
        """Work with `loaded` from now on."""
        shared = SharedBatch(loaded.drawer.draw, self._settings.sadtalker_batch, BATCH_WAIT_S)
        self._workers, self._stage = workers, Stage(self._settings, loaded, shared, workers)

    @property
    def counts(self) -> BatchCounts:
        """Frames drawn so far, and the calls of the network they took."""
        return self._stage.shared.counts if self._stage is not None else BatchCounts()

    async def close(self) -> None:
        """Stop the threads; a batch being drawn is finished first."""
        if self._stage is not None:
            await self._stage.shared.close()
            self._stage = None
        if self._workers is not None:
            self._workers.shutdown(wait=False, cancel_futures=True)
            self._workers = None
        self._subjects.clear()

    async def open(
        self, avatar: Avatar, options: AnimationOptions, refine: RefinePose | None = None
    ) -> SadTalkerPerformance:
        """Prepare an answer (about a second the first time on a CPU); raises FaceError when its picture cannot be read.

        `refine` may change the head's pose before each frame is drawn.
        """
        if self._stage is None:
            raise NotReadyError("the SadTalker engine is not loaded")
        subject = await self._stage.in_thread(self._subject, avatar, self._stage.loaded)
        return SadTalkerPerformance(self._stage, subject, options, refine)

    def _subject(self, avatar: Avatar, loaded: Loaded) -> Subject:
        mode, side = self._settings.sadtalker_preprocess, self._settings.sadtalker_size
        key = (str(avatar.image), avatar.image.stat().st_mtime_ns, avatar.rig.stat().st_mtime_ns)
        return self._subjects.get(key, partial(prepare, avatar, loaded.networks, loaded.points, mode, side))


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """What all performances of a loaded engine work with."""

    settings: SadTalkerSettings
    loaded: Loaded
    shared: SharedBatch[Drawable, Picture]
    workers: ThreadPoolExecutor

    async def in_thread(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run blocking `work` off the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self.workers, partial(work, *args, **kwargs))


class SadTalkerPerformance(Performance):
    """One answer; frames are rgb24. `still` tells that the face keeps its place."""

    def __init__(self, stage: Stage, subject: Subject, options: AnimationOptions, refine: RefinePose | None) -> None:
        settings = stage.settings
        self._stage, self._subject, self._options, self._refine = stage, subject, options, refine
        self._camera = Camera(settings.sadtalker_yaw, settings.sadtalker_pitch, settings.sadtalker_roll)
        self._composer = Composer(subject.cut, settings.sadtalker_preprocess, options.size, settings.sadtalker_paste)
        self.width, self.height = self._composer.width, self._composer.height
        self.still = settings.sadtalker_still

    async def animate(self, speech: AsyncIterator[SpeechChunk]) -> AsyncIterator[FrameBatch]:
        """Draw in batches, each as soon as the speech it depends on was heard."""
        async with aclosing(self.animate_from(speech, 0)) as batches:
            async for batch in batches:
                yield batch

    async def animate_from(self, speech: AsyncIterator[SpeechChunk], first: int) -> AsyncGenerator[FrameBatch, None]:
        """See `Performance.animate_from`: of the frames before `first` only the motion is made."""
        motions = self._whole(speech) if self._camera.moves else self._motions(speech)
        async with aclosing(motions) as pieces:
            async for piece in pieces:
                posed = await self._stage.in_thread(self._posed, piece)
                motion = posed[min(len(posed), max(0, first - posed.first)) :]
                for start in range(0, len(motion), self._batch):
                    yield await self._draw(motion[start : start + self._batch])

    @property
    def _batch(self) -> int:
        return self._stage.settings.sadtalker_batch

    async def _motions(self, speech: AsyncIterator[SpeechChunk]) -> AsyncGenerator[FaceMotion, None]:
        """The motion of the speech, piece by piece."""
        stream: MotionStream | None = None
        async with Listener(speech) as listener:
            while (chunk := await listener.next()) is not None:
                stream = stream or self._stream(chunk.sample_rate)
                step = round(PIECE_S * chunk.sample_rate)
                for start in range(0, len(chunk.pcm), step):
                    yield await self._stage.in_thread(stream.feed, chunk.pcm[start : start + step])
        if stream is not None:
            yield await self._stage.in_thread(stream.finish)

    async def _whole(self, speech: AsyncIterator[SpeechChunk]) -> AsyncGenerator[FaceMotion, None]:
        """The motion of all the speech at once, about 5 kB a second, with the head's angles as they were given."""
        async with aclosing(self._motions(speech)) as pieces:
            whole = joined([piece async for piece in pieces])
        yield replace(whole, pose=self._camera.angles(whole.pose))

    def _stream(self, sample_rate: int) -> MotionStream:
        settings, options = self._stage.settings, self._options
        motion = MotionOptions(
            sample_rate=sample_rate,
            fps=options.fps,
            seed=options.seed,
            style=settings.sadtalker_pose_style,
            step=settings.sadtalker_pose_step,
            still=settings.sadtalker_still,
            head_motion=options.head_motion,
            expression_scale=settings.sadtalker_expression_scale,
            blinks=options.blinks,
        )
        loaded = self._stage.loaded
        return MotionStream(loaded.networks.motion, self._subject.coefficients, motion, loaded.reference)

    def _posed(self, motion: FaceMotion) -> FaceMotion:
        pose = motion.pose if self._camera.moves else self._camera.angles(motion.pose)
        if self._refine is not None and len(pose):
            pose = self._refine(motion.first, pose).astype(np.float32)
        return replace(motion, pose=pose)

    async def _draw(self, motion: FaceMotion) -> FrameBatch:
        subject = self._subject
        points = await self._stage.in_thread(motion.keypoints, subject.canonical)
        faces = await self._drawn([Drawable(subject.source, subject.keypoints, each) for each in points])
        return FrameBatch(motion.first, await self._stage.in_thread(self._composed, faces), "rgb24")

    async def _drawn(self, items: Sequence[Drawable]) -> list[Picture]:
        """The pictures of `items`, in calls shared with other answers; cancelled ones are dropped."""
        tasks = [asyncio.ensure_future(self._stage.shared.submit(item, session=self)) for item in items]
        try:
            return list(await asyncio.gather(*tasks))
        finally:
            for task in tasks:
                task.cancel()

    def _composed(self, faces: Sequence[Picture]) -> NDArray[np.uint8]:
        return np.stack([self._composer.frame(face) for face in faces])
