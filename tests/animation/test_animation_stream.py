"""Live sessions over a real WebSocket."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from comps.animation.service import create_app
from comps.animation.settings import AnimationSettings
from comps.core.framing import pack, pack_speech, unpack
from comps.core.serve import running
from comps.core.speech import Phone, SpeechChunk
from tests.animation.conftest import RATE, Running, tone
from tests.animation.stand_in import TABLE
from tests.animation.test_animation_service import video_facts

Json = dict[str, Any]
START: Json = {"type": "start", "avatar": "ada", "sample_rate": RATE}


@dataclass
class Answer:
    """Everything a session sent: texts, and binary messages as (header, payload)."""

    texts: list[Json] = field(default_factory=list)
    messages: list[tuple[Json, bytes]] = field(default_factory=list)

    @property
    def video(self) -> io.BytesIO:
        return io.BytesIO(b"".join(payload for _, payload in self.messages))

    @property
    def error(self) -> Json:
        assert [text["type"] for text in self.texts][-1] == "error", self.texts
        error: Json = self.texts[-1]["error"]
        return error


@asynccontextmanager
async def session(service: Running, **start: Any) -> AsyncIterator[ClientConnection]:
    async with connect(service.socket_url, max_size=None) as socket:
        await socket.send(json.dumps(START | start))
        yield socket


async def collect(socket: ClientConnection) -> Answer:
    """Read until the server closes."""
    answer = Answer()
    while True:
        try:
            message = await socket.recv()
        except ConnectionClosed:
            return answer
        if isinstance(message, str):
            answer.texts.append(json.loads(message))
        else:
            answer.messages.append(unpack(message))


def speech(seconds: float, start_s: float = 0.0, **fields: Any) -> bytes:
    return pack_speech(SpeechChunk(tone(seconds), RATE, round(start_s * RATE), **fields))


async def idle(service: Running) -> None:
    """Wait until nothing is being animated."""
    for _ in range(200):
        if service.engine.open_now == 0 and service.app.state.studio.sessions == 0:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("the work did not stop")


async def test_a_session_answers_as_the_contract_says(service: Running) -> None:
    async with session(service) as socket:
        await socket.send(speech(1.0))
        await socket.send(speech(0.5, 1.0, last=True))
        await socket.send('{"type":"end"}')
        answer = await collect(socket)
    ready, end = answer.texts
    assert ready["type"] == "ready"
    assert ready["mime"].startswith('video/mp4; codecs="avc1.')
    assert (ready["width"], ready["height"], ready["fps"]) == (64, 64, 25)
    assert end == {"type": "end", "frames": 38, "duration": pytest.approx(1.5)}
    headers = [header for header, _ in answer.messages]
    assert headers[0] == {"type": "init"}
    assert headers[1] == {"type": "fragment", "index": 0, "start": 0.0, "duration": 0.16, "frames": 4}
    assert sum(header.get("frames", 0) for header in headers) == 38
    frames, seconds, _ = video_facts(answer.video)
    assert frames == 38
    assert seconds == pytest.approx(1.5, abs=0.04)
    assert socket.close_code == 1000


async def test_the_first_fragment_comes_before_the_end_is_known(service: Running) -> None:
    async with session(service) as socket:
        await socket.send(speech(1.0))
        types = []
        while "fragment" not in types:
            message = await asyncio.wait_for(socket.recv(), 10)
            types.append(json.loads(message)["type"] if isinstance(message, str) else unpack(message)[0]["type"])
        assert types == ["ready", "init", "fragment"]
        await socket.send('{"type":"end"}')
        await collect(socket)


async def test_raw_frames(service: Running) -> None:
    async with session(service, format="raw", fps=30, size=96) as socket:
        await socket.send(speech(0.5))
        await socket.send('{"type":"end"}')
        answer = await collect(socket)
    numbers: list[int] = []
    for header, payload in answer.messages:
        assert header["type"] == "frames"
        assert header["pixel_format"] == "yuv420p"
        assert len(payload) == header["count"] * 96 * 144
        numbers += range(header["first"], header["first"] + header["count"])
    assert numbers == list(range(15))
    assert answer.texts[0]["fps"] == 30


async def test_a_gap_on_the_clock_is_silence(service: Running) -> None:
    async with session(service) as socket:
        await socket.send(speech(0.4))
        await socket.send(speech(0.4, 1.0, sentence=1))
        await socket.send('{"type":"end"}')
        frames, seconds, brightness = video_facts((await collect(socket)).video)
    assert frames == 35
    assert seconds == pytest.approx(1.4, abs=0.04)
    assert max(brightness[12:24]) < 40 < min(brightness[27:34])
    assert [chunk.first_sample for chunk in service.engine.seen] == [0, round(0.4 * RATE), RATE]


async def test_the_engine_gets_phones_words_and_text_unchanged(service: Running) -> None:
    phones = (Phone("h", 0.0, 0.1, 0), Phone("əʊ", 0.1, 0.3, 1))
    async with session(service) as socket:
        await socket.send(speech(0.4, phones=phones, text="Hello", emotion="joy", last=True))
        await socket.send('{"type":"end"}')
        await collect(socket)
    (seen,) = service.engine.seen
    assert seen.phones == phones
    assert (seen.text, seen.emotion, seen.last) == ("Hello", "joy", True)


async def test_no_speech_at_all_is_an_empty_answer(service: Running) -> None:
    async with session(service) as socket:
        await socket.send('{"type":"end"}')
        answer = await collect(socket)
    assert answer.texts[-1] == {"type": "end", "frames": 0, "duration": 0.0}


@pytest.mark.parametrize("how", ["cancel", "close", "vanish"])
async def test_a_client_that_leaves_stops_the_work(service: Running, how: str) -> None:
    async with session(service) as socket:
        await socket.send(speech(0.5))
        await socket.recv()
        service.engine.delay_s = 0.03
        for second in range(15):
            await socket.send(speech(1.0, 0.5 + second))
        await socket.recv()
        if how == "cancel":
            await socket.send('{"type":"cancel"}')
            answer = await collect(socket)
            assert not any(text["type"] == "end" for text in answer.texts)
        elif how == "close":
            await socket.close()
        else:
            socket.transport.abort()
        await idle(service)
    drawn = service.engine.drawn
    await asyncio.sleep(0.1)
    assert service.engine.drawn == drawn < 15 * 25


@pytest.mark.parametrize("how", ["cancel", "close"])
async def test_a_client_that_leaves_with_much_speech_undrawn_is_noticed(service: Running, how: str) -> None:
    async with session(service) as socket:
        assert json.loads(await socket.recv())["type"] == "ready"
        service.engine.delay_s = 3600
        for part in range(100):
            await socket.send(speech(0.1, 0.1 * part))
        if how == "cancel":
            await socket.send('{"type":"cancel"}')
            await collect(socket)
        else:
            await socket.close()
        await idle(service)


async def test_endless_empty_messages_end_the_session(service: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("comps.animation.socket.OVERHEAD_BYTES", -20 * RATE * 8 + 5000)
    async with session(service) as socket:
        for _ in range(20):
            await socket.send(speech(0.0))
        answer = await collect(socket)
    assert answer.error["code"] == "too_large"


async def test_a_client_that_never_reads_has_left(
    service: Running, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("comps.animation.json_socket.SEND_TIMEOUT_S", 0.3)
    async with session(service, format="raw", size=512, fps=60) as socket:
        socket.transport.pause_reading()
        for second in range(19):
            await socket.send(speech(1.0, second))
        while not service.engine.open_now:  # noqa: ASYNC110 - what is waited for happens in the server
            await asyncio.sleep(0.01)
        await idle(service)
        socket.transport.abort()
    assert "a session failed" not in caplog.text


async def test_a_client_that_does_not_read_is_not_drawn_for(service: Running) -> None:
    async with session(service, format="raw", size=512, fps=60) as socket:
        await socket.send(speech(0.2))
        socket.transport.pause_reading()
        for second in range(19):
            await socket.send(speech(1.0, 0.2 + second))
        before = -1
        while service.engine.drawn != before:
            before = service.engine.drawn
            await asyncio.sleep(0.4)
        assert before < 19 * 60 * 0.8
        socket.transport.resume_reading()
        await socket.send('{"type":"end"}')
        answer = await collect(socket)
    assert answer.texts[-1]["frames"] == round(19.2 * 60)


async def test_eight_sessions_get_their_own_answers(settings: AnimationSettings) -> None:
    app = create_app(settings.model_copy(update={"max_sessions": 8}), TABLE)
    async with running(app) as url:
        await app.state.readiness.settled()
        socket_url = url.replace("http", "ws", 1) + "/v1/animation/stream"

        async def answer(index: int) -> tuple[int, float]:
            async with connect(socket_url, max_size=None) as socket:
                await socket.send(json.dumps(START | {"avatar": ("ada", "noor")[index % 2]}))
                for part in range(index + 1):
                    await socket.send(speech(0.2, 0.2 * part))
                    await asyncio.sleep(0)
                await socket.send('{"type":"end"}')
                video = (await collect(socket)).video
            frames, seconds, _ = video_facts(video)
            return frames, seconds

        answers = await asyncio.gather(*(answer(index) for index in range(8)))
    assert [frames for frames, _ in answers] == [5 * (index + 1) for index in range(8)]
    for index, (_, seconds) in enumerate(answers):
        assert seconds == pytest.approx(0.2 * (index + 1), abs=0.04)


async def test_more_sessions_than_fit_are_told_so(service: Running) -> None:
    async with session(service) as a, session(service) as b, session(service) as c:
        for socket in (a, b, c):
            assert json.loads(await socket.recv())["type"] == "ready"
        async with session(service) as late:
            answer = await collect(late)
        assert answer.error["code"] == "busy"
        assert answer.error["retryable"]
        assert late.close_code == 1013
    await idle(service)
    async with session(service) as socket:
        assert json.loads(await socket.recv())["type"] == "ready"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"type": "begin"}, "type"),
        ({"sample_rate": 10}, "sample_rate"),
        ({"sample_rate": None}, "sample_rate"),
        ({"format": "avi"}, "format"),
        ({"fps": 1000}, "fps"),
        ({"size": 63}, "size"),
        ({"avatar": "nobody"}, "no avatar 'nobody'"),
        ({"engine": "magic"}, "no engine 'magic'"),
        ({"engine": "absent"}, "pip install"),
        ({"emotion": "faceless"}, "cannot be animated"),
    ],
)
async def test_bad_starts_are_refused(service: Running, change: Json, words: str) -> None:
    async with session(service, **change) as socket:
        answer = await collect(socket)
    assert words in answer.error["message"]
    assert answer.error["service"] == "animation"
    assert socket.close_code == 1008


BAD_MESSAGES: list[tuple[str | bytes, str]] = [
    ("no json", "JSON object"),
    ("[1]", "JSON object"),
    ('{"type":"dance"}', "'end' and 'cancel'"),
    (b"garbage", "framed"),
    (pack({"type": "frames"}), "'speech'"),
    (pack({"type": "speech", "sample_rate": RATE}, b"abc"), "even number"),
    (pack({"type": "speech"}, b"ab"), "speech message"),
    (pack_speech(SpeechChunk(tone(0.1), RATE // 2)), "in a session of"),
    (pack_speech(SpeechChunk(tone(0.1), RATE, -5)), "given already"),
    (pack_speech(SpeechChunk(tone(0.1), RATE, 60 * RATE)), "longer than 20 s"),
]


@pytest.mark.parametrize(("message", "words"), BAD_MESSAGES)
async def test_bad_messages_end_the_session(service: Running, message: str | bytes, words: str) -> None:
    async with session(service) as socket:
        await socket.send(speech(0.0))
        await socket.send(message)
        answer = await collect(socket)
    assert words in answer.error["message"]
    await idle(service)


async def test_speech_after_the_end_is_refused(service: Running) -> None:
    async with session(service) as socket:
        await socket.recv()
        service.engine.delay_s = 0.2
        await socket.send(speech(1.0))
        await socket.send('{"type":"end"}')
        await socket.send(speech(0.1, 1.0))
        answer = await collect(socket)
    assert "after the end" in answer.error["message"]


@pytest.mark.parametrize("first", ["not json", "[]", b"\x00\x00"])
async def test_a_session_begins_with_start(service: Running, first: str | bytes) -> None:
    async with connect(service.socket_url) as socket:
        await socket.send(first)
        answer = await collect(socket)
    assert answer.error["code"] == "bad_request"


async def test_a_silent_client_is_let_go(settings: AnimationSettings) -> None:
    app = create_app(settings.model_copy(update={"session_idle_s": 0.2}), TABLE)
    async with running(app) as url:
        await app.state.readiness.settled()
        async with connect(url.replace("http", "ws", 1) + "/v1/animation/stream") as socket:
            await socket.send(json.dumps(START))
            answer = await collect(socket)
    assert "sent nothing for 0.2 s" in answer.error["message"]


async def test_an_engine_that_breaks_is_an_error_and_not_the_end_of_the_service(
    service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with session(service) as socket:
        await socket.recv()
        monkeypatch.setattr(service.engine, "delay_s", "not a number")
        await socket.send(speech(1.0))
        answer = await collect(socket)
    assert answer.error["code"] == "internal"
    assert "number" not in answer.error["message"]
    monkeypatch.undo()
    await idle(service)
    async with session(service) as socket:
        await socket.send(speech(0.2))
        await socket.send('{"type":"end"}')
        assert (await collect(socket)).texts[-1]["frames"] == 5


async def test_stopping_the_service_ends_open_sessions(settings: AnimationSettings) -> None:
    app = create_app(settings, TABLE)
    async with running(app) as url:
        await app.state.readiness.settled()
        socket = await connect(url.replace("http", "ws", 1) + "/v1/animation/stream")
        await socket.send(json.dumps(START))
        await socket.recv()
    with pytest.raises(ConnectionClosed):
        await socket.recv()
    assert app.state.studio.sessions == 0
    assert np.isfinite(app.state.studio.settings.fps)
