"""The engine `openai` against a real local server that speaks the protocol, well and badly."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from comps.asr.engine import SAMPLE_RATE, AsrOptions
from comps.asr.engines.openai import OpenAIEngine
from comps.asr.service import create_app
from comps.asr.settings import AsrSettings
from comps.core.app import readiness_of
from comps.core.errors import AvatarError, UpstreamError, UpstreamTimeoutError
from comps.core.media.audio import decode_audio
from comps.core.serve import running
from comps.core.speech import Transcript
from tests.asr.conftest import cut, spoken, wav

SPEECH = spoken("Hello there.")
WORDS = [{"word": "Hello", "start": 0.2, "end": 0.5}, {"word": "there", "start": 0.5, "end": 0.9}]
VERBOSE = b'{"text": " Hello there. ", "language": "english", "words": %s}' % str(WORDS).replace("'", '"').encode()
EVENTS = (
    b'data: {"type": "transcript.text.delta", "delta": "Hello"}\n\n'
    b'event: x\ndata: {"type": "transcript.text.delta", "delta": " there"}\n\n'
    b'data: {"type": "transcript.text.done", "text": "Hello there."}\n\ndata: [DONE]\n\n'
)


class Upstream:
    """Answers every request with `answer`: raw bytes after the status line, then hangs if `hang`."""

    def __init__(self) -> None:
        self.answer = b""
        self.hang = False
        self.pause_s = 0.0
        self.requests: list[bytes] = []
        self.url = ""

    def says(
        self, body: bytes, kind: str = "application/json", status: str = "200 OK", length: int | None = None
    ) -> None:
        size = len(body) if length is None else length
        head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n"
        self.answer = head.encode() + body

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                (int(v.split(b":")[1]) for v in head.lower().split(b"\r\n") if v.startswith(b"content-length")), 0
            )
            self.requests.append(head + await reader.readexactly(length))
            await asyncio.sleep(self.pause_s)
            writer.write(self.answer)
            await writer.drain()
            if self.hang:
                await reader.read()
        finally:
            writer.close()


@asynccontextmanager
async def _upstream() -> AsyncIterator[Upstream]:
    upstream = Upstream()
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", 0)
    upstream.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    async with server:
        yield upstream


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with _upstream() as made:
        yield made


async def _hear(url: str, options: AsrOptions | None = None, **fields: Any) -> list[Transcript]:
    engine = OpenAIEngine(AsrSettings(url=url, **{"upstream_timeout_s": 5, **fields}))
    await engine.load()
    try:
        return [t async for t in engine.transcribe(cut(SPEECH), options or AsrOptions())]
    finally:
        await engine.close()


async def test_text_language_and_words(upstream: Upstream) -> None:
    upstream.says(VERBOSE)
    (final,) = await _hear(upstream.url)
    assert (final.text, final.language, final.final) == ("Hello there.", "en", True)
    assert [(w.text, w.start, w.char_start, w.char_end) for w in final.words] == [
        ("Hello", 0.2, 0, 5), ("there", 0.5, 6, 11),
    ]  # fmt: skip
    assert final.duration == pytest.approx(len(SPEECH) / SAMPLE_RATE)


async def test_what_is_sent(upstream: Upstream) -> None:
    upstream.says(VERBOSE)
    options = AsrOptions(language="en-GB", prompt="AvatarChatbot", temperature=0.5)
    await _hear(upstream.url, options, model="tiny", api_key="secret")
    request = upstream.requests[0]
    assert request.startswith(b"POST /v1/audio/transcriptions HTTP/1.1")
    assert b"bearer secret" in request.lower()
    for name, value in (("model", "tiny"), ("language", "en"), ("prompt", "AvatarChatbot"), ("temperature", "0.5"),
                        ("response_format", "verbose_json"), ("timestamp_granularities[]", "word")):  # fmt: skip
        assert f'name="{name}"\r\n\r\n{value}\r\n'.encode() in request
    sent = request[request.index(b"RIFF") :]
    assert len(decode_audio(sent, rate=SAMPLE_RATE, max_seconds=60)) == pytest.approx(len(SPEECH), abs=200)


async def test_without_a_key_there_is_no_authorization(upstream: Upstream) -> None:
    upstream.says(b'{"text": "hi"}')
    (final,) = await _hear(upstream.url)
    assert final.text == "hi"
    assert b"authorization" not in upstream.requests[0].lower()
    assert b'name="language"' not in upstream.requests[0]


async def test_a_stream_gives_partials(upstream: Upstream) -> None:
    upstream.says(EVENTS, "text/event-stream")
    transcripts = await _hear(upstream.url, upstream_stream=True)
    assert [(t.text, t.final) for t in transcripts] == [
        ("Hello", False), ("Hello there", False), ("Hello there.", True),
    ]  # fmt: skip
    assert b'name="stream"\r\n\r\ntrue' in upstream.requests[0]


async def test_a_server_that_does_not_stream_is_understood(upstream: Upstream) -> None:
    upstream.says(b'{\n "text":\n "hello"\n}')
    assert [t.text for t in await _hear(upstream.url, upstream_stream=True)] == ["hello"]


BAD_ANSWERS = [
    (b"<html><h1>502 Bad Gateway</h1></html>", "text/html"),
    (b"\x00\xff garbage", "application/octet-stream"),
    (b'{"texts": []}', "application/json"),
    (b'["text"]', "application/json"),
    (b'{"text": "a", "words": [{"word": "a"}]}', "application/json"),
    (b"", "application/json"),
]


@pytest.mark.parametrize(("body", "kind"), BAD_ANSWERS)
async def test_what_is_no_transcript(upstream: Upstream, body: bytes, kind: str) -> None:
    upstream.says(body, kind)
    with pytest.raises(UpstreamError, match="asr") as caught:
        await _hear(upstream.url)
    assert caught.value.status == 502


@pytest.mark.parametrize(
    "body",
    [
        b"", b"<html>", b"data: nonsense\n\n", b'data: {"error": {"message": "out of memory"}}\n\n',
        b'data: {"type": "transcript.text.delta", "delta": "Hel"}\n\n',
    ],
)  # fmt: skip
async def test_what_is_no_stream(upstream: Upstream, body: bytes) -> None:
    upstream.says(body, "text/event-stream")
    with pytest.raises(UpstreamError, match="asr"):
        await _hear(upstream.url, upstream_stream=True)


@pytest.mark.parametrize("stream", [False, True])
async def test_half_a_body(upstream: Upstream, stream: bool) -> None:
    upstream.says(VERBOSE[:20], length=len(VERBOSE))
    with pytest.raises(UpstreamError, match="asr"):
        await _hear(upstream.url, upstream_stream=stream)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_silent_server(upstream: Upstream, stream: bool) -> None:
    upstream.hang = True
    with pytest.raises(UpstreamTimeoutError, match="asr did not answer in time"):
        await _hear(upstream.url, upstream_timeout_s=0.2, upstream_stream=stream)


async def test_a_slow_server_may_take_the_length_of_the_recording(upstream: Upstream) -> None:
    upstream.says(VERBOSE)
    upstream.pause_s = 0.3
    (final,) = await _hear(upstream.url, upstream_timeout_s=0.1)
    assert final.text == "Hello there."


async def test_a_server_that_is_down_or_fails(upstream: Upstream) -> None:
    with pytest.raises(UpstreamError, match="asr cannot be reached"):
        await _hear("http://127.0.0.1:9/v1")
    upstream.says(b"boom", "text/plain", "500 Internal Server Error")
    with pytest.raises(AvatarError, match="asr answered with status 500") as caught:
        await _hear(upstream.url)
    assert caught.value.status == 502


async def test_check_tells_the_state_of_the_server(upstream: Upstream) -> None:
    upstream.says(b'{"data": []}')
    engine = OpenAIEngine(AsrSettings(url=upstream.url))
    await engine.load()
    assert await engine.check() == {"server": "ok"}
    await engine.close()
    lost = OpenAIEngine(AsrSettings(url="http://127.0.0.1:9/v1"))
    await lost.load()
    assert "cannot be reached" in (await lost.check())["server"]
    await lost.close()


async def test_this_service_can_be_the_server() -> None:
    served = create_app(AsrSettings(port=0))
    async with running(served) as url:
        await readiness_of(served).settled()
        relay = create_app(AsrSettings(port=0, engine="openai", url=f"{url}/v1"))
        async with running(relay) as front, httpx.AsyncClient(base_url=front, timeout=30) as client:
            await readiness_of(relay).settled()
            question = base64.b64encode(wav(spoken("What is GFPGAN?"))).decode()
            body = (await client.post("/v1/asr", json={"audio": question})).json()
            silence = base64.b64encode(wav(SPEECH * 0)).decode()
            refused = await client.post("/v1/asr", json={"audio": silence})
    assert body["text"] == "what is GFPGAN"
    assert [word["text"] for word in body["words"]] == ["what", "is", "GFPGAN"]
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "no_speech")
