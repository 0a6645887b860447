from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from comps.animation.service import create_app
from comps.animation.settings import AnimationSettings
from comps.core.media.audio import encode_audio
from comps.core.serve import running
from tests.animation.conftest import RATE, Running, tone
from tests.animation.stand_in import ENHANCERS, TABLE

Json = dict[str, Any]


@pytest.fixture
def settings(settings: AnimationSettings, tmp_path: Path) -> AnimationSettings:
    """Of a service whose segments are 0.4 s, 10 frames, long."""
    return settings.model_copy(update={"jobs_dir": tmp_path / "jobs", "jobs_segment_s": 0.4, "jobs_max_audio_s": 60.0})


@pytest.fixture
async def service(settings: AnimationSettings) -> AsyncIterator[Running]:
    app = create_app(settings, TABLE, ENHANCERS)
    async with running(app) as url, httpx.AsyncClient(base_url=url, timeout=30) as client:
        await app.state.readiness.settled()
        yield Running(app, url, client, settings)


def wav(seconds: float) -> str:
    """Base64 of a recording whose every tenth of a second is of another loudness."""
    pcm = tone(seconds).astype(np.float64)
    steps = np.arange(len(pcm)) // (RATE // 10)
    return base64.b64encode(encode_audio((pcm * (0.3 + steps % 7 / 10)).astype(np.int16), RATE, "wav")).decode()


async def made(client: httpx.AsyncClient, seconds: float, **body: object) -> Json:
    """A new job."""
    answer = await client.post("/v1/jobs", json={"audio": wav(seconds), **body})
    assert answer.status_code == 202, answer.text
    job: Json = answer.json()
    assert answer.headers["location"] == f"/v1/jobs/{job['id']}"
    return job


async def shown(client: httpx.AsyncClient, job_id: str) -> Json:
    answer = await client.get(f"/v1/jobs/{job_id}")
    assert answer.status_code == 200, answer.text
    job: Json = answer.json()
    return job


async def reached(client: httpx.AsyncClient, job_id: str, segments: int) -> Json:
    """The job, once so many of its segments are finished."""
    return await _until(client, job_id, lambda job: job["segments_done"] >= segments)


async def ended(client: httpx.AsyncClient, job_id: str) -> Json:
    """The job, once nothing happens to it any more."""
    return await _until(client, job_id, lambda job: job["state"] not in ("queued", "running"))


async def _until(client: httpx.AsyncClient, job_id: str, wanted: Any) -> Json:
    for _ in range(3000):
        job = await shown(client, job_id)
        if wanted(job):
            return job
        await asyncio.sleep(0.02)
    raise AssertionError(f"it did not come to that: {job}")


async def video(client: httpx.AsyncClient, job: Json, folder: Path) -> Path:
    """The job's finished video."""
    assert job["state"] == "done", job
    answer = await client.get(job["video_path"])
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "video/mp4"
    path = folder / f"{job['id']}.mp4"
    path.write_bytes(answer.content)
    return path


def decoded(path: Path) -> tuple[list[NDArray[np.uint8]], NDArray[np.float32]]:
    """Every frame, and the sound."""
    frames, sound = [], []
    with av.open(str(path)) as container:
        for packet in container.demux():
            for frame in packet.decode():
                if isinstance(frame, av.VideoFrame):
                    assert round(frame.pts * frame.time_base * 25) == len(frames)
                    frames.append(frame.to_ndarray())
                elif isinstance(frame, av.AudioFrame):
                    sound.append(frame.to_ndarray()[0])
    return frames, np.concatenate(sound)
