"""The animation service on a real socket, with stand-ins for what hears and moves."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import FastAPI

from comps.animation.audio2face.web.host import FaceHost, keep_host
from comps.animation.service import create_app
from comps.animation.settings import AnimationSettings
from comps.core.media.audio import encode_audio
from comps.core.serve import running
from tests.animation.stand_in import TABLE
from tests.audio2face.stand_in import LoudEmotions, LoudFace

RATE = 16_000
Json = dict[str, Any]


@dataclass(frozen=True)
class Served:
    """A service, its client, and what moves its faces."""

    app: FastAPI
    url: str
    client: httpx.AsyncClient
    model: LoudFace
    host: FaceHost

    @property
    def socket_url(self) -> str:
        return self.url.replace("http", "ws", 1) + "/v1/audio2face/stream"


@pytest.fixture
def settings(tmp_path: Path) -> AnimationSettings:
    deployment = tmp_path / "deployment_config.yaml"
    deployment.write_text("common:\n  stream_number: 2\n")
    advanced = tmp_path / "advanced_config.yaml"
    advanced.write_text("input_sanitization:\n  max_audio_buffer_size_second: 4\n  max_audio_clip_size_second: 8\n")
    return AnimationSettings(
        engine="stand-in", data_dir=tmp_path / "data", output_dir=tmp_path / "out", max_audio_s=20, session_idle_s=20,
        shutdown_grace_s=1, audio2face_deployment_config=deployment, audio2face_advanced_config=advanced,
    )  # fmt: skip


@pytest.fixture
async def service(settings: AnimationSettings) -> AsyncIterator[Served]:
    app, model = create_app(settings, TABLE), LoudFace()
    host = FaceHost(settings, load=lambda configuration, chosen: (model, LoudEmotions()))
    keep_host(app, host)
    async with running(app) as url, httpx.AsyncClient(base_url=url, timeout=30) as client:
        await app.state.readiness.settled()
        yield Served(app, url, client, model, host)


def sound(seconds: float, rate: int = RATE) -> np.ndarray[Any, np.dtype[np.int16]]:
    """A tone that is loud in the first half of each second."""
    t = np.arange(round(seconds * rate)) / rate
    return (np.sin(2 * np.pi * 220 * t) * 16000 * (t % 1 < 0.5)).astype(np.int16)


def wav(seconds: float, rate: int = RATE) -> bytes:
    return encode_audio(sound(seconds, rate), rate, "wav")


def base64_wav(seconds: float) -> str:
    return base64.b64encode(wav(seconds)).decode()
