from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import settings as hypothesis_settings

from comps.core.serve import started
from comps.tts.service import create_app
from comps.tts.settings import TtsSettings

hypothesis_settings.register_profile("tts", deadline=None)  # a loaded machine is slow, not wrong
hypothesis_settings.load_profile("tts")


@pytest.fixture
async def app() -> AsyncIterator[FastAPI]:
    async with started(create_app(TtsSettings(max_text_chars=2000))) as running:
        yield running


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://tts") as client:
        yield client
