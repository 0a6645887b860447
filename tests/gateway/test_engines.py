"""A face engine that cannot be used is refused before any other stage works."""

from __future__ import annotations

import base64
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.responses import JSONResponse, Response

from comps.core.serve import running
from comps.core.settings import ServiceSettings
from tests.gateway.conftest import Stack, open_stack
from tests.gateway.stubs import Body

MISSING = "engine 'wav2lip' needs its weights: avatarchatbot models pull wav2lip"


def animation() -> FastAPI:
    """An animation service that has one engine without its weights; it makes nothing."""
    app = FastAPI()
    app.state.settings = ServiceSettings()

    @app.post("/v1/animation/warm")
    async def warm(body: Body) -> Response:
        error = {"code": "engine_unavailable", "message": MISSING, "service": "animation", "param": None}
        return JSONResponse({"error": error}, 503) if body["engine"] == "wav2lip" else Response(status_code=204)

    return app


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/v1/avatarchatbot", {"text": "hello", "engine": "wav2lip"}),
        ("/v1/avatarchatbot/stream", {"text": "hello", "engine": {"animation": "wav2lip"}}),
        ("/v1/say", {"text": "hello", "engine": "wav2lip"}),
        ("/v1/animate", {"engine": "wav2lip"}),
    ],
)
async def test_nothing_is_answered_for_it(tmp_path: Path, wav: bytes, path: str, fields: Body) -> None:
    async with AsyncExitStack() as exits:
        url = await exits.enter_async_context(running(animation()))
        stack = await open_stack(exits, tmp_path, animation_url=url)
        audio = {} if "text" in fields else {"audio": base64.b64encode(wav).decode()}
        reply = await stack.client.post(path, json={**fields, **audio})
        assert (reply.status_code, reply.json()["error"]["message"]) == (503, MISSING)
        assert (stack.notes.llm, stack.notes.tts) == ([], [])


async def test_a_service_without_that_route_is_believed(stack: Stack) -> None:
    reply = await stack.client.post("/v1/say", json={"text": "hello", "engine": "portrait", "response_format": "json"})
    assert reply.status_code == 200, reply.text
    assert stack.notes.last("animation")["engine"] == "portrait"
