"""The language model that a request names: used, or refused; never ignored."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from fastapi import FastAPI, Response

from comps.core.app import readiness_of
from comps.core.errors import UnknownChoiceError, UnprocessableError
from comps.core.serve import running
from comps.core.settings import ServiceSettings
from comps.llm.service import create_app as llm_app
from comps.llm.settings import LlmSettings
from gateway.models import RemoteModels
from megaservice.transport.endpoint import open_endpoints
from tests.gateway.conftest import Stack, open_stack


def plain_app() -> FastAPI:
    app = FastAPI()
    app.state.settings = ServiceSettings()
    return app


async def with_the_knowledge_engine(exits: AsyncExitStack, folder: Path) -> Stack:
    app = llm_app(LlmSettings())
    url = await exits.enter_async_context(running(app))
    await readiness_of(app).settled()
    return await open_stack(exits, folder, llm_url=url)


@asynccontextmanager
async def service_behind_gateway(settings: LlmSettings) -> AsyncIterator[RemoteModels]:
    app = llm_app(settings)
    async with running(app) as url, open_endpoints({"llm": url}) as endpoints:
        await readiness_of(app).settled()
        yield RemoteModels(endpoints["llm"])


@pytest.mark.parametrize("engine", [{}, {"engine": {"llm": "knowledge"}}])
async def test_one_that_is_not_offered_is_refused(tmp_path: Path, engine: dict[str, object]) -> None:
    async with AsyncExitStack() as exits:
        stack = await with_the_knowledge_engine(exits, tmp_path)
        response = await stack.client.post("/v1/avatarchatbot", json={"text": "hello", "model": "gpt-9", **engine})
    assert response.status_code == 422
    error = response.json()["error"]
    assert (error["param"], error["message"]) == ("model", "model 'gpt-9' is not offered; offered: knowledge")


@pytest.mark.parametrize("model", ["", "tgi", "Intel/neural-chat-7b-v3-3", "knowledge"])
async def test_the_configured_one_and_its_names_are_taken(tmp_path: Path, model: str) -> None:
    async with AsyncExitStack() as exits:
        stack = await with_the_knowledge_engine(exits, tmp_path)
        response = await stack.client.post("/v1/avatarchatbot", json={"text": "What can you do?", "model": model})
    assert response.status_code == 200


async def test_the_tag_latest_need_not_be_named() -> None:
    app = plain_app()

    @app.get("/v1/models")
    async def models() -> dict[str, object]:
        return {"data": [{"id": "llama3:latest"}, {"id": "qwen3:8b"}]}

    async with running(app) as url, open_endpoints({"llm": url}) as endpoints:
        for known in ("llama3", "llama3:latest", "qwen3:8b"):
            await RemoteModels(endpoints["llm"]).require(known, "")
        for unknown in ("llama", "qwen3"):
            with pytest.raises(
                UnprocessableError, match=f"'{unknown}' is not offered; offered: llama3:latest, qwen3:8b"
            ):
                await RemoteModels(endpoints["llm"]).require(unknown, "")


async def test_the_tag_latest_may_be_named_where_it_is_not_configured() -> None:
    async with service_behind_gateway(LlmSettings(engine="openai", model="llama3")) as models:
        await models.require("llama3:latest", "")
        with pytest.raises(UnprocessableError, match="'llama3:8b' is not offered; offered: llama3"):
            await models.require("llama3:8b", "")


async def test_one_that_an_engine_does_not_offer_is_refused_before_it_was_ever_asked() -> None:
    async with service_behind_gateway(LlmSettings(model="llama3")) as models:
        with pytest.raises(UnprocessableError, match="'gpt-9' is not offered; offered: llama3"):
            await models.require("gpt-9", "openai")
        with pytest.raises(UnknownChoiceError, match="no engine 'nobody'"):
            await models.require("gpt-9", "nobody")


async def test_a_server_that_is_down_for_a_moment_refuses_no_model() -> None:
    down = LlmSettings(engine="openai", openai_base_url="http://127.0.0.1:9/v1")
    async with service_behind_gateway(down) as models:
        await models.require("llama3", "")


@pytest.mark.parametrize("status", [401, 403, 404, 405, 429, 500, 501, 503])
@pytest.mark.parametrize("body", ["", "<html>no</html>", '{"error": {"message": "no"}}'])
async def test_where_the_list_cannot_be_had_the_answer_decides(status: int, body: str) -> None:
    app = plain_app()

    @app.get("/v1/models")
    async def models() -> Response:
        return Response(body, status, media_type="application/json" if body.startswith("{") else "text/html")

    async with running(app) as url, open_endpoints({"llm": url}) as endpoints:
        await RemoteModels(endpoints["llm"]).require("llama3", "")


@pytest.mark.parametrize(("engine", "limits_s"), [("", (0.1, 60.0)), ("openai", (60.0, 0.1))])
async def test_a_list_that_does_not_come_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, engine: str, limits_s: tuple[float, float]
) -> None:
    monkeypatch.setattr("gateway.models._TIMEOUT_S", limits_s[0])
    monkeypatch.setattr("gateway.models._ENGINE_TIMEOUT_S", limits_s[1])
    app, over = plain_app(), asyncio.Event()

    @app.get("/v1/models")
    async def models() -> None:
        await over.wait()

    async with running(app) as url, open_endpoints({"llm": url}) as endpoints:
        await asyncio.wait_for(RemoteModels(endpoints["llm"]).require("llama3", engine), 5)
        over.set()


async def test_a_server_that_lists_none_is_asked_for_it() -> None:
    async with running(plain_app()) as url, open_endpoints({"llm": url}) as endpoints:
        await RemoteModels(endpoints["llm"]).require("anything", "")


async def test_so_is_one_behind_the_service_that_lists_none() -> None:
    async with running(plain_app()) as server:
        settings = LlmSettings(engine="openai", openai_base_url=f"{server}/v1", forward_model=True)
        async with service_behind_gateway(settings) as models:
            await models.require("anything", "")
