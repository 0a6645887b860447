"""The animation service: avatars, whole videos and live sessions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

import anyio.to_thread
from fastapi import FastAPI, WebSocket

from comps.animation import avatar_routes, video_routes, warm_routes
from comps.animation.audio2face.web import routes as face_routes
from comps.animation.audio2face.web.host import FaceHost, host_of, keep_host
from comps.animation.audio2face.web.live import LiveFace
from comps.animation.coach import routes as coach_routes
from comps.animation.coach.coach import Coach, CoachLimits
from comps.animation.coach.image.upscaler import load_upscaler
from comps.animation.coach.routes import keep_coach
from comps.animation.engines.portrait.rig.finder import LazyMeshes
from comps.animation.jobs import routes as job_routes
from comps.animation.jobs.routes import JobDesk, keep_desk
from comps.animation.pace import routes as pace_routes
from comps.animation.pace.book import PaceBook
from comps.animation.pace.keeper import PaceKeeper
from comps.animation.pace.routes import keep_keeper
from comps.animation.settings import AnimationSettings
from comps.animation.socket import AnimationSocket
from comps.animation.studio import Studio, keep_studio, studio_of
from comps.animation.table import ENGINES, ENHANCERS, AnimationTable, EnhancerTable
from comps.core.app import ServiceInfo, create_service_app
from comps.core.regularly import interval_for, regularly
from comps.core.threads import run_to_end


def create_app(
    settings: AnimationSettings | None = None, table: AnimationTable = ENGINES, enhancers: EnhancerTable = ENHANCERS
) -> FastAPI:
    """The service as an ASGI app; its default engine and enhancer load when it starts."""
    settings = settings or AnimationSettings()

    @asynccontextmanager
    async def startup(app: FastAPI) -> AsyncIterator[None]:
        studio = await anyio.to_thread.run_sync(Studio.build, settings, table, enhancers)
        keep_studio(app, studio)
        keeper = PaceKeeper(studio, PaceBook(settings.pace_dir))
        keep_keeper(app, keeper)
        studio.learn = keeper.learn
        desk = JobDesk.build(studio, keeper)
        keep_desk(app, desk)
        try:
            await studio.warm()
            async with regularly(studio.outputs.prune, interval_for(settings.max_output_age_s)):
                yield
        finally:
            await desk.runner.close()
            await studio.close()
            if find_meshes is not None:
                await run_to_end(find_meshes.close)

    async def checks() -> dict[str, str]:
        return await _engine_states(app)

    info = ServiceInfo(
        "animation", "animation", "A portrait and its speech in, a talking face out", version("avatarchatbot")
    )
    app = create_service_app(info, settings, startup=startup, checks=checks)
    app.include_router(avatar_routes.router)
    app.include_router(video_routes.router)
    app.include_router(warm_routes.router)
    app.include_router(job_routes.router)
    app.include_router(pace_routes.router)
    app.include_router(coach_routes.router)
    app.include_router(face_routes.router)
    app.add_api_websocket_route("/v1/animation/stream", stream)
    app.add_api_websocket_route("/v1/audio2face/stream", face_stream)
    keep_host(app, FaceHost(settings))
    landmarker = settings.face_landmarker
    find_meshes = None if landmarker is None else LazyMeshes(landmarker)
    upscale = load_upscaler(settings.upscaler)
    keep_coach(app, Coach(CoachLimits(settings.max_pixels), find_meshes=find_meshes, upscale=upscale))
    return app


async def stream(socket: WebSocket) -> None:
    """``WS /v1/animation/stream``."""
    await AnimationSocket(socket, studio_of(socket)).serve()


async def face_stream(socket: WebSocket) -> None:
    """``WS /v1/audio2face/stream``."""
    await LiveFace(socket, host_of(socket), studio_of(socket).settings.session_idle_s).serve()


async def _engine_states(app: FastAPI) -> dict[str, str]:
    """Each loaded engine and enhancer by name, with its own upstreams where it has any."""
    studio: Studio | None = getattr(app.state, "studio", None)
    states: dict[str, str] = {}
    for name, engine in ({**studio.engines.loaded, **studio.enhancers.loaded} if studio else {}).items():
        states[name] = "ok"
        states.update({f"{name}.{part}": state for part, state in (await engine.check()).items()})
    return states
