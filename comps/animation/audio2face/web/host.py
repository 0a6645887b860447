"""What all clips of the service share: the model, loaded when the first clip comes, and the bound on clips at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal, TypeVar

import anyio
from fastapi import FastAPI
from starlette.requests import HTTPConnection

from comps.animation.audio2face.configuration import Configuration, Layers, read_configuration
from comps.animation.audio2face.configuration.advanced import InputSanitization
from comps.animation.audio2face.inference.choice import InferenceSettings, load_inference
from comps.animation.audio2face.inference.model import EmotionDetector, FaceModel
from comps.animation.audio2face.pipeline import Audio2Face, PipelineOptions
from comps.animation.audio2face.web.settings import Audio2FaceSettings
from comps.core.errors import BusyError
from comps.core.threads import run_to_end

ResultT = TypeVar("ResultT")
Fps = Literal[30, 60]
Load = Callable[[Configuration, InferenceSettings], tuple[FaceModel, EmotionDetector | None]]


class FaceHost:
    """Gives clips their face. Loading that failed is tried anew with the next clip.

    Args:
        settings: the service's.
        load: makes model and detector of a configuration.
    """

    def __init__(self, settings: Audio2FaceSettings, load: Load = load_inference) -> None:
        self.settings = settings
        self._load = load
        self._loading = anyio.Lock()
        self._faces: dict[Fps, Audio2Face] = {}
        self._workers = anyio.CapacityLimiter(os.cpu_count() or 1)
        self._streams = 0

    @property
    def streams(self) -> int:
        """Clips that are being animated."""
        return self._streams

    async def face(self, fps: Fps) -> Audio2Face:
        """What clips at `fps` are opened with; the first call loads it, in seconds.

        Raises:
            ConfigurationError: a file is broken.
            EngineUnavailableError: a library or a model is missing.
        """
        async with self._loading:
            if fps not in self._faces:
                self._faces[fps] = await run_to_end(lambda: self._made(fps))
        return self._faces[fps]

    @contextmanager
    def stream(self, face: Audio2Face) -> Iterator[None]:
        """One clip's place; raises BusyError when as many are animated as the deployment file allows."""
        most = face.layers.configuration.deployment.common.stream_number
        if self._streams >= most:
            raise BusyError(f"{self._streams} clips are being animated, which is as many as fit", retry_after_s=1)
        self._streams += 1
        try:
            yield
        finally:
            self._streams -= 1

    def longest_s(self, face: Audio2Face) -> float:
        """Seconds that a clip may last: the service's bound or the advanced file's, whichever is less."""
        return min(self.settings.max_audio_s, limits_of(face).max_audio_clip_size_second)

    async def run(self, work: Callable[[], ResultT]) -> ResultT:
        """Blocking work on a clip; it has ended when this returns or raises, so that no two threads touch a clip."""
        return await run_to_end(work, self._workers)

    def _made(self, fps: Fps) -> Audio2Face:
        options = PipelineOptions(fps=fps)
        for face in self._faces.values():
            return Audio2Face(face.layers, face.model, face.detector, options)
        settings = self.settings
        configuration = read_configuration(
            settings.audio2face_stylization_config,
            settings.audio2face_deployment_config,
            settings.audio2face_advanced_config,
        )
        chosen = InferenceSettings(face=settings.audio2face_inference, models_dir=settings.models_dir)
        model, detector = self._load(configuration, chosen)
        return Audio2Face(Layers(configuration, model.defaults), model, detector, options)


def limits_of(face: Audio2Face) -> InputSanitization:
    """What clients may send."""
    return face.layers.configuration.advanced.input_sanitization


def keep_host(app: FastAPI, host: FaceHost) -> None:
    """Give the app its host."""
    app.state.face_host = host


def host_of(connection: HTTPConnection) -> FaceHost:
    """The host of the app that serves this request or WebSocket."""
    host: FaceHost = connection.app.state.face_host
    return host
