from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import httpx
import numpy as np
import pytest
from fastapi import FastAPI

from comps.core.media.audio import encode_audio
from comps.core.serve import running
from comps.core.settings import ServiceSettings
from gateway.app import create_app
from gateway.settings import GatewaySettings
from tests.gateway.stubs import Notes, animation_stub, asr_stub, llm_stub, tts_stub


@dataclass
class Stack:
    """A gateway on a socket, with stub services on sockets of their own behind it."""

    url: str
    client: httpx.AsyncClient
    notes: Notes
    outputs: Path
    app: FastAPI
    extra: SimpleNamespace = field(default_factory=SimpleNamespace)


async def serve_stub(stack: AsyncExitStack, app: FastAPI) -> str:
    app.state.settings = ServiceSettings()
    return await stack.enter_async_context(running(app))


async def open_stack(stack: AsyncExitStack, folder: Path, **settings: object) -> Stack:
    """Serve stubs and a gateway; `settings` are the gateway's, a service's URL among them replaces its stub."""
    notes = Notes()
    stubs = {"asr": asr_stub, "llm": llm_stub, "tts": tts_stub, "animation": animation_stub}
    for name, make in stubs.items():
        if f"{name}_url" not in settings:
            settings[f"{name}_url"] = await serve_stub(stack, make(notes))
    outputs = folder / "outputs"
    app = create_app(GatewaySettings(outputs_dir=outputs, size=64, **settings))  # type: ignore[arg-type]
    url = await stack.enter_async_context(running(app))
    client = await stack.enter_async_context(httpx.AsyncClient(base_url=url, timeout=30))
    await app.state.readiness.settled()
    return Stack(url, client, notes, outputs, app)


@pytest.fixture
async def stack(tmp_path: Path) -> AsyncIterator[Stack]:
    async with AsyncExitStack() as exits:
        yield await open_stack(exits, tmp_path)


@pytest.fixture
def wav() -> bytes:
    """One second of a tone as a 16 kHz WAV."""
    time = np.arange(16_000) / 16_000
    return encode_audio((np.sin(time * 2 * np.pi * 220) * 8000).astype(np.int16), 16_000, "wav")
