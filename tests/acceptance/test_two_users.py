"""Two who speak at the same time: each hears and sees only their own answer."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path

import cv2
import httpx
import numpy as np

from comps.core.media.audio import decode_audio
from tests.acceptance.conftest import QUESTION, ask, watch
from tests.acceptance.media import Clip, correlation, envelope
from tests.acceptance.stack import Product

TURNS = 3


async def test_neither_hears_or_sees_the_other(client: httpx.AsyncClient, tmp_path: Path) -> None:
    reply = await client.post("/v1/audio/speech", json={"input": "My own words, said by me.", "response_format": "wav"})
    recordings = {"ada": QUESTION.read_bytes(), "noor": reply.content}
    faces = {avatar: await picture(client, avatar) for avatar in recordings}

    async def user(avatar: str) -> list[Clip]:
        clips = []
        for _ in range(TURNS):
            sound = base64.b64encode(recordings[avatar]).decode()
            answer = await ask(client, "/v1/animate", audio=sound, avatar=avatar, size=128)
            clips.append(await watch(client, answer["video_path"], tmp_path))
        return clips

    seen = dict(zip(recordings, await asyncio.gather(*map(user, recordings)), strict=True))
    for avatar, other in (("ada", "noor"), ("noor", "ada")):
        for clip in seen[avatar]:
            assert heard(clip, recordings[avatar]) > 0.9
            assert heard(clip, recordings[other]) < 0.6
            away = {name: float(np.abs(clip.frames[0].astype(float) - face).mean()) for name, face in faces.items()}
            assert away[avatar] < away[other] / 3, away


def heard(clip: Clip, recording: bytes) -> float:
    """How much the sound of `clip` is `recording`."""
    sound = decode_audio(recording, rate=clip.rate, max_seconds=60)
    return correlation(envelope(clip.sound, clip.rate), envelope(sound, clip.rate))


async def picture(client: httpx.AsyncClient, avatar: str) -> np.ndarray:
    """The avatar's picture as 128 x 128 luma of video range."""
    data = (await client.get(f"/v1/avatars/{avatar}/image")).content
    grey = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert grey is not None
    return cv2.resize(grey, (128, 128), interpolation=cv2.INTER_AREA).astype(float)


async def test_files_of_the_animation_service_are_different_too(running: Product) -> None:
    body = {"byte_str": base64.b64encode(QUESTION.read_bytes()).decode()}
    async with httpx.AsyncClient(base_url=running.urls["animation"], timeout=60, trust_env=False) as client:
        replies = await asyncio.gather(*(client.post("/v1/animation", json=body) for _ in range(2)))
    assert len({reply.json()["video_path"] for reply in replies}) == 2
