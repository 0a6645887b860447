"""Questions to begin with, through the gateway."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from fastapi import FastAPI

from comps.core.app import ServiceInfo, create_service_app, readiness_of
from comps.core.serve import running
from comps.core.settings import ServiceSettings
from comps.llm.service import create_app as llm_app
from comps.llm.settings import LlmSettings
from tests.gateway.conftest import Stack, open_stack

MUSEUM = "# Opening hours\n\nWe open at nine.\n"


async def suggested(stack: Stack, query: str = "") -> list[dict[str, str]]:
    response = await stack.client.get(f"/v1/suggestions{query}")
    assert response.status_code == 200
    found: list[dict[str, str]] = response.json()["suggestions"]
    return found


async def test_they_are_those_of_the_knowledge_in_use(tmp_path: Path) -> None:
    folder = tmp_path / "knowledge"
    folder.mkdir()
    (folder / "museum.md").write_text(MUSEUM, encoding="utf-8")
    async with AsyncExitStack() as exits:
        app = llm_app(LlmSettings(knowledge_dir=folder))
        url = await exits.enter_async_context(running(app))
        await readiness_of(app).settled()
        stack = await open_stack(exits, tmp_path, llm_url=url)
        await stack.client.get("/ready")
        assert [entry["text"] for entry in await suggested(stack)] == ["What can you do?", "What about opening hours?"]
        assert len(await suggested(stack, "?count=1&language=zh")) == 1
        assert (await stack.client.get("/v1/suggestions?count=0")).status_code == 422


async def test_the_servers_of_others_have_none(stack: Stack) -> None:
    assert await suggested(stack) == []


@pytest.mark.parametrize("llm_url", ["", "http://127.0.0.1:9"])
async def test_neither_has_a_gateway_that_cannot_ask(tmp_path: Path, llm_url: str) -> None:
    async with AsyncExitStack() as exits:
        assert await suggested(await open_stack(exits, tmp_path, llm_url=llm_url)) == []


async def test_while_the_service_loads_they_are_asked_for_again(tmp_path: Path) -> None:
    loads = asyncio.Event()

    @asynccontextmanager
    async def startup(app: FastAPI) -> AsyncIterator[None]:
        await loads.wait()
        yield

    async with AsyncExitStack() as exits:
        info = ServiceInfo("llm", "llm", "loads", "1")
        app = create_service_app(info, ServiceSettings(), startup=startup)
        stack = await open_stack(exits, tmp_path, llm_url=await exits.enter_async_context(running(app)))
        response = await stack.client.get("/v1/suggestions")
        loads.set()
    assert (response.status_code, response.json()["error"]["code"]) == (503, "not_ready")
