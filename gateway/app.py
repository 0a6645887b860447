"""The gateway: questions in, talking faces out, and the page to ask them on."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any

import anyio.to_thread
from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import FileResponse, RedirectResponse, Response, StreamingResponse
from fastapi.staticfiles import StaticFiles

from comps.core.app import ServiceInfo, create_service_app, metrics_of, readiness_of
from comps.core.client import ClientOptions, create_client
from comps.core.errors import NotFoundError
from comps.core.regularly import interval_for, regularly
from comps.core.web.json_body import JsonRoute
from comps.core.web.video_file import VideoFile
from gateway.answers import Answers
from gateway.avatar_voices import AvatarVoices
from gateway.engines import RemoteEngines
from gateway.faces import RemoteFaces
from gateway.health import Nodes, health_routes
from gateway.jobs import JobOffice, job_routes
from gateway.metrics import TurnMetrics
from gateway.models import RemoteModels
from gateway.proxy import proxy_routes
from gateway.request import AnimateRequest, AvatarChatRequest, SayRequest
from gateway.sessions import Sessions
from gateway.settings import IN_PROCESS, GatewaySettings
from gateway.suggestions import suggestion_routes
from gateway.turn_reply import TurnReply
from gateway.turn_request import TurnBuilder
from gateway.turns import Admission, Turns
from gateway.video_store import StoreLimits, VideoStore
from megaservice.flow.flow import AvatarFlow
from megaservice.transport.endpoint import Endpoint, Target, open_endpoints

PAGE = Path(__file__).parent / "page"
STAGES = ("asr", "llm", "tts", "animation")
_PAGE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; frame-ancestors 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


def create_app(settings: GatewaySettings | None = None) -> FastAPI:
    """The gateway's app. Making it opens nothing; its lifespan connects to the services.

    A service whose URL is ``local`` runs inside this process, from the same app its own process would serve.
    """
    chosen = settings or GatewaySettings()

    @asynccontextmanager
    async def startup(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            endpoints = await stack.enter_async_context(open_endpoints(_targets(chosen)))
            if chosen.llm_api_key and "llm" in endpoints:
                endpoints["llm"] = await _with_key(endpoints["llm"], chosen.llm_api_key, stack)
            app.state.endpoints = endpoints
            answers = await anyio.to_thread.run_sync(_answers, app, chosen, endpoints)
            app.state.answers = answers
            await stack.enter_async_context(regularly(answers.store.tidy, interval_for(chosen.video_age_s)))
            yield

    info = ServiceInfo("gateway", "AvatarChatbot", "Answers questions with a talking face", _version())
    nodes = Nodes(lambda: app.state.endpoints)
    app = create_service_app(info, chosen, startup=startup, checks=nodes.states, always=("/", "/favicon.ico", "/page/"))
    app.openapi_tags = [
        {"name": name} for name in ("answers", "videos", "animation", "asr", "llm", "tts", "operations")
    ]
    app.state.endpoints = {}
    _include_first(app, health_routes(nodes, readiness_of(app)))
    app.include_router(_answer_routes())
    app.include_router(_video_routes())
    app.include_router(job_routes())
    app.include_router(proxy_routes(lambda service: _endpoint(app, service)))
    app.include_router(suggestion_routes(lambda service: _endpoint(app, service)))
    app.include_router(_page_routes())
    app.mount("/page", _PageFiles(directory=PAGE))
    return app


def _endpoint(app: FastAPI, service: str) -> Endpoint:
    endpoints: dict[str, Endpoint] = app.state.endpoints
    if service not in endpoints:
        raise NotFoundError(f"this gateway has no {service} service")
    return endpoints[service]


def _include_first(app: FastAPI, router: APIRouter) -> None:
    """Include `router` so that its routes win over those the factory made."""
    before = len(app.router.routes)
    app.include_router(router)
    added = app.router.routes[before:]
    app.router.routes[:] = [*added, *app.router.routes[:before]]


def _answers(app: FastAPI, settings: GatewaySettings, endpoints: dict[str, Endpoint]) -> Answers:
    limits = StoreLimits(settings.video_age_s, settings.video_count, settings.video_bytes)
    store = VideoStore(settings.outputs_dir, limits)
    voices = AvatarVoices(endpoints)
    faces = RemoteFaces(endpoints.get("animation"), settings.max_body_bytes)
    engines = RemoteEngines(endpoints.get("animation"))
    models = RemoteModels(endpoints.get("llm"))
    flow, builder = AvatarFlow(endpoints), TurnBuilder(settings, faces, voices, engines, models)
    admission = Admission(settings.max_turns)
    turns = Turns(flow, store, admission, TurnMetrics(metrics_of(app)))
    sessions = Sessions(settings.session_count, settings.session_age_s)
    app.state.jobs = JobOffice(flow, builder, admission, settings.max_body_bytes)
    return Answers(settings, builder, turns, store, sessions)


def _targets(settings: GatewaySettings) -> dict[str, Target]:
    urls = {stage: str(getattr(settings, f"{stage}_url")) for stage in STAGES}
    return {stage: _target(stage, url) for stage, url in urls.items() if url}


def _target(stage: str, url: str) -> Target:
    if url != IN_PROCESS:
        return url
    from importlib import import_module

    app: FastAPI = import_module(f"comps.{stage}.service").create_app()
    return app


async def _with_key(endpoint: Endpoint, key: str, stack: AsyncExitStack) -> Endpoint:
    client = await stack.enter_async_context(create_client(options=ClientOptions(api_key=key)))
    return endpoint if endpoint.app is not None else replace(endpoint, client=client)


def _answers_of(request: Request) -> Answers:
    answers: Answers = request.app.state.answers
    return answers


Given = Annotated[Answers, Depends(_answers_of)]

_FORMS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The path of the video as a JSON string, the object below, an event stream, or the MP4 itself",
        "content": {"application/json": {}, "text/event-stream": {}, "video/mp4": {}},
        "model": str | TurnReply,
    }
}


def _answer_routes() -> APIRouter:
    router = APIRouter(tags=["answers"], route_class=JsonRoute)

    @router.post("/v1/avatarchatbot", responses=_FORMS, response_class=Response)
    async def avatarchatbot(body: AvatarChatRequest, request: Request, answers: Given) -> Response:
        """Answer a question; `response_format`, `stream` and the Accept header choose the form of the reply."""
        return await answers.chat(body, request)

    @router.post("/v1/avatarchatbot/stream", responses=_FORMS, response_class=Response)
    async def avatarchatbot_stream(body: AvatarChatRequest, request: Request, answers: Given) -> Response:
        """Answer a question as server-sent events."""
        return await answers.chat(body, request, stream=True)

    @router.post("/v1/say", responses=_FORMS, response_class=Response)
    async def say(body: SayRequest, request: Request, answers: Given) -> Response:
        """Speak a text as it is; the same forms of reply."""
        return await answers.say(body, request)

    @router.post("/v1/animate", responses=_FORMS, response_class=Response)
    async def animate(body: AnimateRequest, request: Request, answers: Given) -> Response:
        """Mouth a recording as it is; the same forms of reply."""
        return await answers.animate(body, request)

    return router


def _video_routes() -> APIRouter:
    router = APIRouter(tags=["videos"])

    @router.get("/outputs/{video_id}.mp4", response_class=Response)
    @router.head("/outputs/{video_id}.mp4", response_class=Response, include_in_schema=False)
    async def video(video_id: str, answers: Given) -> Response:
        """A finished video; range requests are served."""
        path = await anyio.to_thread.run_sync(answers.store.find, video_id)
        return VideoFile(str(path), "gateway", {"Cache-Control": "private, max-age=3600"})

    @router.get("/v1/turns/{video_id}/video.mp4", response_class=Response)
    async def growing_video(video_id: str, answers: Given) -> Response:
        """The video of an answer that is being made, from its beginning and as it grows."""
        pieces = answers.turns.live.read(video_id)
        await anext(pieces)  # raises while there can still be a 404
        return StreamingResponse(_closing(pieces), media_type="video/mp4", headers={"Cache-Control": "no-store"})

    return router


async def _closing(pieces: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    async with aclosing(pieces):
        async for piece in pieces:
            yield piece


def _page_routes() -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    async def page() -> Response:
        return FileResponse(PAGE / "index.html", headers=_PAGE_HEADERS)

    @router.get("/favicon.ico")
    async def icon() -> Response:
        return RedirectResponse("/page/icon.svg")

    return router


class _PageFiles(StaticFiles):
    """The page's files, always checked for a newer version."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers.update(_PAGE_HEADERS)
        return response


def _version() -> str:
    try:
        return version("avatarchatbot")
    except PackageNotFoundError:
        return "0"
