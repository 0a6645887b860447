"""A small real service that can be told to misbehave."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, WebSocket
from fastapi.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from hypothesis import settings as hypothesis_settings
from pydantic import BaseModel, Field

from comps.core.app import ServiceInfo, create_service_app
from comps.core.errors import NoSpeechError, NotFoundError, UnknownChoiceError
from comps.core.serve import running
from comps.core.settings import ServiceSettings

hypothesis_settings.register_profile("core", deadline=None)  # a loaded machine is slow, not wrong
hypothesis_settings.load_profile("core")

INFO = ServiceInfo(name="tts", title="Speech", description="Speaks", version="9.9")


class Body(BaseModel):
    text: str
    speed: float = Field(1.0, ge=0.25, le=4)


class Events:
    """What happened inside the service; `wait_for` waits until something has."""

    def __init__(self) -> None:
        self._events: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)

    def append(self, event: str) -> None:
        self._events[event].set()

    def __contains__(self, event: str) -> bool:
        return self._events[event].is_set()

    async def wait_for(self, event: str) -> None:
        await asyncio.wait_for(self._events[event].wait(), 10)


def make_app(settings: ServiceSettings | None = None, **options: Any) -> FastAPI:
    app = create_service_app(INFO, settings or ServiceSettings(), **options)
    app.state.events = Events()
    _add_answers(app)
    _add_failures(app)
    _add_slow_ones(app)
    return app


def _add_answers(app: FastAPI) -> None:
    @app.post("/v1/echo")
    async def echo(body: Body) -> dict[str, Any]:
        return body.model_dump()

    @app.get("/v1/stream")
    async def stream() -> StreamingResponse:
        async def pieces() -> AsyncIterator[bytes]:
            for piece in (b"one", b"two", b"three"):
                yield piece

        return StreamingResponse(pieces(), media_type="application/octet-stream")

    @app.websocket("/v1/socket")
    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()
        async for text in websocket.iter_text():
            if text == "fail":
                raise NoSpeechError("nothing was said")
            if text == "break":
                raise RuntimeError("secret detail")
            await websocket.send_text(text.upper())


def _add_failures(app: FastAPI) -> None:
    @app.post("/v1/voice")
    async def voice() -> None:
        raise UnknownChoiceError("there is no voice 'x'; there are: a, b", param="voice")

    @app.get("/v1/avatar")
    async def avatar() -> None:
        raise NotFoundError("there is no avatar 'x'")

    @app.get("/v1/full")
    def full() -> None:
        Path("/dev/full").write_bytes(b"secret")

    @app.get("/v1/broken")
    async def broken() -> None:
        raise RuntimeError("secret detail")

    @app.get("/v1/html")
    async def html() -> HTMLResponse:
        return HTMLResponse("<html><h1>It works!</h1></html>")

    @app.get("/v1/bad_gateway")
    async def bad_gateway() -> HTMLResponse:
        return HTMLResponse("<html>" + "x" * 1000, status_code=502)

    @app.get("/v1/openai_error")
    async def openai_error() -> JSONResponse:
        return JSONResponse({"error": {"message": "model is gone", "type": "invalid_request_error"}}, 404)

    @app.get("/v1/half")
    async def half() -> Response:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"half of it"
            raise RuntimeError("broke in the middle")

        return StreamingResponse(pieces())


def _add_slow_ones(app: FastAPI) -> None:
    events: Events = app.state.events

    async def note_cancellation() -> None:
        events.append("started")
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            events.append("cancelled")
            raise

    @app.post("/v1/slow")
    async def slow() -> None:
        await note_cancellation()

    @app.get("/v1/slow_stream")
    async def slow_stream() -> StreamingResponse:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"first"
            await note_cancellation()

        return StreamingResponse(pieces())


@asynccontextmanager
async def _serving(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with running(app) as url, httpx.AsyncClient(base_url=url, trust_env=False, timeout=20) as client:
        yield client


Serving = Callable[[FastAPI], AbstractAsyncContextManager[httpx.AsyncClient]]


@pytest.fixture
def serving() -> Serving:
    """Serves an app on a real socket and yields a client for it."""
    return _serving
