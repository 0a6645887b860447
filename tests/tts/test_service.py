from __future__ import annotations

import asyncio
import base64
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import FastAPI

from comps.core.framing import SPEECH_MEDIA_TYPE, parse_speech, unpack_stream
from comps.core.media.audio import decode_audio
from comps.core.serve import running, started
from comps.core.speech import SpeechChunk
from comps.tts.engines.espeak import EspeakEngine
from comps.tts.service import create_app
from comps.tts.settings import TtsSettings

TEXT = "Hello there, my name is Ada."


async def messages(client: httpx.AsyncClient, **body: Any) -> list[SpeechChunk]:
    async with client.stream("POST", "/v1/tts/stream", json=body) as response:
        assert response.status_code == 200
        assert response.headers["content-type"] == SPEECH_MEDIA_TYPE
        return [parse_speech(*message) async for message in unpack_stream(response.aiter_bytes())]


async def test_opea_form_answers_with_a_16_khz_wav(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/tts", json={"text": TEXT, "voice": "default"})
    body = response.json()
    wav = base64.b64decode(body["tts_result"])
    assert wav[24:28] == (16000).to_bytes(4, "little")
    assert wav[22:24] == (1).to_bytes(2, "little")
    audio = decode_audio(wav, rate=16000, max_seconds=60)
    assert len(audio) / 16000 == pytest.approx(body["duration"], abs=0.01)
    assert body["words"][0]["word"] == "Hello"
    assert body["phones"][0]["phone"] == "h"


@pytest.mark.parametrize(
    ("fmt", "media", "magic"),
    [
        ("wav", "audio/wav", b"RIFF"),
        ("mp3", "audio/mpeg", b"\xff"),
        ("opus", "audio/ogg", b"OggS"),
        ("flac", "audio/flac", b"fLaC"),
        ("aac", "audio/aac", b"\xff"),
    ],
)
async def test_openai_form_in_every_format(client: httpx.AsyncClient, fmt: str, media: str, magic: bytes) -> None:
    body = {"input": TEXT, "model": "tts-1", "voice": "alloy", "response_format": fmt}
    response = await client.post("/v1/audio/speech", json=body)
    assert response.headers["content-type"] == media
    assert response.content.startswith(magic)
    audio = decode_audio(response.content, rate=16000, max_seconds=60)
    whole = (await client.post("/v1/tts", json={"text": TEXT, "voice": "alloy"})).json()["duration"]
    assert len(audio) / 16000 == pytest.approx(whole, abs=0.2)


async def test_pcm_is_at_24_khz_and_mp3_is_the_default(client: httpx.AsyncClient) -> None:
    pcm = await client.post("/v1/audio/speech", json={"input": TEXT, "response_format": "pcm"})
    seconds = (await client.post("/v1/tts", json={"text": TEXT})).json()["duration"]
    assert len(pcm.content) / 2 / 24000 == pytest.approx(seconds, abs=0.05)
    assert (await client.post("/v1/audio/speech", json={"input": TEXT})).headers["content-type"] == "audio/mpeg"


async def test_opeas_older_form_answers_with_byte_str(client: httpx.AsyncClient) -> None:
    body = (await client.post("/v1/audio/speech", json={"text": TEXT})).json()
    assert set(body) == {"id", "byte_str"}
    assert base64.b64decode(body["byte_str"]).startswith(b"RIFF")


async def test_stream_carries_sound_phones_and_words(client: httpx.AsyncClient) -> None:
    chunks = await messages(client, text=TEXT, sentence=3)
    assert len(chunks) > 3
    assert {chunk.sentence for chunk in chunks} == {3}
    assert [chunk.last for chunk in chunks].count(True) == 1
    assert chunks[0].text == TEXT
    assert chunks[0].phones
    assert [w.text for c in chunks for w in c.words] == ["Hello", "there", "my", "name", "is", "Ada"]
    assert np.abs(np.concatenate([c.pcm for c in chunks]).astype(int)).max() > 3000


async def test_voice_speed_pitch_and_language_are_honoured(client: httpx.AsyncClient) -> None:
    normal = (await messages(client, text=TEXT))[-1].end
    assert (await messages(client, text=TEXT, speed=2.0))[-1].end < 0.7 * normal
    german = {p.phone for c in await messages(client, text="Ich auch", language="de") for p in c.phones}
    assert "ç" in german


async def test_voices_are_listed(client: httpx.AsyncClient) -> None:
    body = (await client.get("/v1/voices")).json()
    ids = {voice["id"] for voice in body["voices"]}
    assert {"default", "male", "female", "alloy", "gmw/en-US", "+f5"} <= ids
    assert body["engine"] == "espeak"


@pytest.mark.parametrize("path", ["/v1/tts", "/v1/tts/stream"])
@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({}, 422, "text"),
        ({"text": ""}, 422, "text"),
        ({"text": " ... \U0001f600"}, 422, "text"),
        ({"text": "x" * 2001}, 413, "text"),
        ({"text": 5}, 422, "text"),
        ({"text": "a", "voice": "nobody"}, 422, "voice"),
        ({"text": "a", "voice": "en-us-x"}, 422, "voice"),
        ({"text": "a", "language": "klingonisch"}, 422, "language"),
        ({"text": "a", "engine": "none"}, 422, "engine"),
        ({"text": "a", "engine": "coqui"}, 503, "engine"),
        ({"text": "a", "speed": 9}, 422, "speed"),
        ({"text": "a", "speed": "nan"}, 422, "speed"),
        ({"text": "a", "pitch": 0}, 422, "pitch"),
        ({"text": "a", "voice": "de", "language": "en"}, 422, "voice"),
    ],
)
async def test_bad_input_has_its_own_status(
    client: httpx.AsyncClient, path: str, body: dict[str, Any], status: int, param: str | None
) -> None:
    response = await client.post(path, json=body)
    error = response.json()["error"]
    assert (response.status_code, error["param"], error["service"]) == (status, param, "tts")
    assert error["request_id"]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "input"),
        ({"input": "a", "text": "b"}, "text"),
        ({"input": "a", "model": "gpt-9"}, "model"),
        ({"input": "a", "response_format": "midi"}, "response_format"),
        ({"input": "..."}, "input"),
        ({"input": "a", "voice": "en-us-x"}, "voice"),
    ],
)
async def test_bad_openai_requests(client: httpx.AsyncClient, body: dict[str, Any], param: str) -> None:
    response = await client.post("/v1/audio/speech", json=body)
    assert (response.status_code, response.json()["error"]["param"]) == (422, param)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe"])
async def test_bodies_that_are_no_json_get_400(client: httpx.AsyncClient, content: bytes) -> None:
    response = await client.post("/v1/tts", content=content, headers={"content-type": "application/json"})
    assert response.status_code == 400


async def test_a_missing_extra_says_how_to_install_it(client: httpx.AsyncClient) -> None:
    error = (await client.post("/v1/tts", json={"text": "a", "engine": "coqui"})).json()["error"]
    assert "pip install 'avatarchatbot[coqui]'" in error["message"]
    assert error["code"] == "engine_unavailable"


async def test_null_fields_mean_their_defaults(client: httpx.AsyncClient) -> None:
    body = {"text": "a", "voice": None, "speed": None, "language": None, "engine": None, "unknown": 1}
    assert (await client.post("/v1/tts", json=body)).status_code == 200


async def test_health_tells_of_the_engine(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/health_check")).json()["nodes"] == {"espeak": "ok"}
    assert (await client.get("/readyz")).status_code == 200


async def test_opeas_component_name_is_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TTS_COMPONENT_NAME", "espeak")
    async with started(create_app(TtsSettings())) as app:
        assert app.state.readiness.state == "ready"


async def test_eight_requests_at_once_each_get_their_own(client: httpx.AsyncClient) -> None:
    texts = [f"This is number {n}." for n in range(8)]
    answers = await asyncio.gather(*(messages(client, text=text, sentence=n) for n, text in enumerate(texts)))
    for n, chunks in enumerate(answers):
        assert chunks[0].text == texts[n]
        assert [w.text for c in chunks for w in c.words][-1] == str(n)
        assert {c.sentence for c in chunks} == {n}


async def test_a_client_that_leaves_stops_the_synthesis(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    spoken: list[int] = []
    say = EspeakEngine._say

    def counted(self: EspeakEngine, *arguments: Any) -> None:
        spoken.append(1)
        say(self, *arguments)

    monkeypatch.setattr(EspeakEngine, "_say", counted)
    big = create_app(TtsSettings(max_text_chars=1_000_000))
    text = "A sentence of some length that takes a while to be spoken. " * 10_000
    async with running(big) as url, httpx.AsyncClient(base_url=url, timeout=30) as client:
        await big.state.readiness.settled()
        async with client.stream("POST", "/v1/tts/stream", json={"text": text}) as response:
            await anext(response.aiter_bytes())
        await asyncio.sleep(0.3)
        count = len(spoken)
        await asyncio.sleep(0.3)
        assert len(spoken) == count
        assert count < 5000


@pytest.mark.parametrize(("path", "key"), [("/v1/tts", "tts_result"), ("/v1/audio/speech", "byte_str")])
async def test_long_speech_given_whole_is_one_json_of_known_length(path: str, key: str) -> None:
    text = "The quick brown fox jumps over the lazy dog. " * 40
    app = create_app(TtsSettings())
    async with running(app) as url, httpx.AsyncClient(base_url=url, timeout=60) as client:
        await app.state.readiness.settled()
        response = await client.post(path, json={"text": text})
    assert int(response.headers["content-length"]) == len(response.content)
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    audio = decode_audio(base64.b64decode(body[key], validate=True), rate=16000, max_seconds=600)
    assert len(audio) > 16000 * 60
    if path == "/v1/tts":
        assert len(audio) / 16000 == pytest.approx(body["duration"], abs=0.01)
        assert [word["word"] for word in body["words"]] == text.replace(".", "").split()
        assert len(body["phones"]) > 1000


@pytest.mark.parametrize("path", ["/v1/tts", "/v1/audio/speech"])
async def test_speech_too_long_for_one_json_is_refused_but_streamed(path: str) -> None:
    text = "The quick brown fox jumps over the lazy dog. " * 3
    app = create_app(TtsSettings(max_whole_s=4.0))
    async with running(app) as url, httpx.AsyncClient(base_url=url, timeout=60) as client:
        await app.state.readiness.settled()
        refused = await client.post(path, json={"text": text})
        assert (refused.status_code, refused.json()["error"]["param"]) == (413, "text")
        assert "4 s" in refused.json()["error"]["message"]
        assert sum(len(chunk.pcm) for chunk in await messages(client, text=text)) > 4 * 22050
        assert (await client.post(path, json={"text": "Short."})).status_code == 200
