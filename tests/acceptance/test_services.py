"""Each endpoint OPEA's programs call, on the real services: the keys they read are there, spelled as they read them."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from tests.acceptance.conftest import QUESTION
from tests.acceptance.stack import SERVICES, Product

WAV = QUESTION.read_bytes()
B64 = base64.b64encode(WAV).decode()
TRANSCRIBE = {"model": "openai/whisper-small", "language": "english", "response_format": "json", "temperature": "0"}
CHAT = {
    "model": "tgi",
    "messages": [{"role": "user", "content": "What can you do?"}],
    "max_tokens": 1024,
    "top_p": 0.95,
    "stream": False,
    "frequency_penalty": 0.0,
    "temperature": 0.01,
}
LLM_PARAMS = {"max_tokens", "top_k", "top_p", "temperature", "frequency_penalty", "repetition_penalty", "stream"}
LATENCIES = {"p50_latency", "p99_latency", "average_latency"}


@dataclass(frozen=True)
class Case:
    """A call as OPEA's code makes it, and what its answer must have: keys, or the first bytes of sound."""

    service: str
    path: str
    send: dict[str, Any] = field(default_factory=dict)
    keys: set[str] = field(default_factory=set)
    starts: tuple[bytes, ...] = (b"",)
    method: str = "POST"
    exactly: bool = False


CASES = {
    "whisper": Case("asr", "/v1/asr", {"json": {"audio": B64}}, {"asr_result"}),
    "transcription": Case(
        "asr",
        "/v1/audio/transcriptions",
        {"data": TRANSCRIBE, "files": {"file": ("q.wav", WAV)}},
        {"text"},
        exactly=True,
    ),
    "transcription of base64": Case(
        "asr", "/v1/audio/transcriptions", {"data": {**TRANSCRIBE, "file": B64}}, {"text"}, exactly=True
    ),
    "asr wrapper of 1.1": Case(
        "asr", "/v1/audio/transcriptions", {"json": {"byte_str": B64}}, {"id", "query"} | LLM_PARAMS
    ),
    "chat": Case(
        "llm", "/v1/chat/completions", {"json": CHAT}, {"id", "object", "created", "model", "choices", "usage"}
    ),
    "chat, streamed": Case("llm", "/v1/chat/completions", {"json": {**CHAT, "stream": True}}, starts=(b"data: {",)),
    "llm wrapper of 1.1": Case(
        "llm",
        "/v1/chat/completions",
        {"json": {"query": "What can you do?", "max_new_tokens": 1024, "stream": False}},
        {"id", "text", "prompt"},
    ),
    "speecht5": Case("tts", "/v1/tts", {"json": {"text": "Hello.", "voice": "default"}}, {"tts_result"}),
    "speech": Case(
        "tts",
        "/v1/audio/speech",
        {"json": {"input": "Hello.", "model": "microsoft/speecht5_tts", "voice": "default", "speed": 1.0}},
        starts=(b"ID3", b"\xff\xf3", b"\xff\xfb"),
    ),
    "tts wrapper of 1.1": Case(
        "tts", "/v1/audio/speech", {"json": {"text": "Hello."}}, {"id", "byte_str"}, exactly=True
    ),
    "animation": Case(
        "animation", "/v1/animation", {"json": {"byte_str": B64}}, {"id", "video_path", "wav2lip_result"}
    ),
    "animation by audio": Case("animation", "/v1/animation", {"json": {"audio": B64}}, {"id", "video_path"}),
    "wav2lip": Case("animation", "/v1/wav2lip", {"json": {"audio": B64}}, {"wav2lip_result"}, exactly=True),
    "services": Case(
        "gateway",
        "/v1/list_service",
        keys={f"{name}/MicroService" for name in SERVICES[1:]},
        method="GET",
        exactly=True,
    ),
    "parameters": Case("gateway", "/v1/list_parameters", keys={"properties"}, method="GET"),
    **{
        f"{path} of {service}": case
        for service in SERVICES
        for path, case in {
            "/health": Case(service, "/health", method="GET"),
            "/v1/health": Case(service, "/v1/health", method="GET"),
            "/metrics": Case(service, "/metrics", starts=(b"# HELP",), method="GET"),
            "/v1/health_check": Case(
                service,
                "/v1/health_check",
                keys={"Service Title", "Version", "Service Description", "status", "nodes"},
                method="GET",
            ),
            "/v1/statistics": Case(service, "/v1/statistics", keys={f"opea_service@{service}"}, method="GET"),
        }.items()
    },
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_an_endpoint_answers_with_the_keys_named(running: Product, case: Case) -> None:
    async with httpx.AsyncClient(base_url=running.urls[case.service], timeout=60, trust_env=False) as client:
        reply = await client.request(case.method, case.path, **case.send)
    assert reply.status_code == 200, reply.text
    assert reply.content.startswith(case.starts)
    if case.keys:
        body = reply.json()
        assert case.keys <= set(body)
        assert not case.exactly or set(body) == case.keys
    if case.path == "/v1/statistics":
        shown = reply.json()[f"opea_service@{case.service}"]
        assert set(shown) == LATENCIES | {f"{name}_first_token" for name in LATENCIES}


async def test_a_voice_as_the_speech_server_returns_it(running: Product) -> None:
    async with httpx.AsyncClient(base_url=running.urls["tts"], timeout=60, trust_env=False) as client:
        reply = await client.post("/v1/tts", json={"text": "Hello.", "voice": "default"})
    wav = base64.b64decode(reply.json()["tts_result"])
    assert wav[:4] == b"RIFF"
    assert (int.from_bytes(wav[22:24], "little"), int.from_bytes(wav[24:28], "little")) == (1, 16_000)


async def test_a_chat_answer_is_where_the_next_node_reads_it(running: Product) -> None:
    async with httpx.AsyncClient(base_url=running.urls["llm"], timeout=60, trust_env=False) as client:
        reply = (await client.post("/v1/chat/completions", json=CHAT)).json()
    assert reply["choices"][0]["message"]["content"].strip()
    assert reply["choices"][0]["finish_reason"] == "stop"
