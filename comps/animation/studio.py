"""Studio: everything a request of the animation service needs, made once when the service starts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar

import anyio
import anyio.to_thread
from fastapi import FastAPI, Request
from starlette.requests import HTTPConnection

from comps.animation.avatars import AvatarStore, StoreLimits
from comps.animation.direction.backdrop import Backdrop
from comps.animation.direction.direction import read_prompt
from comps.animation.engine import AnimationCapabilities, AnimationEngine, AnimationOptions, Avatar
from comps.animation.engines.portrait.rig.finder import RigFinder
from comps.animation.enhancer import Enhancer
from comps.animation.occupancy import Occupancy, Work
from comps.animation.outputs import OutputFolder
from comps.animation.presets import preset_of
from comps.animation.requests import NO_ENHANCER, Look
from comps.animation.session import AnimationSession, Workers
from comps.animation.settings import AnimationSettings
from comps.animation.table import AnimationTable, EnhancerTable
from comps.core.engine import EngineHost
from comps.core.errors import BusyError, UnknownChoiceError, UnprocessableError
from comps.core.media.image import decode_image

P = ParamSpec("P")
T = TypeVar("T")


Learn = Callable[[str, AnimationOptions, float], Awaitable[None]]
"""Is told of an engine, of what it drew, and how many seconds of work that took for a second of speech."""


async def _forget(engine: str, options: AnimationOptions, pace: float) -> None:
    """What is done with it when nobody wants to know."""


@dataclass(slots=True)
class Studio:
    """The engines, the avatars, the finished videos and the bounds of one service.

    `learn` is told how long answers took that had the service to themselves, as `occupancy` counts them, jobs and trials.
    """

    settings: AnimationSettings
    engines: EngineHost[AnimationEngine, AnimationCapabilities]
    enhancers: EngineHost[Enhancer, None]
    avatars: AvatarStore
    finder: RigFinder
    outputs: OutputFolder
    workers: Workers
    sessions: int = field(default=0)
    occupancy: Occupancy = field(default_factory=Occupancy)
    learn: Learn = field(default=_forget)

    @classmethod
    def build(cls, settings: AnimationSettings, table: AnimationTable, enhancers: EnhancerTable) -> Studio:
        """Make the folders and read what is there; blocks."""
        limits = StoreLimits(avatars=settings.max_avatars, bytes=settings.max_avatar_bytes)
        finder = RigFinder(settings.face_landmarker)
        store = AvatarStore(settings.data_dir, finder, limits)
        store.default = settings.default_avatar
        if settings.face is not None:
            picture = decode_image(settings.face.read_bytes(), max_pixels=settings.max_pixels)
            store.default = store.add(picture, settings.face.stem).id
        return cls(
            settings=settings,
            engines=EngineHost(table, settings.engine, settings),
            enhancers=EngineHost(enhancers, settings.enhancer, settings),
            avatars=store,
            finder=finder,
            outputs=OutputFolder(settings.output_dir, settings.max_outputs, settings.max_output_age_s),
            workers=Workers(encode=anyio.CapacityLimiter(2), prepare=anyio.CapacityLimiter(2)),
        )

    async def warm(self) -> None:
        """Load the default engine and prepare the default avatar, so that the first answer is as quick as the next."""
        engine, options = await self.engines.get(), self.options(Look())
        await engine.open(await self.avatar(""), options)
        await self.enhancer(options.enhancer)

    async def close(self) -> None:
        """Free what the engines and enhancers took, and remove the pictures of single requests."""
        try:
            await self.engines.close()
            await self.enhancers.close()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self.avatars.close)
                await anyio.to_thread.run_sync(self.finder.close)

    async def in_thread(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run blocking `work` on pictures, sound or files in a worker thread."""
        return await anyio.to_thread.run_sync(lambda: work(*args, **kwargs), limiter=self.workers.prepare)

    @asynccontextmanager
    async def session(self, look: Look, avatar: Avatar, sample_rate: int) -> AsyncIterator[AnimationSession]:
        """An answer by `avatar`; raises BusyError when as many are being animated as fit."""
        with self.place() as work:
            options = self.options(look)
            engine, enhancer = await self.engines.get(look.engine), await self.enhancer(options.enhancer)
            session = await AnimationSession.open(engine, avatar, options, sample_rate, self.workers, enhancer)
            yield session
            if session.pace is not None and work.alone:
                await self.learn(look.engine or self.engines.default, options, session.pace)

    @contextmanager
    def place(self) -> Iterator[Work]:
        """A place among the answers; raises BusyError when as many are being animated as fit."""
        if self.sessions >= self.settings.max_sessions:
            raise BusyError(f"{self.sessions} answers are being animated, which is as many as fit", retry_after_s=2)
        self.sessions += 1
        try:
            with self.occupancy.work() as work:
                yield work
        finally:
            self.sessions -= 1

    async def enhancer(self, name: str) -> Enhancer | None:
        """The loaded enhancer `name`, None for ``""``.

        Raises:
            UnknownChoiceError: there is none of this name.
            EngineUnavailableError: its library or weights are missing.
        """
        self.require_enhancer(name)
        return await self.enhancers.get(name) if name else None

    def require_enhancer(self, name: str) -> None:
        """Raise UnknownChoiceError when there is no enhancer `name`, which need not be loaded; ``""`` is none."""
        if name and name not in self.enhancers.table.names:
            known = ", ".join((*self.enhancers.table.names, NO_ENHANCER))
            raise UnknownChoiceError(f"there is no enhancer '{name}'; there are: {known}", param="enhancer")

    def options(self, look: Look) -> AnimationOptions:
        """What `look` asks for, the rest by its prompt and preset, then by the settings.

        Raises:
            UnknownChoiceError: there is no such preset or backdrop.
            UnprocessableError: a strength of no enhancer.
        """
        settings, preset, asked = self.settings, preset_of(look.preset), read_prompt(look.prompt)
        usual = settings.enhancer if preset.enhanced else ""
        enhancer = {"": usual, NO_ENHANCER: ""}.get(look.enhancer, look.enhancer)
        if look.enhancer_strength is not None and not enhancer:
            raise UnprocessableError("'enhancer_strength' is for an enhancer: name one", param="enhancer_strength")
        strength = settings.enhancer_strength if look.enhancer_strength is None else look.enhancer_strength
        return AnimationOptions(
            fps=look.fps or preset.fps or settings.fps,
            size=look.size or preset.size or settings.size,
            emotion=look.emotion or asked.emotion,
            head_motion=asked.head_motion,
            backdrop=Backdrop.parse(look.backdrop) if look.backdrop else asked.backdrop,
            prompt=look.prompt,
            seed=look.seed,
            enhancer=enhancer,
            enhancer_strength=strength,
            preset=preset.name,
            video_preset=preset.video_preset or settings.video_preset,
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
