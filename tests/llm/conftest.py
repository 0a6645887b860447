from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

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


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with started(create_app(LlmSettings())) as app:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://llm") as http:
            yield http
