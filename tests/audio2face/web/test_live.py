"""`WS /v1/audio2face/stream` over a real WebSocket."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from comps.animation.audio2face.names import ALL_SHAPES, FACE_EMOTIONS
from tests.audio2face.web.conftest import RATE, Json, Served, base64_wav, sound

START: Json = {"type": "start", "sample_rate": RATE}
END = '{"type": "end"}'
JAW, JOY = ALL_SHAPES.index("JawOpen"), FACE_EMOTIONS.index("joy")


@asynccontextmanager
async def session(service: Served, **start: Any) -> AsyncIterator[ClientConnection]:
    async with connect(service.socket_url, max_size=None) as socket:
        await socket.send(json.dumps(START | start))
        yield socket


async def collect(socket: ClientConnection) -> list[Json]:
    """Read until the server closes."""
    found: list[Json] = []
    while True:
        try:
            found.append(json.loads(await socket.recv()))
        except ConnectionClosed:
            return found


async def idle(service: Served) -> None:
    for _ in range(500):
        if service.host.streams == 0:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("the clip was not given up")


def pcm(seconds: float, rate: int = RATE) -> bytes:
    return sound(seconds, rate).tobytes()


async def test_a_clip_is_header_frames_and_end(service: Served) -> None:
    async with session(service) as socket:
        for start in range(0, len(pcm(1.5)), 1234):
            await socket.send(pcm(1.5)[start : start + 1234])
        await socket.send(END)
        header, *frames, end = await collect(socket)
    assert (header["type"], header["names"], header["fps"]) == ("header", list(ALL_SHAPES), 30)
    assert end == {"type": "end", "frames": 46}
    assert [frame["index"] for frame in frames] == list(range(46))
    assert socket.close_code == 1000
    await idle(service)


@pytest.mark.parametrize("size", [33, 2999, 40_000])
async def test_how_the_audio_came_makes_no_difference(service: Served, size: int) -> None:
    data = pcm(0.4) if size == 33 else pcm(1.2)
    async with session(service) as socket:
        for start in range(0, len(data), size):
            await socket.send(data[start : start + size])
        await socket.send(END)
        live = await collect(socket)
    response = await service.client.post("/v1/audio2face", json={"audio": base64_wav(len(data) / 2 / RATE)})
    whole = [json.loads(line) for line in response.text.splitlines()]
    assert len(live) == len(whole)
    assert np.array([frame["weights"] for frame in live[1:-1]]) == pytest.approx(
        np.array([frame["weights"] for frame in whole[1:-1]]), abs=1e-4
    )


async def test_frames_come_before_the_end_is_known(service: Served) -> None:
    async with session(service) as socket:
        await socket.send(pcm(1.0))
        kinds = [json.loads(await asyncio.wait_for(socket.recv(), 10))["type"] for _ in range(20)]
        assert kinds == ["header", *["frame"] * 19]
        await socket.send(END)
        assert (await collect(socket))[-1]["frames"] == 31


async def test_keyframes_act_from_their_arrival_on(service: Served) -> None:
    strong = {"preferred_emotion_strength": 1.0, "emotion_strength": 1.0, "live_blend_coef": 0.0}
    quick = {"live_transition_time": 0.001}
    async with session(service, emotion_post_processing_params=strong, emotion_params=quick) as socket:
        await socket.send(pcm(1.0))
        await socket.send(json.dumps({"type": "emotions", "emotions": [{"time_code": 0.0, "emotion": {"joy": 1.0}}]}))
        await socket.send(pcm(1.0))
        await socket.send(END)
        frames = (await collect(socket))[1:-1]
    joy = [frame["emotions"][JOY] for frame in frames]
    assert max(joy[20:26]) < 0.9
    assert min(joy[31:]) == pytest.approx(1.0)


async def test_parameters_come_with_the_start(service: Served) -> None:
    offsets = {"bs_weight_offsets": {"CheekPuff": 0.5}}
    start = {"fps": 60, "sample_rate": 44_100, "echo_audio": True, "blendshape_params": offsets}
    keys = [{"time_code": 0.0, "emotion": {"joy": 1.0}}]
    async with session(service, **start, emotions=keys, face_params={"float_params": {"oops": 1}}) as socket:
        await socket.send(pcm(0.5, 44_100))
        await socket.send(END)
        header, warning, *frames, end = await collect(socket)
    assert (header["fps"], header["sample_rate"], end["frames"]) == (60, 44_100, 31)
    assert warning["message"].endswith("oops")
    assert {frame["weights"][ALL_SHAPES.index("CheekPuff")] for frame in frames} == {0.5}
    assert frames[-1]["emotions"][JOY] > 0.1
    assert b"".join(base64.b64decode(frame["audio"]) for frame in frames) == pcm(0.5, 44_100)


async def test_a_clip_without_audio_is_empty(service: Served) -> None:
    async with session(service) as socket:
        await socket.send(END)
        header, end = await collect(socket)
    assert (header["type"], end) == ("header", {"type": "end", "frames": 0})


@pytest.mark.parametrize(
    ("messages", "code", "words"),
    [
        (["{nonsense"], 1008, "JSON object"),
        (["[]"], 1008, "JSON object"),
        ([b"\0\0"], 1008, "begins with a text message"),
        (['{"type": "begin"}'], 1008, "type"),
        ([json.dumps(START | {"sample_rate": 8000})], 1008, "samples_per_second = 8000 is out of range; allowed is 16000 to 144000"),
        ([json.dumps(START | {"sample_rate": "fast"})], 1008, "sample_rate"),
        ([json.dumps(START | {"fps": 25})], 1008, "fps"),
        ([json.dumps(START | {"face_params": {"float_params": {"skinStrength": -1}}})], 1008, "skinStrength = -1"),
        ([json.dumps(START), "{}"], 1008, "not 'None'"),
        ([json.dumps(START), '{"type": "emotions"}'], 1008, "emotions"),
        ([json.dumps(START), '{"type": "emotions", "emotions": [{"time_code": -2, "emotion": {}}]}', END], 1008, "time_code = -2"),
        ([json.dumps(START), END, b"\0\0"], 1008, "after the end"),
        ([json.dumps(START), b"\0\0\0", END], 1008, "middle of a sample"),
        ([json.dumps(START), bytes(RATE * 2 * 5)], 1008, "more than 4 s of audio"),
        ([json.dumps(START), *[bytes(RATE * 2 * 3)] * 3], 1008, "longer than 8 s"),
    ],
)  # fmt: skip
async def test_faults_end_a_clip_with_the_one_error_shape(
    service: Served, messages: list[str | bytes], code: int, words: str
) -> None:
    async with connect(service.socket_url, max_size=None) as socket:
        for message in messages:
            await socket.send(message)
        answers = await collect(socket)
    assert answers[-1]["type"] == "error", answers
    assert words in answers[-1]["error"]["message"]
    assert answers[-1]["error"]["service"] == "animation"
    assert socket.close_code == code
    await idle(service)


async def test_too_many_waiting_keyframes_are_refused(service: Served) -> None:
    keys = json.dumps({"type": "emotions", "emotions": [{"time_code": 1.0, "emotion": {}}] * 6000})
    service.model.gate.clear()
    async with session(service) as socket:
        for message in (pcm(0.5), keys, keys):
            await socket.send(message)
        await asyncio.sleep(0.2)
        service.model.gate.set()
        assert "more than 10000 emotion keyframes" in (await collect(socket))[-1]["error"]["message"]


async def test_a_fault_of_ours_is_an_internal_error(service: Served) -> None:
    service.model.fault = LookupError("secret")
    async with session(service) as socket:
        await socket.send(pcm(0.5))
        error = (await collect(socket))[-1]["error"]
    assert socket.close_code == 1011
    assert "secret" not in error["message"]
    await idle(service)


async def test_one_clip_too_many_is_refused_and_the_others_do_not_notice(service: Served) -> None:
    async with session(service) as first, session(service) as second:
        for socket in (first, second):
            assert json.loads(await socket.recv())["type"] == "header"
        async with session(service) as third:
            error = (await collect(third))[-1]["error"]
        assert (error["code"], error["retryable"], third.close_code) == ("busy", True, 1013)
        for socket in (first, second):
            await socket.send(pcm(0.3))
            await socket.send(END)
        assert [(await collect(socket))[-1]["frames"] for socket in (first, second)] == [10, 10]
    await idle(service)


@pytest.mark.parametrize("cancel", [True, False])
async def test_a_client_that_goes_frees_its_place_at_once(service: Served, cancel: bool) -> None:
    async with session(service) as socket:
        await socket.send(pcm(2.0))
        await socket.recv()
        if cancel:
            await socket.send('{"type": "cancel"}')
            await collect(socket)
            assert socket.close_code == 1000
    await idle(service)


async def test_a_silent_client_is_let_go(service: Served) -> None:
    quick = service.app.state.studio.settings.model_copy(update={"session_idle_s": 0.2})
    service.app.state.studio.settings = quick
    async with session(service) as socket:
        assert "sent nothing for 0.2 s" in (await collect(socket))[-1]["error"]["message"]
    await idle(service)
