"""The engine against real servers on loopback: good, down, slow, wrong and broken ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, StreamingResponse

from comps.core.errors import UpstreamError
from comps.core.framing import parse_speech, unpack_stream
from comps.core.media.audio import encode_audio
from comps.core.serve import running, started
from comps.core.settings import ServiceSettings
from comps.tts.engines.openai import VOICES, WavReader
from comps.tts.service import create_app
from comps.tts.settings import TtsSettings

RATE = 24_000
TONE = (np.sin(np.arange(RATE) * 2 * np.pi * 220 / RATE) * 9000).astype(np.int16)
WAV = encode_audio(TONE, RATE, "wav")
Answer = Callable[[], Response]


def slow() -> Response:
    async def body() -> AsyncIterator[bytes]:
        yield WAV[:1000]
        await asyncio.sleep(30)

    return StreamingResponse(body(), media_type="audio/wav")


def cut() -> Response:
    async def body() -> AsyncIterator[bytes]:
        yield WAV[: len(WAV) // 2]

    return StreamingResponse(body(), media_type="audio/wav")


@asynccontextmanager
async def upstream(answer: Answer) -> AsyncIterator[tuple[str, list[dict[str, Any]]]]:
    seen: list[dict[str, Any]] = []
    app = FastAPI()
    app.state.settings = ServiceSettings(shutdown_grace_s=0)

    @app.post("/v1/audio/speech")
    async def speech(request: Request) -> Response:
        seen.append({**await request.json(), "authorization": request.headers.get("authorization")})
        return answer()

    async with running(app) as url:
        yield url + "/v1", seen


@asynccontextmanager
async def service(url: str, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    chosen = TtsSettings(engine="openai", url=url, upstream_timeout_s=0.4, **settings)
    app = create_app(chosen)
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://tts")
    async with started(app), client:
        yield client


async def test_another_servers_voice_gets_phone_times() -> None:
    body = {"text": "Hello world. Again."}
    async with (
        upstream(lambda: Response(WAV, media_type="audio/wav")) as (url, seen),
        service(url) as client,
        client.stream("POST", "/v1/tts/stream", json=body) as response,
    ):
        chunks = [parse_speech(*message) async for message in unpack_stream(response.aiter_bytes())]
    assert [body["input"] for body in seen] == ["Hello world.", "Again."]
    assert seen[0] == {
        "model": "tts-1", "input": "Hello world.", "voice": "alloy", "response_format": "wav", "authorization": None,
    }  # fmt: skip
    assert sum(len(chunk.pcm) for chunk in chunks) == 2 * len(TONE)
    assert chunks[0].sample_rate == RATE
    assert chunks[-1].last
    phones = [p for c in chunks for p in c.phones]
    assert phones[-1].end == pytest.approx(2.0, abs=0.02)
    assert {p.phone for p in phones} >= {"h", "l", "w"}
    words = [w for c in chunks for w in c.words]
    assert [w.text for w in words] == ["Hello", "world", "Again"]
    assert words[2].char_start == 13
    assert words[2].start >= 1.0


async def test_key_model_voice_and_speed_are_sent() -> None:
    async with upstream(lambda: Response(WAV)) as (url, seen), service(url, api_key="k", model="kokoro") as client:
        body = {"input": "Hi", "voice": "bella", "speed": 1.5, "model": "kokoro", "response_format": "wav"}
        assert (await client.post("/v1/audio/speech", json=body)).status_code == 200
    assert (seen[0]["authorization"], seen[0]["model"], seen[0]["voice"], seen[0]["speed"]) == (
        "Bearer k", "kokoro", "bella", 1.5,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (lambda: HTMLResponse("<h1>It works!</h1>"), 502),
        (lambda: Response(b"\x00\x01garbage" * 1000, media_type="audio/wav"), 502),
        (lambda: Response(b"", media_type="audio/wav"), 502),
        (lambda: Response(WAV[:44]), 502),
        (lambda: Response(b"boom", status_code=500), 502),
        (cut, 502),
        (slow, 504),
        (lambda: Response(b'{"error":{"message":"no such voice"}}', 422, media_type="application/json"), 422),
    ],
)
async def test_bad_servers_have_their_own_status(answer: Answer, status: int) -> None:
    async with upstream(answer) as (url, _), service(url) as client:
        response = await client.post("/v1/tts", json={"text": "Hello."})
    assert (response.status_code, response.json()["error"]["service"]) == (status, "tts")


async def test_a_server_that_is_down_is_named() -> None:
    async with service("http://127.0.0.1:9/v1") as client:
        response = await client.post("/v1/tts", json={"text": "Hello."})
        assert (response.status_code, response.json()["error"]["service"]) == (502, "tts")
        nodes = (await client.get("/v1/health_check")).json()["nodes"]
        assert nodes["openai"] == "ok"
        assert "cannot be reached" in nodes["openai.server"]


async def test_what_the_protocol_cannot_say_is_refused() -> None:
    async with service("http://127.0.0.1:9/v1") as client:
        response = await client.post("/v1/tts", json={"text": "Hello.", "pitch": 1.5})
    assert (response.status_code, response.json()["error"]["param"]) == (422, "pitch")


async def test_voices_without_a_list_are_openais() -> None:
    async with upstream(lambda: Response(WAV)) as (url, _), service(url) as client:
        voices = (await client.get("/v1/voices")).json()["voices"]
    assert {"default", "alloy"} <= {voice["id"] for voice in voices}


@pytest.mark.parametrize(
    ("listed", "names"),
    [
        ({"voices": ["bella", {"id": "nova"}, {"name": "adam"}, None, 3, {}]}, ["bella", "nova", "adam"]),
        ({"voices": None}, [*VOICES]),
        ("garbage", [*VOICES]),
    ],
)
async def test_a_servers_list_of_voices_is_read_with_care(listed: Any, names: list[str]) -> None:
    app = FastAPI()
    app.state.settings = ServiceSettings(shutdown_grace_s=0)
    app.add_api_route("/v1/audio/voices", lambda: listed)
    async with running(app) as url, service(url + "/v1") as client:
        voices = (await client.get("/v1/voices")).json()["voices"]
    assert [voice["id"] for voice in voices] == ["default", *names]


async def test_a_long_text_of_nothing_but_marks_is_refused() -> None:
    async with service("http://127.0.0.1:9/v1") as client:
        response = await client.post("/v1/tts", json={"text": "[](a) " * 400})
    assert (response.status_code, response.json()["error"]["param"]) == (422, "text")


@pytest.mark.parametrize("size", [1, 7, 1000, 100_000])
def test_a_wav_is_read_however_it_is_cut(size: int) -> None:
    reader, pieces = WavReader(), list[Any]()
    for start in range(0, len(WAV), size):
        if (chunk := reader.feed(WAV[start : start + size])) is not None:
            pieces.append(chunk)
    pieces.append(reader.finish(pieces.pop()))
    assert np.array_equal(np.concatenate([p.pcm for p in pieces]), TONE)


def test_a_wav_of_unknown_length_ends_with_the_stream() -> None:
    reader = WavReader()
    first = reader.feed(WAV[:40] + b"\xff\xff\xff\xff" + WAV[44:])
    assert first is not None
    assert len(reader.finish(first).pcm) == len(TONE)


def test_float_wav_is_refused() -> None:
    with pytest.raises(UpstreamError, match="16-bit"):
        WavReader().feed(WAV[:20] + b"\x03\x00" + WAV[22:])


@pytest.mark.parametrize(
    ("languages", "language", "status"),
    [
        ("mul", "fr", 200),
        ("mul", "zh-CN", 200),
        ("en, de", "de-AT", 200),
        ("en, de", "", 200),
        ("en, de", "fr", 422),
        ("en, de", "zh", 422),
    ],
)
async def test_a_language_is_refused_only_by_a_server_that_does_not_speak_it(
    languages: str, language: str, status: int
) -> None:
    async with (
        upstream(lambda: Response(WAV, media_type="audio/wav")) as (url, seen),
        service(url, languages=languages) as client,
    ):
        response = await client.post("/v1/tts", json={"text": "Bonjour.", "language": language})
        voices = (await client.get("/v1/voices")).json()["voices"]
    assert (response.status_code, len(seen)) == (status, int(status == 200))
    assert voices[0]["languages"] == [tag.strip() for tag in languages.split(",")]
    if status == 422:
        error = response.json()["error"]
        assert error["param"] == "language"
        assert "it speaks: en, de" in error["message"]


async def test_phones_are_those_of_the_language_asked_for() -> None:
    async with upstream(lambda: Response(WAV, media_type="audio/wav")) as (url, _), service(url) as client:
        spoken = {
            language: (await client.post("/v1/tts", json={"text": "Rouge.", "language": language})).json()["phones"]
            for language in ("fr", "en")
        }
    assert "\u0281" in {phone["phone"] for phone in spoken["fr"]}
    assert "\u0281" not in {phone["phone"] for phone in spoken["en"]}


@pytest.mark.parametrize("languages", ["en;de", "e", "en,,de"])
def test_a_list_of_languages_that_is_none_is_refused(languages: str) -> None:
    with pytest.raises(ValueError, match="languages"):
        TtsSettings(languages=languages)
