"""Studio: everything a request of the animation service needs, made once when the service starts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar

import anyio
import anyio.to_thread
from fastapi import FastAPI, Request
from starlette.requests import HTTPConnection

from comps.animation.avatars import AvatarStore, StoreLimits
from comps.animation.engine import AnimationCapabilities, AnimationEngine, AnimationOptions, Avatar
from comps.animation.engines.portrait.rig.finder import rig_finder
from comps.animation.outputs import OutputFolder
from comps.animation.requests import Look
from comps.animation.session import AnimationSession, Workers
from comps.animation.settings import AnimationSettings
from comps.animation.table import AnimationTable
from comps.core.engine import EngineHost
from comps.core.errors import BusyError
from comps.core.media.image import decode_image

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(slots=True)
class Studio:
    """The engines, the avatars, the finished videos and the bounds of one service."""

    settings: AnimationSettings
    engines: EngineHost[AnimationEngine, AnimationCapabilities]
    avatars: AvatarStore
    outputs: OutputFolder
    workers: Workers
    sessions: int = field(default=0)

    @classmethod
    def build(cls, settings: AnimationSettings, table: AnimationTable) -> Studio:
        """Make the folders and read what is there; blocks."""
        limits = StoreLimits(avatars=settings.max_avatars, bytes=settings.max_avatar_bytes)
        store = AvatarStore(settings.data_dir, rig_finder(settings.face_landmarker), limits)
        store.default = settings.default_avatar
        if settings.face is not None:
            picture = decode_image(settings.face.read_bytes(), max_pixels=settings.max_pixels)
            store.default = store.add(picture, settings.face.stem).id
        return cls(
            settings=settings,
            engines=EngineHost(table, settings.engine, settings),
            avatars=store,
            outputs=OutputFolder(settings.output_dir, settings.max_outputs, settings.max_output_age_s),
            workers=Workers(encode=anyio.CapacityLimiter(2), prepare=anyio.CapacityLimiter(2)),
        )

    async def warm(self) -> None:
        """Load the default engine and prepare the default avatar, so that the first answer is as quick as the next."""
        engine = await self.engines.get()
        await engine.open(await self.avatar(""), self.options(Look()))

    async def in_thread(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run blocking `work` on pictures, sound or files in a worker thread."""
        return await anyio.to_thread.run_sync(lambda: work(*args, **kwargs), limiter=self.workers.prepare)

    @asynccontextmanager
    async def session(self, look: Look, avatar: Avatar, sample_rate: int) -> AsyncIterator[AnimationSession]:
        """An answer by `avatar`; raises BusyError when as many are being animated as fit."""
        if self.sessions >= self.settings.max_sessions:
            raise BusyError(f"{self.sessions} answers are being animated, which is as many as fit", retry_after_s=2)
        self.sessions += 1
        try:
            engine = await self.engines.get(look.engine)
            yield await AnimationSession.open(engine, avatar, self.options(look), sample_rate, self.workers)
        finally:
            self.sessions -= 1

    def options(self, look: Look) -> AnimationOptions:
        """What `look` asks for, the rest by the settings."""
        return AnimationOptions(
            fps=look.fps or self.settings.fps,
            size=look.size or self.settings.size,
            emotion=look.emotion,
            seed=look.seed,
        )

    async def avatar(self, avatar: str, picture: bytes | None = None) -> Avatar:
        """The avatar that a request means; `picture` is the file of a face for this request only."""
        if picture is None:
            return await self.in_thread(self.avatars.open, avatar)
        return await self.in_thread(self._temporary, picture)

    def _temporary(self, picture: bytes) -> Avatar:
        return self.avatars.temporary(decode_image(picture, max_pixels=self.settings.max_pixels))


def studio_of(connection: HTTPConnection) -> Studio:
    """The studio of the app that serves this request or WebSocket."""
    studio: Studio = connection.app.state.studio
    return studio


def studio_dependency(request: Request) -> Studio:
    """`studio_of` for routes."""
    return studio_of(request)


def keep_studio(app: FastAPI, studio: Studio) -> None:
    """Give the app its studio."""
    app.state.studio = studio
