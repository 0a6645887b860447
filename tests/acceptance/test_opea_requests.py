"""Requests as OPEA's own samples have them, to the gateway: the reply is a path the same gateway serves."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from comps.core.media.audio import decode_audio, encode_audio
from tests.acceptance.conftest import QUESTION, watch


def recorded(rate: int, channels: int, seconds: float) -> str:
    """The shipped question in another shape, as base64."""
    sound = decode_audio(QUESTION.read_bytes(), rate=rate, max_seconds=60)
    sound = np.resize(np.pad(sound, (0, max(0, round(rate * seconds) - len(sound)))), round(rate * seconds))
    pcm = (sound * 32767).astype(np.int16)
    data = encode_audio(np.repeat(pcm, channels), rate, "wav")
    return base64.b64encode(_with_channels(data, channels, rate)).decode()


def _with_channels(wav: bytes, channels: int, rate: int) -> bytes:
    """A mono WAV relabelled as interleaved `channels`."""
    header = bytearray(wav[:44])
    header[22:24] = channels.to_bytes(2, "little")
    header[28:32] = (rate * 2 * channels).to_bytes(4, "little")
    header[32:34] = (2 * channels).to_bytes(2, "little")
    return bytes(header) + wav[44:]


SAMPLES: dict[str, dict[str, Any]] = {
    "who are you": {"audio": recorded(16_000, 1, 2.18), "max_tokens": 64},
    "question": {"byte_str": recorded(48_000, 2, 5.3)},
    "minecraft": {
        "audio": recorded(44_100, 1, 3.0),
        "messages": None,
        "model": "Intel/neural-chat-7b-v3-3",
        "temperature": 0.01,
        "top_p": 0.95,
        "top_k": 10,
        "n": 1,
        "max_tokens": 1024,
        "stop": None,
        "stream": False,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "repetition_penalty": 1.03,
        "voice": "default",
        "user": None,
        "of_a_later_release": {"a": 1},
    },
}


@pytest.mark.parametrize("body", SAMPLES.values(), ids=SAMPLES)
async def test_each_sample_gets_a_path_that_is_served(
    client: httpx.AsyncClient, body: dict[str, Any], tmp_path: Path
) -> None:
    reply = await client.post("/v1/avatarchatbot", json=body)
    assert reply.status_code == 200, reply.text
    assert reply.headers["content-type"] == "application/json"
    assert re.fullmatch(r'"/outputs/[0-9a-f]{32}\.mp4"', reply.text)
    clip = await watch(client, reply.json(), tmp_path)
    assert len(clip.frames) > 25
    assert np.abs(clip.sound).max() > 0.05
