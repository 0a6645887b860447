"""Nothing that is meant for a stage the request skips is taken in silence."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.request import AnimateRequest, SayRequest
from gateway.skipped import OPEA_DEFAULT_MODEL
from tests.gateway.conftest import Stack

OPEA_DEFAULTS: dict[str, Any] = {
    "model": OPEA_DEFAULT_MODEL,
    "messages": None,
    "temperature": 0.01,
    "top_p": 0.95,
    "top_k": 10,
    "n": 1,
    "max_tokens": 1024,
    "stop": None,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "repetition_penalty": 1.03,
    "user": None,
    "stream": False,
}
REFUSED: list[tuple[str, str, dict[str, Any]]] = [
    ("/v1/avatarchatbot", "engine.asr", {"text": "hello", "engine": {"asr": "whisper"}}),
    ("/v1/avatarchatbot", "engine.asr", {"messages": "hello", "engine": {"asr": "whisper"}}),
    ("/v1/say", "engine.asr", {"text": "hello", "engine": {"asr": "whisper"}}),
    ("/v1/say", "engine.llm", {"text": "hello", "engine": {"llm": "knowledge"}}),
    ("/v1/say", "temperature", {"text": "hello", "temperature": 0}),
    ("/v1/say", "model", {"text": "hello", "model": "qwen"}),
    ("/v1/say", "max_tokens", {"text": "hello", "max_tokens": 64}),
    ("/v1/say", "messages", {"text": "hello", "messages": "hi"}),
    ("/v1/say", "audio", {"text": "hello", "audio": "AAAA"}),
    ("/v1/animate", "engine.tts", {"audio": "AAAA", "engine": {"tts": "espeak"}}),
    ("/v1/animate", "voice", {"audio": "AAAA", "voice": "male"}),
    ("/v1/animate", "language", {"audio": "AAAA", "language": "de"}),
    ("/v1/animate", "text", {"audio": "AAAA", "text": "hello"}),
    ("/v1/animate", "top_k", {"audio": "AAAA", "top_k": 3}),
]


@pytest.mark.parametrize(("path", "name", "body"), REFUSED)
async def test_what_a_skipped_stage_would_need_is_refused(
    stack: Stack, path: str, name: str, body: dict[str, Any]
) -> None:
    reply = await stack.client.post(path, json=body)
    assert reply.status_code == 422
    assert f"'{name}' is for a stage that this request skips" in reply.json()["error"]["message"]
    assert not stack.notes.animation


def test_defaults_are_accepted() -> None:
    speech = {"voice": "default", "language": "auto"}
    assert SayRequest(text="hello", engine={"tts": "espeak"}, **OPEA_DEFAULTS, **speech).engines.tts == "espeak"
    assert AnimateRequest(audio="AAAA", text="", **OPEA_DEFAULTS, **speech).audio == "AAAA"


def test_keys_of_other_releases_are_accepted() -> None:
    assert SayRequest(text="hello", chat_template="x").text == "hello"
