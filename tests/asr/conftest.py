"""A running ASR service, real speech for it, and another server that can be told to misbehave."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import lru_cache

import httpx
import numpy as np
import pytest_asyncio
import soxr
from numpy.typing import NDArray

from comps.asr.engine import SAMPLE_RATE, Audio
from comps.asr.service import create_app
from comps.asr.settings import AsrSettings
from comps.core.app import readiness_of
from comps.core.language.espeak import sample_rate, synthesise
from comps.core.language.espeak_library import RawSettings
from comps.core.media.audio import encode_audio
from comps.core.serve import running

Speak = Callable[[str], Audio]


@lru_cache(maxsize=32)
def spoken(text: str, voice: str = "gmw/en-US") -> Audio:
    """`text` by eSpeak as mono float32 at 16 kHz, with a moment of silence before and after."""
    pieces: list[NDArray[np.int16]] = []

    def keep(pcm: NDArray[np.int16], events: object) -> bool:
        pieces.append(pcm.copy())
        return True

    synthesise(text, RawSettings(voice, 160), keep)
    speech = np.concatenate(pieces).astype(np.float32) / 32768
    silence = np.zeros(SAMPLE_RATE // 5, np.float32)
    return np.concatenate([silence, soxr.resample(speech, sample_rate(), SAMPLE_RATE), silence])


def pcm16(audio: Audio) -> NDArray[np.int16]:
    return (audio * 32767).astype(np.int16)


def wav(audio: Audio) -> bytes:
    return encode_audio(pcm16(audio), SAMPLE_RATE, "wav")


async def cut(audio: Audio, seconds: float = 0.1) -> AsyncIterator[Audio]:
    step = int(seconds * SAMPLE_RATE)
    for start in range(0, len(audio), step):
        yield audio[start : start + step]


def noise(seconds: float, level: float = 0.05) -> Audio:
    samples = np.random.default_rng(1).standard_normal(int(seconds * SAMPLE_RATE))
    return (samples * level).astype(np.float32)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def service() -> AsyncIterator[str]:
    """Base URL of the embedded service; one for all tests, so that one request could disturb another."""
    app = create_app(AsrSettings(port=0, max_audio_s=20, max_body_bytes=2_000_000, decoders=2))
    async with running(app) as url:
        await readiness_of(app).settled()
        yield url


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def client(service: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=service, timeout=60) as opened:
        yield opened
