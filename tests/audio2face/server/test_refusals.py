"""Every way in which a stream can fail: a status ERROR with a sentence, then the gRPC code; the others do not notice."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

import grpc
import pytest

from comps.core.errors import UnprocessableError
from tests.audio2face.server.harness import (
    END,
    PATH,
    RATE,
    Answer,
    Code,
    Heard,
    Stream,
    buffer,
    clip,
    configuration,
    connected,
    header,
    listened,
    opened,
    played,
    running,
    sent,
)
from tests.audio2face.test_pipeline import speech

INVALID = grpc.StatusCode.INVALID_ARGUMENT
EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED
TOO_SLOW = grpc.StatusCode.DEADLINE_EXCEEDED
SOUND = buffer(speech(0.5))


def face(**values: float) -> Stream:
    return header(face_params={"float_params": values})


def emotion(**values: Any) -> Stream:
    return header(emotion_post_processing_params=values)


def transition(**values: Any) -> Stream:
    return header(emotion_params=values)


def shapes(**values: Any) -> Stream:
    return header(blendshape_params=values)


NAN, INFINITE = float("nan"), float("inf")

REFUSED: list[tuple[str, Sequence[Stream], grpc.StatusCode, str]] = [
    ("no header", [SOUND, END], INVALID, "the first message is audio_with_emotion"),
    ("end first", [END], INVALID, "the first message is end_of_audio"),
    ("empty first", [Stream()], INVALID, "the first message is empty"),
    ("second header", [header(), header(), END], INVALID, "only one header"),
    ("late header", [header(), SOUND, header(), END], INVALID, "only one header"),
    ("empty later", [header(), Stream()], INVALID, "a message is empty"),
    ("no audio header", [Stream(audio_stream_header={})], INVALID, "no audio_header"),
    ("no format", [header(audio={"audio_format": 3})], INVALID, "audio_format = 3 is not"),
    ("8 bit", [header(audio={"bits_per_sample": 8})], INVALID, "bits_per_sample = 8; allowed is 16"),
    ("float", [header(audio={"bits_per_sample": 32})], INVALID, "bits_per_sample = 32; allowed is 16"),
    ("stereo", [header(audio={"channel_count": 2})], INVALID, "channel_count = 2; allowed is 1"),
    ("no channels", [header(audio={"channel_count": 0})], INVALID, "channel_count = 0; allowed is 1"),
    ("8 kHz", [header(8_000)], INVALID, "samples_per_second = 8000 is out of range; allowed is 16000 to 144000"),
    ("192 kHz", [header(192_000)], INVALID, "allowed is 16000 to 144000"),
    ("odd buffer", [header(), buffer(b"\0\0\0"), END], INVALID, "a buffer has 3 bytes"),
    ("11 s buffer", [header(), buffer(bytes(22 * RATE)), END], EXHAUSTED, "allowed is 10 s"),
    ("301 s clip", [header(), *[buffer(bytes(20 * RATE))] * 30, buffer(bytes(2 * RATE)), END], EXHAUSTED, "300 s"),
    (
        "parameter out of range",
        [face(lowerFaceSmoothing=0.2)],
        INVALID,
        "lowerFaceSmoothing = 0.2.*allowed is 0 to 0.1",
    ),
    ("parameter NaN", [face(skinStrength=NAN)], INVALID, "skinStrength = nan is not a number"),
    ("parameter infinite", [face(skinStrength=INFINITE)], INVALID, "skinStrength = inf is out of range"),
    ("contrast", [emotion(emotion_contrast=0.1)], INVALID, "emotion_contrast = 0.1.*allowed is 0.3 to 3"),
    ("no emotions", [emotion(max_emotions=0)], INVALID, "max_emotions = 0 is out of range"),
    ("strength NaN", [emotion(emotion_strength=NAN)], INVALID, "emotion_strength = nan"),
    ("transition", [transition(live_transition_time=0.0)], INVALID, "live_transition_time = 0"),
    ("beginning", [transition(beginning_emotion={"joy": 1.5})], INVALID, "beginning_emotion.joy = 1.5"),
    ("multiplier", [shapes(bs_weight_multipliers={"JawOpen": NAN})], INVALID, "bs_weight_multipliers.JawOpen = nan"),
    ("offset", [shapes(bs_weight_offsets={"JawOpen": INFINITE})], INVALID, "bs_weight_offsets.JawOpen = inf"),
    ("negative time", [header(), buffer(b"", [(-1.0, {})]), END], INVALID, "time_code = -1.0"),
    ("time NaN", [header(), buffer(b"", [(NAN, {})]), END], INVALID, "time_code = nan"),
    ("emotion above 1", [header(), buffer(b"", [(0.0, {"joy": 1.5})]), END], INVALID, "emotion.joy = 1.5"),
    ("emotion below 0", [header(), buffer(b"", [(0.0, {"fear": -0.1})]), END], INVALID, "emotion.fear = -0.1"),
    ("many keys", [header(), *[buffer(b"", [(0.0, {})] * 1001)] * 10, END], EXHAUSTED, "10000 emotion keyframes"),
]


@pytest.mark.parametrize(
    ("messages", "code", "text"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
async def test_a_fault_of_the_client_ends_its_call_with_a_sentence(
    messages: Sequence[Stream], code: grpc.StatusCode, text: str
) -> None:
    async with running() as service:
        heard = await played(service.address, messages)
        assert heard.code == code
        with pytest.raises(UnprocessableError, match=text):
            raise UnprocessableError(heard.details)
        assert heard.told(Code.ERROR) == heard.details
        assert heard.kinds[-1] == "status"
        assert service.service.slots.taken == 0
        assert f'code="{code.name}"' in service.exposition


@pytest.mark.parametrize("messages", [[], [header()]], ids=["nothing", "header only"])
async def test_an_end_of_input_before_any_audio_is_refused(messages: Sequence[Stream]) -> None:
    async with running() as service:
        heard = await played(service.address, messages, half_close=True)
    assert heard.code == INVALID
    assert "the stream ended" in heard.details


async def test_bytes_that_are_no_message_end_the_call_alone() -> None:
    async with running() as service, connected(service.address) as channel:
        call = channel.stream_stream(PATH, response_deserializer=Answer.FromString)()
        await call.write(b"\xff\xff\xff\xff")
        heard = await asyncio.wait_for(listened(call), 10)
        assert heard.code not in (None, grpc.StatusCode.OK)
        assert (await played(service.address, clip(speech(0.5)))).code == grpc.StatusCode.OK
        assert service.service.slots.taken == 0


async def test_one_stream_too_many_is_refused_before_its_header_and_the_others_go_on() -> None:
    found = configuration(deployment={"common": {"stream_number": 2}})
    async with running(found) as service, AsyncExitStack() as stack:
        calls = [opened(await stack.enter_async_context(connected(service.address))) for _ in range(2)]
        for call in calls:
            await sent(call, [header(), SOUND])
            assert (await call.read()).WhichOneof("stream_part") == "animation_data_stream_header"
        refused = await played(service.address, clip(speech(0.5)))
        assert refused.code == EXHAUSTED
        assert refused.kinds == ["status"]
        assert "all 2 streams are in use" in refused.told(Code.ERROR)
        for call in calls:
            await sent(call, [SOUND, END])
            heard = await listened(call)
            assert heard.code == grpc.StatusCode.OK
            assert len(heard.frames) == 31


async def impatient(**limits: float) -> Any:
    return configuration({"input_sanitization": limits, "pipeline_parameters": {"burst_mode": True}})


@pytest.mark.parametrize("messages", [[], [header()], [header(), SOUND]], ids=["nothing", "header", "audio"])
async def test_a_client_that_falls_silent_is_cut_off(messages: Sequence[Stream]) -> None:
    async with running(await impatient(max_wait_time_idle_ms=150, low_fps=0)) as service:
        heard = await asyncio.wait_for(played(service.address, messages), 5)
    assert heard.code == TOO_SLOW
    assert "nothing moved for 0.15 s" in heard.told(Code.ERROR)


async def test_a_call_that_takes_too_long_is_cut_off() -> None:
    async with (
        running(await impatient(max_processing_duration_second=0.3)) as service,
        connected(service.address) as channel,
    ):
        call = opened(channel)

        async def speak() -> None:
            await sent(call, [header(), *[buffer(b"")] * 5])
            for _ in range(50):
                await asyncio.sleep(0.02)
                await sent(call, [buffer(b"")])

        speaking = asyncio.create_task(speak())
        heard = await asyncio.wait_for(listened(call), 5)
        await speaking
    assert heard.code == TOO_SLOW
    assert "longer than 0.3 s" in heard.details


async def test_a_client_slower_than_real_time_is_dropped() -> None:
    async with (
        running(await impatient(low_fps_max_duration_second=0.2)) as service,
        connected(service.address) as channel,
    ):
        call = opened(channel)
        await sent(call, [header(), buffer(speech(0.1))])
        heard = await asyncio.wait_for(listened(call), 5)
    assert heard.code == TOO_SLOW
    assert "slower than 0.967 of real time for more than 0.2 s" in heard.details


async def test_without_the_rule_a_pause_in_the_speech_is_no_fault() -> None:
    async with (
        running(await impatient(low_fps=0, low_fps_max_duration_second=0.2)) as service,
        connected(service.address) as channel,
    ):
        call = opened(channel)
        await sent(call, [header(), buffer(speech(0.1))])
        await asyncio.sleep(0.5)
        await sent(call, [END])
        assert (await listened(call)).code == grpc.StatusCode.OK


async def test_a_client_that_stops_reading_is_cut_off_and_the_others_do_not_notice() -> None:
    found = await impatient(max_wait_time_idle_ms=400, low_fps=0)
    async with running(found) as service, connected(service.address) as channel:
        call = opened(channel)
        await sent(call, [header(144_000), *[buffer(speech(1.0, 144_000))] * 20, END])
        other: Heard = await asyncio.wait_for(played(service.address, clip(speech(2.0))), 10)
        assert other.code == grpc.StatusCode.OK
        for _ in range(500):
            if not service.service.slots.taken:
                break
            await asyncio.sleep(0.01)
        assert service.service.slots.taken == 0
        heard = await asyncio.wait_for(listened(call), 10)
    assert heard.code == TOO_SLOW
    assert len(heard.frames) < 600


async def test_a_client_that_disconnects_leaves_nothing_behind() -> None:
    async with running() as service:
        for _ in range(3):
            async with connected(service.address) as channel:
                call = opened(channel)
                await sent(call, [header(), SOUND])
                await call.read()
        heard = await played(service.address, clip(speech(1.0)))
        assert len(heard.frames) == 31
        assert service.service.slots.taken == 0


async def test_inference_that_fails_is_internal_and_says_nothing_of_the_inside(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with running() as service:
        service.model.fault = ValueError("the secret of the weights")
        with caplog.at_level(logging.CRITICAL, "comps"):
            heard = await played(service.address, clip(speech(1.0)))
        assert heard.code == grpc.StatusCode.INTERNAL
        assert "secret" not in heard.details
        service.model.fault = None
        assert (await played(service.address, clip(speech(0.5)))).code == grpc.StatusCode.OK


async def test_a_service_that_loads_or_stops_is_unavailable() -> None:
    async with running() as service:
        face, service.service.face = service.service.face, None
        loading = await played(service.address, clip(speech(0.5)))
        assert (loading.code, loading.details) == (grpc.StatusCode.UNAVAILABLE, "the service is still loading")
        service.service.face = face
        async with connected(service.address) as channel:
            call = opened(channel)
            await sent(call, [header(), SOUND])
            await call.read()
            service.service.stopping.set()
            heard = await asyncio.wait_for(listened(call), 5)
    assert (heard.code, heard.details) == (grpc.StatusCode.UNAVAILABLE, "the service is shutting down")


async def test_a_method_that_is_not_offered_is_unimplemented() -> None:
    async with running() as service, connected(service.address) as channel:
        call = channel.unary_unary("/nvidia_ace.services.version.v1.VersionInformationService/GetVersionInformation")
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await call(b"")
    assert raised.value.code() == grpc.StatusCode.UNIMPLEMENTED
