"""Enhancers behind an engine, through the real service."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from typing import Any

import av
import httpx
import numpy as np
import pytest
from websockets.asyncio.client import connect

from comps.animation.engine import FrameBatch
from comps.animation.enhancer import to_rgb
from comps.animation.requests import Look
from comps.animation.service import create_app
from comps.animation.settings import AnimationSettings
from comps.core.framing import pack_speech, unpack
from comps.core.serve import running
from comps.core.speech import SpeechChunk
from tests.animation.conftest import RATE, Running, base64_wav, tone
from tests.animation.stand_in import ENHANCERS, TABLE, Inverter

Json = dict[str, Any]


@pytest.fixture
async def service(settings: AnimationSettings) -> AsyncIterator[Running]:
    app = create_app(settings, TABLE, ENHANCERS)
    async with running(app) as url, httpx.AsyncClient(base_url=url, timeout=30) as client:
        await app.state.readiness.settled()
        yield Running(app, url, client, settings)


async def perform(service: Running, **start: object) -> tuple[list[Json], list[np.ndarray]]:
    """The texts of a session that speaks for 0.4 s, and its raw frames `[n, h, w, 3]`."""
    texts: list[Json] = []
    frames: list[np.ndarray] = []
    wanted = {"type": "start", "avatar": "ada", "sample_rate": RATE, "format": "raw", **start}
    async with connect(service.socket_url, max_size=None) as socket:
        await socket.send(json.dumps(wanted))
        await socket.send(pack_speech(SpeechChunk(tone(0.4), RATE, 0)))
        await socket.send('{"type": "end"}')
        async for message in socket:
            if isinstance(message, str):
                texts.append(json.loads(message))
                continue
            header, payload = unpack(message)
            assert header["pixel_format"] == ("rgb24" if "enhancer" in start else "yuv420p")
            ready = texts[0]
            shape = (ready["height"], ready["width"], 3) if "enhancer" in start else (-1, ready["width"])
            frames += list(np.frombuffer(payload, np.uint8).reshape(header["count"], *shape))
    return texts, frames


async def test_every_frame_passes_through_the_enhancer_a_request_names(service: Running) -> None:
    (ready, end), frames = await perform(service, enhancer="inverter", enhancer_strength=0.25)
    (_, plain_end), plain = await perform(service)
    assert (ready["width"], ready["height"]) == (128, 128)
    assert (end["frames"], end["unenhanced_frames"]) == (10, 5)
    assert plain_end == {"type": "end", "frames": 10, "duration": 0.4}
    drawn = to_rgb(FrameBatch(0, np.stack(plain)))
    for index, (frame, before) in enumerate(zip(frames, drawn, strict=True)):
        expected = before if index % 2 else 255 - before
        np.testing.assert_array_equal(frame[::2, ::2], expected)
    assert enhancer_of(service).opened == [(0.25, False)]


async def test_a_video_has_the_enhanced_size(service: Running) -> None:
    answer = await service.client.post(
        "/v1/animation",
        json={"audio": base64_wav(0.4), "enhancer": "inverter"},
        headers={"accept": "video/mp4"},
    )
    assert answer.status_code == 200, answer.text
    with av.open(io.BytesIO(answer.content)) as video:
        assert (video.streams.video[0].width, video.streams.video[0].height) == (128, 128)
        assert len(list(video.decode(video=0))) == 10
    states = (await service.client.get("/v1/health_check")).json()
    assert "inverter" in json.dumps(states)


@pytest.mark.parametrize(
    ("fields", "status", "param", "words"),
    [
        ({"enhancer": "magic"}, 422, "enhancer", "inverter, absent, none"),
        ({"enhancer": "absent"}, 503, "enhancer", "avatarchatbot[neural]"),
        ({"enhancer": "inverter", "enhancer_strength": 1.5}, 422, "enhancer_strength", "at most 1"),
        ({"enhancer_strength": 0.5}, 422, "enhancer_strength", "name one"),
        ({"enhancer": "none", "enhancer_strength": 0.5}, 422, "enhancer_strength", "name one"),
        ({"enhancer": "inverter", "enhancer_strength": 0.5}, 503, None, "the enhancer failed"),
    ],
)
async def test_what_cannot_be_is_refused(
    service: Running, fields: Json, status: int, param: str | None, words: str
) -> None:
    answer = await service.client.post("/v1/animation", json={"audio": base64_wav(0.2), **fields})
    error = answer.json()["error"]
    assert (answer.status_code, error["param"]) == (status, param)
    assert words in error["message"]
    assert service.app.state.studio.sessions == 0


async def test_the_default_enhancer_loads_at_start_and_none_switches_it_off(settings: AnimationSettings) -> None:
    chosen = settings.model_copy(update={"enhancer": "inverter"})
    app = create_app(chosen, TABLE, ENHANCERS)
    async with running(app) as url, httpx.AsyncClient(base_url=url, timeout=30) as client:
        await app.state.readiness.settled()
        service = Running(app, url, client, chosen)
        assert isinstance(enhancer_of(service), Inverter)
        speech = {"audio": base64_wav(0.2)}
        await client.post("/v1/animation", json=speech)
        assert enhancer_of(service).opened == [(1.0, False)]
        await client.post("/v1/animation", json={**speech, "enhancer": "none"})
        assert len(enhancer_of(service).opened) == 1


async def test_a_default_enhancer_that_cannot_load_is_said_by_readiness(settings: AnimationSettings) -> None:
    app = create_app(settings.model_copy(update={"enhancer": "absent"}), TABLE, ENHANCERS)
    async with running(app) as url, httpx.AsyncClient(base_url=url, timeout=30) as client:
        await app.state.readiness.settled()
        answer = await client.get("/readyz")
        assert answer.status_code == 503
        assert "avatarchatbot[neural]" in answer.text


async def test_a_client_that_leaves_stops_the_drawing(service: Running) -> None:
    service.engine.delay_s = 0.05
    async with connect(service.socket_url, max_size=None) as socket:
        start = {"type": "start", "avatar": "ada", "sample_rate": RATE, "format": "raw", "enhancer": "inverter"}
        await socket.send(json.dumps(start))
        await socket.send(pack_speech(SpeechChunk(tone(8), RATE, 0)))
        while isinstance(await socket.recv(), str):
            pass
    for _ in range(200):
        if service.engine.open_now == 0 and service.app.state.studio.sessions == 0:
            break
        await asyncio.sleep(0.01)
    assert service.engine.open_now == 0
    assert service.engine.drawn < 100


def test_planar_frames_become_rgb_and_rgb_stays() -> None:
    planar = np.full((2, 6, 4), 128, np.uint8)
    planar[0, :4], planar[1, :4] = 16, 235
    shown = to_rgb(FrameBatch(0, planar))
    assert shown.shape == (2, 4, 4, 3)
    assert shown[0].max() <= 1
    assert shown[1].min() >= 254
    assert to_rgb(FrameBatch(0, shown, "rgb24")) is shown


def enhancer_of(service: Running) -> Inverter:
    enhancer = service.app.state.studio.enhancers.loaded["inverter"]
    assert isinstance(enhancer, Inverter)
    return enhancer


@pytest.mark.parametrize("enhancer", ["none", "inverter"])
async def test_frames_from_the_middle_on_are_those_of_the_whole(service: Running, enhancer: str) -> None:
    """With an engine and an enhancer that know nothing of skipping."""
    studio = service.app.state.studio
    look, avatar = Look(enhancer=enhancer), studio.avatars.open("ada")

    async def speech() -> AsyncIterator[SpeechChunk]:
        yield SpeechChunk(tone(0.9), RATE, 0)

    async def frames(first: int) -> list[FrameBatch]:
        async with studio.session(look, avatar, RATE) as session:
            return [batch async for batch in session.frames(speech(), first)]

    whole = np.concatenate([batch.frames for batch in await frames(0)])
    for first in (3, 5, 22):
        batches = await frames(first)
        assert batches[0].first == first
        np.testing.assert_array_equal(np.concatenate([batch.frames for batch in batches]), whole[first:])
    assert await frames(23) == []
    assert service.engine.open_now == 0
