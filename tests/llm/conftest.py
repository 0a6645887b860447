from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
import pytest_asyncio

from comps.core.serve import started
from comps.llm.knowledge.base import KnowledgeBase
from comps.llm.knowledge.conversation import Conversation
from comps.llm.service import create_app
from comps.llm.settings import LlmSettings


@pytest.fixture(scope="session")
def base() -> KnowledgeBase:
    return KnowledgeBase.load()


@pytest.fixture(scope="session")
def conversation(base: KnowledgeBase) -> Conversation:
    return Conversation(base)


@asynccontextmanager
async def serving(settings: LlmSettings) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the service in this process, loaded or failed to load."""
    async with (
        started(create_app(settings)) as app,
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://llm") as http,
    ):
        yield http


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with serving(LlmSettings()) as http:
        yield http
