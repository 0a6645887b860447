"""The real animation service, over HTTP and WebSocket, with a stand-in for the program."""

from __future__ import annotations

import asyncio
import io
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import numpy as np
import pytest
from websockets.asyncio.client import connect

from comps.animation.coach.memory import memory_report
from comps.animation.engines.liveavatar.engine import LiveAvatarEngine
from comps.animation.engines.liveavatar.launch.recent import RecentGpus
from comps.animation.service import create_app
from comps.animation.settings import AnimationSettings
from comps.core.framing import pack_speech, unpack
from comps.core.serve import running
from comps.core.speech import SpeechChunk
from tests.animation.conftest import Running, base64_wav
from tests.animation.liveavatar.conftest import CARD, Machine, MakeSettings, eventually
from tests.animation.liveavatar.test_engine_live import expected, stairs
from tests.animation.test_animation_service import video_facts
from tests.animation.test_animation_stream import Answer, collect


@asynccontextmanager
async def served(settings: AnimationSettings) -> AsyncIterator[Running]:
    app = create_app(settings)
    async with running(app) as url, httpx.AsyncClient(base_url=url, timeout=60) as client:
        await app.state.readiness.settled()
        yield Running(app, url, client, settings)


async def streamed(service: Running, seconds: float, **start: Any) -> Answer:
    """A session with the raw frames of so much speech."""
    async with connect(service.socket_url, max_size=None) as socket:
        first = {"type": "start", "avatar": "ada", "sample_rate": 16_000, "format": "raw", "size": 64}
        await socket.send(json.dumps({**first, **start}))
        await socket.send(pack_speech(SpeechChunk(stairs(seconds), 16_000, last=True)))
        await socket.send('{"type":"end"}')
        return await collect(socket)


def greys(answer: Answer) -> list[int]:
    return [
        int(np.frombuffer(payload, np.uint8).reshape(header["count"], -1)[index, 0])
        for header, payload in answer.messages
        for index in range(header["count"])
    ]


async def test_five_gpus_stream_over_the_socket(machine: Machine, make_settings: MakeSettings) -> None:
    async with served(make_settings()) as service:
        answer = await streamed(service, 2.0)
        assert greys(answer) == expected(50)
        assert answer.texts[-1] == {"type": "end", "frames": 50, "duration": 2.0}
        health = (await service.client.get("/readyz")).json()
        assert health["status"] == "ready"
        assert len(machine.processes()) == 2
    assert machine.processes() == []


async def test_five_gpus_answer_whole_recordings_and_mp4_streams(make_settings: MakeSettings) -> None:
    async with served(make_settings()) as service:
        body = {"audio": base64_wav(2.0), "avatar": "ada"}
        reply = (await service.client.post("/v1/animation", json=body)).json()
        assert set(reply) == {"id", "video_path", "wav2lip_result"}
        frames, seconds, _ = video_facts(io.BytesIO(await anyio.Path(reply["video_path"]).read_bytes()))
        assert (frames, seconds) == (50, pytest.approx(2.0, abs=0.05))
        mp4 = await service.client.post("/v1/animation", json=body, headers={"Accept": "video/mp4"})
        assert mp4.content[4:8] == b"ftyp"


async def test_a_client_that_leaves_ends_its_answer_and_not_the_program(
    machine: Machine, make_settings: MakeSettings
) -> None:
    async with served(make_settings()) as service:
        await streamed(service, 0.5)
        before = machine.processes()
        async with connect(service.socket_url, max_size=None) as socket:
            start = {"type": "start", "avatar": "ada", "sample_rate": 16_000, "format": "raw", "size": 64}
            await socket.send(json.dumps(start))
            await socket.send(pack_speech(SpeechChunk(stairs(15.0), 16_000)))
            while isinstance(message := await socket.recv(), str):
                pass
            assert unpack(message)[0]["type"] == "frames"
            await socket.send('{"type":"cancel"}')
        await eventually(lambda: service.app.state.studio.sessions == 0)
        assert greys(await streamed(service, 1.0)) == expected(25)
        assert machine.processes() == before


async def test_what_the_running_program_holds_is_not_held_against_it(
    machine: Machine, make_settings: MakeSettings
) -> None:
    async with served(make_settings()) as service:
        await streamed(service, 0.5)
        machine.cards(*[CARD.format(free=9_000)] * 5)
        wanted = {"prompt": "a calm newsreader", "engine": "liveavatar"}
        report = (await service.client.post("/v1/check", json=wanted)).json()["engine"]
        assert (report["usable"], report["findings"]) == (True, [])
        assert report["measured"]["free_gib"] == pytest.approx(81_000 / 1024, abs=0.01)


async def test_the_gpus_are_not_looked_at_for_every_question(machine: Machine, make_settings: MakeSettings) -> None:
    wanted = {"prompt": "a calm newsreader", "engine": "liveavatar"}
    async with served(make_settings()) as service:
        service.app.state.coach_desk.gpus = RecentGpus(age_s=600)
        first = (await service.client.post("/v1/check", json=wanted)).json()
        machine.cards(CARD.format(free=9_000))
        assert (await service.client.post("/v1/check", json=wanted)).json() == first


async def test_what_another_program_holds_is_held_against_it(machine: Machine, make_settings: MakeSettings) -> None:
    engine = LiveAvatarEngine(make_settings())
    await engine.load()
    machine.cards(*[CARD.format(free=9_000)] * 5)
    report = memory_report("liveavatar", make_settings(), "standard", loaded=engine)
    assert report is not None
    assert report.codes() == {"engine_memory"}
    await engine.close()


async def test_what_was_changed_is_told(make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAND_IN_MODE", "oom")
    async with served(make_settings()) as service:
        answer = await streamed(service, 1.0)
        assert greys(answer) == expected(25)
        (note,) = answer.texts[-1]["notes"]
        assert note.startswith("after it ran out of memory: AVATAR_ANIMATION_LIVEAVATAR_FP8=on")
        reply = (await service.client.post("/v1/animation", json={"audio": base64_wav(1.0), "avatar": "ada"})).json()
        assert reply["notes"] == [note]


async def test_one_gpu_answers_offline(machine: Machine, make_settings: MakeSettings) -> None:
    machine.cards(CARD.format(free=81_000))
    async with served(make_settings()) as service:
        body = {"audio": base64_wav(2.0), "avatar": "ada", "seed": 5}
        reply = (await service.client.post("/v1/animation", json=body)).json()
        assert video_facts(io.BytesIO(await anyio.Path(reply["video_path"]).read_bytes()))[0] == 50
        assert len(greys(await streamed(service, 1.0))) == 25
    assert machine.processes() == []


async def test_a_full_queue_is_429(
    machine: Machine, make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN_MODE", "slow")
    machine.cards(CARD.format(free=81_000))
    async with served(make_settings(liveavatar_queue=0)) as service:
        body = {"audio": base64_wav(2.0), "avatar": "ada"}
        first = asyncio.create_task(service.client.post("/v1/animation", json=body))
        await eventually(lambda: len(machine.processes()) == 2)
        second = await service.client.post("/v1/animation", json=body)
        assert second.status_code == 429
        assert int(second.headers["Retry-After"]) > 0
        assert "all GPUs of LiveAvatar are busy" in second.json()["error"]["message"]
        assert (await first).status_code == 200


async def test_no_room_is_said_at_readyz_and_another_engine_still_answers(
    machine: Machine, make_settings: MakeSettings
) -> None:
    machine.cards("RTX 4090, 24564, 24080, 8.9")
    async with served(make_settings()) as service:
        ready = await service.client.get("/readyz")
        assert ready.status_code == 503
        assert "GiB short" in ready.json()["error"]["message"]
    async with served(make_settings(engine="portrait")) as service:
        body = {"audio": base64_wav(0.5), "avatar": "ada"}
        refused = await service.client.post("/v1/animation", json={**body, "engine": "liveavatar"})
        assert refused.status_code == 503
        assert "portrait" in refused.json()["error"]["message"]
        assert (await service.client.post("/v1/animation", json=body)).status_code == 200


async def test_a_broken_program_is_an_error_of_the_session(
    make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN_MODE", "crash")
    async with served(make_settings()) as service:
        answer = await streamed(service, 6.0)
        assert answer.error["code"] == "engine_unavailable"
        assert "try again" in answer.error["message"]


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder of so short a name that a socket's address has room for it."""
    with tempfile.TemporaryDirectory(prefix="la-") as folder:
        yield Path(folder)


async def test_a_service_that_is_killed_leaves_nothing_of_the_program(
    machine: Machine, make_settings: MakeSettings, short_path: Path
) -> None:
    """As the kernel kills it when memory runs out: nothing of this service can clean up any more."""
    names = ("engine", "liveavatar_dir", "liveavatar_nvidia_smi", "liveavatar_size", "liveavatar_peaks_dir")
    settings = make_settings()
    values = {f"AVATAR_ANIMATION_{name.upper()}": str(getattr(settings, name)) for name in names}
    folders = {"AVATAR_DATA_DIR": str(settings.data_dir), "AVATAR_ANIMATION_OUTPUT_DIR": str(settings.output_dir)}
    service = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "comps.animation"),
        env={**os.environ, **values, **folders, "AVATAR_ANIMATION_PORT": "0", "TMPDIR": str(short_path)},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        await eventually(lambda: len(machine.processes()) == 2 and any(short_path.glob("avatar-live-*")))
    finally:
        service.kill()
        await service.wait()
    await eventually(lambda: machine.processes() == [])
    await eventually(lambda: not any(short_path.glob("avatar-live-*")))


async def test_a_mistake_on_this_side_is_told_and_ends_the_program(
    machine: Machine, make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("comps.animation.engines.liveavatar.live.attempt.Attempt._start", lambda *_: 1 / 0)
    async with served(make_settings()) as service:
        answer = await streamed(service, 1.0)
        assert "could not speak with it" in answer.error["message"]
        assert machine.processes() == []
