from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import httpx_ws
import numpy as np
import pytest
import soxr

from comps.asr.engine import SAMPLE_RATE, Audio
from comps.asr.service import create_app
from comps.asr.settings import AsrSettings
from comps.core.app import metrics_of, readiness_of
from comps.core.serve import running
from tests.asr.conftest import noise, pcm16, spoken

pytestmark = pytest.mark.asyncio(loop_scope="session")
QUESTION, LINE = "How do I install AvatarChatbot?", "how do I install AvatarChatbot"
START = {"type": "start", "sample_rate": SAMPLE_RATE, "language": "en"}


@asynccontextmanager
async def _socket(client: httpx.AsyncClient) -> AsyncIterator[httpx_ws.AsyncWebSocketSession]:
    async with httpx_ws.aconnect_ws("/v1/asr/stream", client) as session:
        yield session


async def _send(session: httpx_ws.AsyncWebSocketSession, audio: Audio, rate: int = SAMPLE_RATE) -> None:
    pcm = pcm16(audio)
    for at in range(0, len(pcm), rate // 10):
        await session.send_bytes(pcm[at : at + rate // 10].tobytes())
    await session.send_json({"type": "end"})


async def _answers(session: httpx_ws.AsyncWebSocketSession) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while not found or found[-1]["type"] == "partial":
        found.append(await session.receive_json(timeout=30))
    return found


async def test_partials_then_the_final(client: httpx.AsyncClient) -> None:
    async with _socket(client) as session:
        await session.send_json(START)
        await _send(session, spoken(QUESTION))
        *partials, final = await _answers(session)
    assert len(partials) >= 3
    assert (final["type"], final["text"], final["language"]) == ("final", LINE, "en")
    assert [word["text"] for word in final["words"]] == LINE.split()


@pytest.mark.parametrize("rate", [8000, 44_100, 48_000])
async def test_other_rates_are_resampled(client: httpx.AsyncClient, rate: int) -> None:
    async with _socket(client) as session:
        await session.send_json({**START, "sample_rate": rate})
        await _send(session, soxr.resample(spoken(QUESTION), SAMPLE_RATE, rate), rate)
        final = (await _answers(session))[-1]
    assert final["duration"] == pytest.approx(len(spoken(QUESTION)) / SAMPLE_RATE, abs=0.02)
    assert final["text"].startswith("how do I")


async def _error(client: httpx.AsyncClient, *messages: dict[str, Any] | bytes) -> dict[str, Any]:
    async with _socket(client) as session:
        for message in messages:
            if isinstance(message, bytes):
                await session.send_bytes(message)
            else:
                await session.send_json(message)
        answer = (await _answers(session))[-1]
    assert answer["type"] == "error"
    assert answer["error"]["service"] == "asr"
    error: dict[str, Any] = answer["error"]
    return error


SILENCE = pcm16(np.zeros(SAMPLE_RATE, np.float32)).tobytes()
END = {"type": "end"}


@pytest.mark.parametrize(
    ("messages", "code"),
    [
        ((START, SILENCE, END), "no_speech"),
        ((START, pcm16(noise(2)).tobytes(), END), "no_speech"),
        ((START, END), "unprocessable"),
        ((START, b"odd", END), "unprocessable"),
        ((START, {"type": "dance"}), "unprocessable"),
        ((SILENCE,), "bad_request"),
        (({"type": "begin"},), "unprocessable"),
        (({**START, "sample_rate": 7},), "unprocessable"),
        (({**START, "language": "zh"}, SILENCE, END), "unknown_choice"),
        (({**START, "engine": "parrot"},), "unknown_choice"),
        (({**START, "engine": "whisper"},), "engine_unavailable"),
    ],
)
async def test_errors_are_the_last_message(client: httpx.AsyncClient, messages: tuple[Any, ...], code: str) -> None:
    assert (await _error(client, *messages))["code"] == code


async def test_too_long_a_recording_is_stopped(client: httpx.AsyncClient) -> None:
    assert (await _error(client, START, *([SILENCE] * 21)))["code"] == "too_large"


async def test_text_that_is_no_json(client: httpx.AsyncClient) -> None:
    async with _socket(client) as session:
        await session.send_text("hello")
        assert (await _answers(session))[-1]["error"]["code"] == "bad_request"


async def test_a_client_that_says_nothing_is_let_go() -> None:
    app = create_app(AsrSettings(port=0, stream_idle_s=0.2, adapt=False))
    async with running(app) as url, httpx.AsyncClient(base_url=url) as client:
        await readiness_of(app).settled()
        assert "nothing was sent" in (await _error(client, START))["message"]


async def test_a_client_that_leaves_frees_the_service() -> None:
    app = create_app(AsrSettings(port=0, decoders=1, adapt=False))
    async with running(app) as url, httpx.AsyncClient(base_url=url) as client:
        await readiness_of(app).settled()
        async with _socket(client) as session:
            await session.send_json(START)
            for piece in np.array_split(pcm16(spoken(QUESTION)), 20):
                await session.send_bytes(piece.tobytes())
            assert (await session.receive_json(timeout=30))["type"] == "partial"
        async with _socket(client) as session:
            await session.send_json(START)
            await _send(session, spoken(QUESTION))
            assert (await _answers(session))[-1]["type"] == "final"
        for _ in range(100):
            if metrics_of(app).in_progress.collect()[0].samples[0].value == 0:
                break
            await asyncio.sleep(0.05)
        assert metrics_of(app).in_progress.collect()[0].samples[0].value == 0


async def test_a_client_that_leaves_after_the_end_stops_the_recognition() -> None:
    """The engine is another server here that never answers: it sees its connection close."""
    asked, closed = asyncio.Event(), asyncio.Event()

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65_536):
            asked.set()
        writer.close()
        closed.set()

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    app = create_app(AsrSettings(engine="openai", url=url))
    async with server, running(app) as address, httpx.AsyncClient(base_url=address) as client:
        await readiness_of(app).settled()
        async with _socket(client) as session:
            await session.send_json(START)
            await _send(session, noise(1.0))
            await asyncio.wait_for(asked.wait(), 30)
        await asyncio.wait_for(closed.wait(), 30)
