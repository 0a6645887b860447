"""Wav2LipEngine: any picture or film of a face says what is heard, by the network of Prajwal et al. (2020)."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar

import cv2

from comps.animation.engine import (
    AnimationCapabilities,
    AnimationEngine,
    AnimationOptions,
    Avatar,
    FrameBatch,
    Performance,
)
from comps.animation.engines.wav2lip.boxes import Pads
from comps.animation.engines.wav2lip.compositor import Compositor
from comps.animation.engines.wav2lip.drawer import Spoken
from comps.animation.engines.wav2lip.loading import load_detector, load_drawer
from comps.animation.engines.wav2lip.paste import Paster
from comps.animation.engines.wav2lip.picture import Face, Picture
from comps.animation.engines.wav2lip.rest import Rest
from comps.animation.engines.wav2lip.scene import Scene, SceneOptions, make_scene
from comps.animation.engines.wav2lip.windows import LOOK_AHEAD_S, Windows, WindowStream
from comps.animation.faces.face import FaceDetector
from comps.animation.listener import Listener
from comps.animation.neural.batching import SharedBatch
from comps.animation.once import OnceCache
from comps.animation.settings import AnimationSettings
from comps.core.errors import NotReadyError
from comps.core.speech import SpeechChunk

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

FIRST_BATCH = 5
"""Frames in the first batch, which someone waits for: those of the first fragment of the video, and one to end it."""

CAPABILITIES = AnimationCapabilities(look_ahead_s=LOOK_AHEAD_S, needs_phones=False, head_pose=False, emotion=False)


class Wav2LipEngine(AnimationEngine):
    """Draws the lower face of an avatar anew for every frame; frames of all answers share one batch.

    Args:
        settings: the animation service's.
    """

    capabilities = CAPABILITIES

    def __init__(self, settings: AnimationSettings) -> None:
        self._settings = settings
        self._scenes: OnceCache[Scene] = OnceCache(settings.wav2lip_avatars)
        self._detector: FaceDetector | None = None
        self._shared: SharedBatch[Spoken, Picture] | None = None
        self._workers: ThreadPoolExecutor | None = None

    async def load(self) -> None:
        """Read the weights and make the network ready; raises EngineUnavailableError that says what is missing."""
        settings = self._settings
        # Each frame is small: OpenCV's own threads would only wait for one another where several answers are drawn.
        cv2.setNumThreads(1)
        self._workers = ThreadPoolExecutor(max_workers=os.cpu_count() or 1, thread_name_prefix="wav2lip")
        loop = asyncio.get_running_loop()
        drawer = await loop.run_in_executor(self._workers, load_drawer, settings)
        self._detector = await loop.run_in_executor(self._workers, load_detector, settings)
        self._shared = SharedBatch(
            drawer.draw,
            settings.wav2lip_batch,
            settings.wav2lip_max_wait_ms / 1000,
            max_pending=settings.max_sessions * settings.wav2lip_batch,
        )

    async def close(self) -> None:
        """Stop the threads; a batch being drawn is finished first."""
        if self._shared is not None:
            await self._shared.close()
            self._shared = None
        if self._workers is not None:
            self._workers.shutdown(wait=False, cancel_futures=True)
            self._workers = None
        self._scenes.clear()

    async def open(self, avatar: Avatar, options: AnimationOptions) -> Wav2LipPerformance:
        """Prepare an answer; the first by a film takes about 20 ms for each of its frames.

        Raises:
            FaceError: no face is found in the picture, or in any frame of the film.
            UnprocessableError: the avatar's file is damaged.
        """
        if self._workers is None or self._shared is None or self._detector is None:
            raise NotReadyError("the Wav2Lip engine is not loaded")
        loop = asyncio.get_running_loop()
        make = partial(self._scene, avatar, options.size, self._detector)
        scene = await loop.run_in_executor(self._workers, make)
        return Wav2LipPerformance(scene, options.fps, self._settings, self._shared, self._workers)

    def _scene(self, avatar: Avatar, size: int, detector: FaceDetector) -> Scene:
        settings = self._settings
        options = SceneOptions(
            size=size,
            pads=Pads(*settings.pads),
            box=settings.box,
            smooth=settings.wav2lip_smooth,
            static=settings.wav2lip_static,
            loop=settings.wav2lip_loop,
        )
        files = (avatar.image, avatar.rig, *((avatar.video,) if avatar.video is not None else ()))
        key = (size, *((str(path), *_version(path)) for path in files))
        rigs = settings.wav2lip_s3fd is None
        return self._scenes.get(key, partial(make_scene, avatar, options, detector, rigs))


class Wav2LipPerformance(Performance):
    """One answer; frames are planar yuv420p."""

    def __init__(
        self,
        scene: Scene,
        fps: int,
        settings: AnimationSettings,
        shared: SharedBatch[Spoken, Picture],
        workers: ThreadPoolExecutor,
    ) -> None:
        self._scene, self._fps, self._settings = scene, fps, settings
        self._shared, self._workers = shared, workers
        self.width, self.height = scene.width, scene.height
        self.still = scene.picture is not None
        self.lost_faces = None if self.still else 0
        rests = settings.wav2lip_quiet_mouth and settings.wav2lip_paste == "feathered" and scene.rests
        self._rest = Rest(fps) if rests else None

    async def animate(self, speech: AsyncIterator[SpeechChunk]) -> AsyncIterator[FrameBatch]:
        """Draw in batches; one is cut short when no more speech has come yet."""
        async with aclosing(self.animate_from(speech, 0)) as batches:
            async for batch in batches:
                yield batch

    async def animate_from(self, speech: AsyncIterator[SpeechChunk], first: int) -> AsyncGenerator[FrameBatch, None]:
        """See `Performance.animate_from`: of the frames before `first` only the sound is looked at."""
        compositor = await self._in_thread(Compositor, self._scene, Paster(self._settings.wav2lip_paste))
        stream: WindowStream | None = None
        pending: Windows | None = None
        ended = False
        try:
            async with Listener(speech) as listener:
                while not ended or pending:
                    while not ended and (not pending or (len(pending) < self._wanted(pending) and listener.waiting)):
                        chunk = await listener.next()
                        ended = chunk is None
                        if chunk is not None:
                            stream = stream or WindowStream(
                                chunk.sample_rate, self._fps, self._settings.wav2lip_quiet_mouth
                            )
                            windows = await self._in_thread(stream.feed, chunk.pcm)
                        elif stream is not None:
                            windows = await self._in_thread(stream.finish)
                        else:
                            break
                        windows = self._skipped(windows, first)
                        pending = pending.then(windows) if pending else windows
                    if pending:
                        count = self._wanted(pending)
                        batch, pending = pending[:count], pending[count:]
                        yield await self._draw(compositor, batch)
        finally:
            compositor.close()

    def _skipped(self, windows: Windows, first: int) -> Windows:
        """What is left of `windows` from frame `first` on."""
        count = min(len(windows), max(0, first - windows.first))
        if count and self._rest is not None:
            self._rest.strengths(windows.resting[:count])
        if self.lost_faces is not None:
            numbers = range(windows.first, windows.first + count)
            self.lost_faces += sum(self._scene.index(number, self._fps) in self._scene.lost for number in numbers)
        return windows[count:]

    def _wanted(self, windows: Windows) -> int:
        return min(FIRST_BATCH, self._settings.wav2lip_batch) if windows.first == 0 else self._settings.wav2lip_batch

    async def _draw(self, compositor: Compositor, windows: Windows) -> FrameBatch:
        indices = [self._scene.index(windows.first + row, self._fps) for row in range(len(windows))]
        strengths = self._rest.strengths(windows.resting) if self._rest else [1.0] * len(windows)
        faces = await self._in_thread(self._faces, compositor, indices)
        rows = [row for row, strength in enumerate(strengths) if strength > 0]
        answers = await self._spoken([Spoken(windows.mel[row], faces[row]) for row in rows])
        drawn: list[Picture | None] = [None] * len(windows)
        for row, answer in zip(rows, answers, strict=True):
            drawn[row] = answer
        shown = [face.picture for face in faces]
        frames = await self._in_thread(compositor.compose, indices, drawn, shown, strengths)
        if self.lost_faces is not None:
            self.lost_faces += sum(index in self._scene.lost for index in indices)
        return FrameBatch(windows.first, frames)

    async def _spoken(self, items: Sequence[Spoken]) -> list[Picture]:
        """What the network makes of `items`, in calls shared with other answers; cancelled ones are dropped."""
        tasks = [asyncio.ensure_future(self._shared.submit(item, session=self)) for item in items]
        try:
            return list(await asyncio.gather(*tasks))
        finally:
            for task in tasks:
                task.cancel()

    def _faces(self, compositor: Compositor, indices: Sequence[int]) -> list[Face]:
        """The face of each frame; of as many as fit, what the network makes of it is kept with the scene."""
        kept = self._scene.faces
        found = []
        for index in indices:
            face = kept.get(index)
            if face is None:
                face = Face(compositor.face(index))
                if len(kept) < max(1, self._settings.wav2lip_cached_faces):
                    face = kept.setdefault(index, face)
            found.append(face)
        return found

    async def _in_thread(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._workers, partial(work, *args, **kwargs))


def _version(path: Path) -> tuple[int, int]:
    """What changes when a file is replaced."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return 0, 0
    return found.st_mtime_ns, found.st_size
