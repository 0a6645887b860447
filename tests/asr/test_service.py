from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import httpx
import numpy as np
import pytest

from comps.asr.engine import SAMPLE_RATE, Audio
from comps.asr.service import create_app
from comps.asr.settings import AsrSettings
from comps.core.app import readiness_of
from comps.core.media.audio import encode_audio
from comps.core.serve import running
from tests.asr.conftest import noise, pcm16, spoken, wav

pytestmark = pytest.mark.asyncio(loop_scope="session")
QUESTION, LINE = "How do I install AvatarChatbot?", "how do I install AvatarChatbot"
TRANSCRIPTIONS = "/v1/audio/transcriptions"
SILENCE = np.zeros(SAMPLE_RATE, np.float32)


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _float_wav(samples: Audio) -> bytes:
    data = samples.astype("<f4").tobytes()
    riff = b"RIFF" + (36 + len(data)).to_bytes(4, "little") + b"WAVEfmt " + (16).to_bytes(4, "little")
    fmt = (3).to_bytes(2, "little") + (1).to_bytes(2, "little") + SAMPLE_RATE.to_bytes(4, "little")
    rest = (SAMPLE_RATE * 4).to_bytes(4, "little") + (4).to_bytes(2, "little") + (32).to_bytes(2, "little")
    return riff + fmt + rest + b"data" + len(data).to_bytes(4, "little") + data


async def _upload(client: httpx.AsyncClient, data: bytes, **fields: Any) -> httpx.Response:
    return await client.post(TRANSCRIPTIONS, files={"file": ("speech.wav", data)}, data=fields)


@pytest.mark.parametrize("name", ["audio", "byte_str"])
async def test_asr_answers_with_opeas_key_and_more(client: httpx.AsyncClient, name: str) -> None:
    response = await client.post("/v1/asr", json={name: _b64(wav(spoken(QUESTION))), "language": "english"})
    body = response.json()
    assert response.status_code == 200
    assert body["asr_result"] == body["text"] == LINE
    assert body["language"] == "en"
    assert body["duration"] == pytest.approx(len(spoken(QUESTION)) / SAMPLE_RATE, abs=0.01)
    assert [word["text"] for word in body["words"]] == LINE.split()


@pytest.mark.parametrize("encode", [
    _float_wav,
    lambda audio: encode_audio(pcm16(audio), SAMPLE_RATE, "mp3"),
    lambda audio: encode_audio(pcm16(audio), SAMPLE_RATE, "flac"),
    lambda audio: encode_audio(np.repeat(pcm16(audio), 3), 3 * SAMPLE_RATE, "wav"),
])  # fmt: skip
async def test_any_container_is_heard(client: httpx.AsyncClient, encode: Any) -> None:
    response = await client.post("/v1/asr", json={"audio": _b64(encode(spoken(QUESTION)))})
    assert response.json()["text"] == LINE


async def test_transcriptions_in_every_format(client: httpx.AsyncClient) -> None:
    data = wav(spoken(QUESTION))
    plain = await _upload(client, data, model="openai/whisper-small", language="english", temperature="0")
    assert plain.json() == {"text": LINE}
    assert (await _upload(client, data, response_format="text")).text == LINE + "\n"
    srt, vtt = await _upload(client, data, response_format="srt"), await _upload(client, data, response_format="vtt")
    assert srt.text.startswith("1\n00:00:00,")
    assert vtt.text.startswith("WEBVTT\n\n00:00:00.")
    assert vtt.headers["content-type"].startswith("text/vtt")
    assert LINE in srt.text
    assert LINE in vtt.text


@pytest.mark.parametrize(
    ("fields", "words", "segments"),
    [
        ({}, False, True),
        ({"timestamp_granularities[]": "word"}, True, False),
        ({"timestamp_granularities[]": ["word", "segment"]}, True, True),
        ({"timestamp_granularities": "word,segment"}, True, True),
    ],
)
async def test_verbose_json(client: httpx.AsyncClient, fields: dict[str, Any], words: bool, segments: bool) -> None:
    body = (await _upload(client, wav(spoken(QUESTION)), response_format="verbose_json", **fields)).json()
    assert (body["task"], body["language"], body["text"]) == ("transcribe", "english", LINE)
    assert ("words" in body, "segments" in body) == (words, segments)
    if words:
        assert [word["word"] for word in body["words"]] == LINE.split()
    if segments:
        assert body["segments"][0]["text"] == LINE


async def test_the_file_may_be_base64_in_a_form_field(client: httpx.AsyncClient) -> None:
    response = await client.post(TRANSCRIPTIONS, data={"file": _b64(wav(spoken(QUESTION)))}, files={"none": b""})
    assert response.json() == {"text": LINE}


async def test_opeas_first_form_gets_a_document(client: httpx.AsyncClient) -> None:
    body = (await client.post(TRANSCRIPTIONS, json={"byte_str": _b64(wav(spoken(QUESTION)))})).json()
    assert body["query"] == LINE
    assert {"id", "max_tokens", "temperature", "top_k"} <= body.keys()


async def test_events(client: httpx.AsyncClient) -> None:
    audio = np.concatenate([spoken(QUESTION), np.zeros(4 * SAMPLE_RATE, np.float32), spoken("Do I need a GPU?")])
    response = await _upload(client, wav(audio), stream="true")
    assert response.headers["content-type"].startswith("text/event-stream")
    events = [json.loads(line[6:]) for line in response.text.splitlines() if line.startswith("data: ")]
    *deltas, done = events
    assert len(deltas) >= 2
    assert done["type"] == "transcript.text.done"
    assert "".join(delta["delta"] for delta in deltas) == done["text"]
    assert done["text"].startswith(LINE)


NAN = np.full(SAMPLE_RATE, np.nan, np.float32)
BAD_AUDIO = [
    (b"This is a text and not a recording of anything at all.", 415, "unsupported_media"),
    (wav(np.zeros(0, np.float32)), 422, "unprocessable"),
    (wav(SILENCE), 422, "no_speech"),
    (wav(noise(2)), 422, "no_speech"),
    (_float_wav(NAN), 422, "unprocessable"),
    (wav(np.zeros(21 * SAMPLE_RATE, np.float32)), 413, "too_large"),
    (b"", 422, "unprocessable"),
]


@pytest.mark.parametrize(("data", "status", "code"), BAD_AUDIO)
@pytest.mark.parametrize("way", ["asr", "upload", "stream"])
async def test_bad_audio(client: httpx.AsyncClient, data: bytes, status: int, code: str, way: str) -> None:
    if way == "asr":
        response = await client.post("/v1/asr", json={"audio": _b64(data)})
    else:
        response = await _upload(client, data, stream=str(way == "stream").lower())
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["service"]) == (status, code, "asr")
    assert error["request_id"]


GOOD = _b64(wav(SILENCE))
BAD_BODIES = [
    ({"audio": "%%%"}, 422, "audio"),
    ({"audio": GOOD, "byte_str": GOOD[:-8]}, 422, None),
    ({}, 422, "audio"),
    ({"audio": 5}, 422, "audio"),
    ({"audio": GOOD, "language": "klingonese"}, 422, "language"),
    ({"audio": GOOD, "language": "zh"}, 422, "language"),
    ({"audio": GOOD, "engine": "parrot"}, 422, "engine"),
    ({"audio": GOOD, "temperature": 7}, 422, "temperature"),
]


@pytest.mark.parametrize(("body", "status", "param"), BAD_BODIES)
async def test_bad_bodies_of_asr(
    client: httpx.AsyncClient, body: dict[str, Any], status: int, param: str | None
) -> None:
    response = await client.post("/v1/asr", json=body)
    assert response.status_code == status
    assert response.json()["error"]["param"] == param


BAD_FIELDS = [
    ("response_format", "xml"), ("timestamp_granularities[]", "syllable"), ("temperature", "hot"),
    ("language", "klingonese"), ("model", "gpt-9-listen"), ("engine", "parrot"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), BAD_FIELDS)
async def test_bad_fields_of_a_form(client: httpx.AsyncClient, name: str, value: str) -> None:
    response = await _upload(client, wav(SILENCE), **{name: value})
    assert response.status_code == 422
    assert response.json()["error"]["param"] == name.removesuffix("[]")


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"", "application/json", 400),
        (b"{", "application/json", 400),
        (b"[]", "application/json", 422),
        (b"{}", "application/json", 422),
        (b'{"byte_str": "%%"}', "application/json", 422),
        (b'{"byte_str": "AAAA", "audio": "BBBB"}', "application/json", 422),
        (b"no form at all", "multipart/form-data", 400),
        (b"--x\r\n", "multipart/form-data; boundary=y", 400),
        (b"hello", "text/plain", 400),
        (b"a=b", "application/x-www-form-urlencoded", 422),
    ],
)
async def test_bad_transcription_bodies(client: httpx.AsyncClient, content: bytes, kind: str, status: int) -> None:
    response = await client.post(TRANSCRIPTIONS, content=content, headers={"content-type": kind})
    assert response.status_code == status
    assert response.json()["error"]["service"] == "asr"


async def test_too_many_bytes(client: httpx.AsyncClient) -> None:
    for response in (
        await _upload(client, bytes(2_100_000)),
        await client.post("/v1/asr", json={"audio": "A" * 2_100_000}),
    ):
        assert response.status_code == 413


async def test_a_missing_extra_is_named(client: httpx.AsyncClient) -> None:
    for engine, extra in (("whisper", "whisper"), ("faster_whisper", "faster-whisper")):
        response = await client.post("/v1/asr", json={"audio": GOOD, "engine": engine})
        assert response.status_code == 503
        assert f"pip install 'avatarchatbot[{extra}]'" in response.json()["error"]["message"]


async def test_eight_at_once_each_get_their_own(client: httpx.AsyncClient) -> None:
    texts = ["What is GFPGAN?", "Do I need a GPU?", "Can I use Ollama?", "Is my data private?"] * 2
    alone = {text: (await _upload(client, wav(spoken(text)))).text for text in set(texts)}
    together = await asyncio.gather(*(_upload(client, wav(spoken(text))) for text in texts))
    assert [response.text for response in together] == [alone[text] for text in texts]
    assert len(set(alone.values())) == 4


async def test_health_names_the_engine(client: httpx.AsyncClient) -> None:
    body = (await client.get("/v1/health_check")).json()
    assert body["Service Title"] == "ASR"
    assert "pocketsphinx" in json.dumps(body)


async def test_a_base_that_is_missing_is_told_by_readyz(tmp_path: Any) -> None:
    app = create_app(AsrSettings(port=0, knowledge_dir=tmp_path / "gone"))
    async with running(app) as url, httpx.AsyncClient(base_url=url) as client:
        await readiness_of(app).settled()
        ready, livez = await client.get("/readyz"), await client.get("/livez")
    assert (ready.status_code, livez.status_code) == (503, 200)
    assert "gone" in ready.json()["error"]["message"]
