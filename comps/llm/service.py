"""The LLM service: `POST /v1/chat/completions`, `GET /v1/models` and `GET /v1/suggestions`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Query
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel

from comps.core.app import ServiceInfo, create_service_app
from comps.core.engine import EngineHost
from comps.core.web.json_body import JsonRoute
from comps.core.web.streaming import begun, event_stream
from comps.llm.engine import LlmCapabilities, LlmEngine, Suggestion
from comps.llm.reply import SERVICE, Head, collect, completion, document, events
from comps.llm.request import ChatRequest
from comps.llm.settings import LlmSettings
from comps.llm.stops import until_stop
from comps.llm.table import LLM_ENGINES

Host = EngineHost[LlmEngine, LlmCapabilities]


class Suggestions(BaseModel):
    """Questions to begin with, best first."""

    suggestions: list[Suggestion]


def create_app(settings: LlmSettings | None = None) -> FastAPI:
    """The service as an app; the engine loads in its lifespan, behind `/readyz`."""
    chosen = settings or LlmSettings()
    host: Host = EngineHost(LLM_ENGINES, chosen.engine, chosen)

    @asynccontextmanager
    async def startup(app: FastAPI) -> AsyncIterator[None]:
        try:
            await host.get()
            yield
        finally:
            await host.close()

    info = ServiceInfo(SERVICE, "LLM", "Answers a conversation, sentence by sentence", "0.1.0")
    app = create_service_app(info, chosen, startup=startup, checks=host.checks)
    app.include_router(_routes(host, chosen))
    return app


def _routes(host: Host, settings: LlmSettings) -> APIRouter:
    router = APIRouter(tags=["llm"], route_class=JsonRoute)

    @router.post("/v1/chat/completions", summary="Answer a conversation", response_model=None)
    async def chat_completions(body: ChatRequest) -> Response:
        """OpenAI's chat, streamed or not; OPEA's `query` gets a text document."""
        return await _respond(body, host, settings)

    @router.get("/v1/models", summary="Models to choose from")
    async def models(engine: Annotated[str, Query(max_length=40)] = "") -> dict[str, Any]:
        """Those of the usual engine or of the one named, which is loaded for it; none where its server does not say."""
        name = engine or host.default
        names = await (await host.get(name)).models()
        rows = [{"id": model, "object": "model", "created": 0, "owned_by": name} for model in names]
        return {"object": "list", "data": rows}

    @router.get("/v1/suggestions", summary="Questions to begin with")
    async def suggestions(
        language: Annotated[str, Query(max_length=35)] = "", count: Annotated[int, Query(ge=1, le=20)] = 4
    ) -> Suggestions:
        """What the usual engine is sure to answer; an empty list where that is a language model without topics."""
        engine = await host.get()
        return Suggestions(suggestions=list(await engine.suggestions(language, count)))

    return router


async def _respond(body: ChatRequest, host: Host, settings: LlmSettings) -> Response:
    name = body.engine or host.default
    messages, options = body.conversation(settings), body.options(settings)
    if not host.table.spec(name).capabilities.sampling:
        body.require_no_sampling(name)
    engine = await host.get(name)
    pieces = await begun(until_stop(engine.generate(messages, options), options.stop), SERVICE)
    head = Head(options.model or engine.model)
    if body.stream:
        wanted = body.stream_options is not None and body.stream_options.include_usage
        return event_stream(events(head, pieces, include_usage=wanted))
    answer = await collect(pieces)
    return JSONResponse(completion(head, answer) if body.query is None else document(body.query, answer))
