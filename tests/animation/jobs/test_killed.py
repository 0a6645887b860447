"""Jobs of the real portrait engine in a process of its own, which is killed and started again."""

from __future__ import annotations

import asyncio
import base64
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import numpy as np

from comps.core.language.espeak import sample_rate, synthesise
from comps.core.language.espeak_library import RawSettings
from comps.core.media.audio import encode_audio
from tests.animation.jobs.conftest import Json, decoded, ended, reached, video
from tests.gateway.conftest import free_ports

TEXT = "The quick brown fox jumps over the lazy dog, and nobody minds. " * 2


def speech() -> bytes:
    """Base64 of a recording of about 8 s."""
    pieces: list[np.ndarray] = []

    def keep(pcm: np.ndarray, _: object) -> bool:
        pieces.append(pcm.copy())
        return True

    synthesise(TEXT, RawSettings("gmw/en-US"), keep)
    return base64.b64encode(encode_audio(np.concatenate(pieces), sample_rate(), "wav"))


@asynccontextmanager
async def service(folder: Path) -> AsyncIterator[tuple[httpx.AsyncClient, subprocess.Popen[bytes]]]:
    """`python -m comps.animation` on a port of its own, ended however it still runs."""
    port = free_ports(1)
    places = {
        "AVATAR_ANIMATION_PORT": str(port),
        "AVATAR_ANIMATION_SIZE": "256",
        "AVATAR_ANIMATION_JOBS_SEGMENT_S": "1",
        "XDG_DATA_HOME": str(folder),
        "XDG_CACHE_HOME": str(folder),
        "OPENBLAS_NUM_THREADS": "1",
    }
    process = _started(folder, {**os.environ, **places})
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            await _ready(client, process)
            yield client, process
    finally:
        process.kill()
        await asyncio.to_thread(process.communicate)


def _started(folder: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """The service, which ends when these tests do, however they end."""
    command = [sys.executable, "-m", "megaservice.supervisor.leash", "comps.animation"]
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stderr=log, stdout=log)


async def _ready(client: httpx.AsyncClient, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        assert process.poll() is None, "the service did not start"
        try:
            if (await client.get("/readyz")).status_code == 200:
                return
        except httpx.TransportError:
            pass
        await asyncio.sleep(0.1)
    raise AssertionError("the service did not become ready")


async def begun(client: httpx.AsyncClient, body: Json) -> str:
    answer = await client.post("/v1/jobs", json=body)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


async def test_a_job_outlives_a_killed_service_with_every_frame_as_it_would_have_been(tmp_path: Path) -> None:
    body: Json = {"audio": speech().decode(), "avatar": "noor", "seed": 5}
    async with service(tmp_path) as (client, process):
        whole = await ended(client, await begun(client, body))
        expected, sound = decoded(await video(client, whole, tmp_path))
        job = await begun(client, body)
        await reached(client, job, 2)
        stopped = (await client.delete(f"/v1/jobs/{job}")).json()
        assert stopped["state"] == "cancelled"
        await client.post(f"/v1/jobs/{job}/resume")
        killed_at = await reached(client, job, stopped["segments_done"] + 2)
        process.send_signal(signal.SIGKILL)
        await asyncio.to_thread(process.communicate)
    assert killed_at["segments_done"] < killed_at["segments_total"]
    async with service(tmp_path) as (client, _):
        found = (await client.get(f"/v1/jobs/{job}")).json()
        assert (found["state"], found["error"]["code"]) == ("failed", "interrupted")
        assert found["segments_done"] >= killed_at["segments_done"]
        assert (await client.post(f"/v1/jobs/{job}/resume")).json()["state"] in ("queued", "running")
        done = await ended(client, job)
        frames, same_sound = decoded(await video(client, done, tmp_path))
    assert abs(len(frames) / 25 - len(sound) / 48_000) <= 1 / 25
    assert len(frames) == len(expected)
    for one, other in zip(expected, frames, strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(sound, same_sound)
