from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import cv2
import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from numpy.typing import NDArray

from comps.animation.avatars import PRESENTERS
from comps.animation.service import create_app
from comps.animation.settings import AnimationSettings
from comps.core.media.audio import encode_audio
from comps.core.serve import running
from tests.animation.stand_in import TABLE, StandIn

RATE = 22_050


@dataclass(frozen=True)
class Running:
    """A service on a socket of this machine."""

    app: FastAPI
    url: str
    client: httpx.AsyncClient
    settings: AnimationSettings

    @property
    def engine(self) -> StandIn:
        return cast("StandIn", self.app.state.studio.engines.loaded["stand-in"])

    @property
    def socket_url(self) -> str:
        return self.url.replace("http", "ws", 1) + "/v1/animation/stream"


@pytest.fixture
def settings(tmp_path: Path) -> AnimationSettings:
    return AnimationSettings(
        engine="stand-in",
        data_dir=tmp_path / "data",
        output_dir=tmp_path / "out",
        pace_dir=tmp_path / "pace",
        size=64,
        max_audio_s=20,
        max_pixels=4_000_000,
        max_sessions=3,
        session_idle_s=20,
        shutdown_grace_s=1,
    )


@pytest.fixture
async def service(settings: AnimationSettings) -> AsyncIterator[Running]:
    app = create_app(settings, TABLE)
    async with running(app) as url, httpx.AsyncClient(base_url=url, timeout=30) as client:
        await app.state.readiness.settled()
        yield Running(app, url, client, settings)


@pytest.fixture(scope="session")
def portrait() -> NDArray[np.uint8]:
    """A drawn face, uint8 `[h, w, 3]` RGB."""
    picture = cv2.imread(str(PRESENTERS / "ada" / "portrait.png"))
    assert picture is not None
    return cv2.cvtColor(cv2.resize(picture, (512, 512), interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2RGB)


@pytest.fixture(scope="session")
def portrait_file(portrait: NDArray[np.uint8]) -> bytes:
    """The same as a JPEG file."""
    return jpeg(portrait)


def jpeg(picture: NDArray[np.uint8]) -> bytes:
    return cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes()


def tone(seconds: float, rate: int = RATE) -> NDArray[np.int16]:
    """A tone that is loud in the first half of each second, int16 `[n]`."""
    t = np.arange(round(seconds * rate)) / rate
    return (np.sin(2 * np.pi * 220 * t) * 8000 * (t % 1 < 0.5)).astype(np.int16)


def base64_wav(seconds: float) -> str:
    return base64.b64encode(encode_audio(tone(seconds), RATE, "wav")).decode()
