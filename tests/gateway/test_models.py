"""The language model that a request names: used, or refused; never ignored."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from fastapi import FastAPI

from comps.core.app import readiness_of
from comps.core.errors import UnprocessableError
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
        await RemoteModels(endpoints["llm"]).require("llama3", "")
        for unknown in ("llama", "qwen3"):
            with pytest.raises(
                UnprocessableError, match=f"'{unknown}' is not offered; offered: llama3:latest, qwen3:8b"
            ):
                await RemoteModels(endpoints["llm"]).require(unknown, "")


async def test_a_server_that_lists_none_is_asked_for_it() -> None:
    async with running(plain_app()) as url, open_endpoints({"llm": url}) as endpoints:
        await RemoteModels(endpoints["llm"]).require("anything", "")


async def test_so_is_one_behind_the_service_that_lists_none() -> None:
    async with AsyncExitStack() as exits:
        server = await exits.enter_async_context(running(plain_app()))
        app = llm_app(LlmSettings(engine="openai", openai_base_url=f"{server}/v1", forward_model=True))
        url = await exits.enter_async_context(running(app))
        await readiness_of(app).settled()
        endpoints = await exits.enter_async_context(open_endpoints({"llm": url}))
        await RemoteModels(endpoints["llm"]).require("anything", "")
