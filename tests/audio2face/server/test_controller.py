"""ProcessAudioStream as NVIDIA's clients call it: order of messages, contents of frames, pacing, cancelling."""

from __future__ import annotations

import asyncio
import time

import grpc
import numpy as np
import pytest

from comps.animation.audio2face.names import ALL_SHAPES, ARKIT_SHAPES, FACE_EMOTIONS
from tests.audio2face.server.harness import (
    END,
    RATE,
    Code,
    Heard,
    buffer,
    clip,
    configuration,
    connected,
    emotions_of,
    header,
    listened,
    opened,
    played,
    running,
    sent,
)
from tests.audio2face.test_pipeline import speech


def weights(heard: Heard) -> np.ndarray:
    return np.array([frame.skel_animation.blend_shape_weights[0].values for frame in heard.frames])


async def test_a_clip_comes_back_as_the_sample_client_wants_it() -> None:
    keys = [(0.0, {"joy": 1.0}), (1.0, {"fear": 0.5, "out_of_breath": 1.0})]
    async with running() as service:
        before = time.time()
        heard = await played(service.address, clip(speech(2.0), emotions=keys))
    assert heard.code == grpc.StatusCode.OK
    assert heard.kinds == ["animation_data_stream_header", *["animation_data"] * 61, "event", "status"]
    assert heard.statuses == [(Code.SUCCESS, "the clip has been animated")]
    first = heard.messages[0].animation_data_stream_header
    assert before - 1 <= first.start_time_code_since_epoch <= time.time() + 1
    assert (first.audio_header.samples_per_second, first.audio_header.bits_per_sample) == (RATE, 16)
    assert heard.names == list(ALL_SHAPES)
    assert not first.skel_animation_header.joints
    assert heard.audio == speech(2.0)
    for index, frame in enumerate(heard.frames):
        (shapes,) = frame.skel_animation.blend_shape_weights
        assert len(shapes.values) == 68
        assert shapes.time_code == frame.audio.time_code == index / 30
        aggregate = emotions_of(frame)
        assert not aggregate.a2e_output
        (smoothed,) = aggregate.a2f_smoothed_output
        assert smoothed.time_code == index / 30
        assert set(smoothed.emotion) == set(FACE_EMOTIONS)
        assert len(aggregate.input_emotions) == (0 if index else 2)
    given = emotions_of(heard.frames[0]).input_emotions
    assert [(key.time_code, dict(key.emotion)) for key in given] == keys


@pytest.mark.parametrize("seconds", [0.01, 1.0, 1.7])
@pytest.mark.parametrize("rate", [16_000, 44_100, 144_000])
async def test_every_rate_is_answered_at_its_own(rate: int, seconds: float) -> None:
    async with running() as service:
        heard = await played(service.address, clip(speech(seconds, rate), rate))
    assert heard.code == grpc.StatusCode.OK
    assert heard.audio == speech(seconds, rate)
    assert len(heard.frames) == len(speech(seconds, rate)) // 2 * 30 // rate + 1
    assert heard.messages[0].animation_data_stream_header.audio_header.samples_per_second == rate


async def test_two_runs_are_identical_however_they_are_cut() -> None:
    pcm = speech(2.0)
    pieces = [buffer(pcm[start : start + 998]) for start in range(0, len(pcm), 998)]
    async with running() as service:
        whole = await played(service.address, [header(), buffer(pcm), END])
        same, cut = await asyncio.gather(
            played(service.address, [header(), buffer(pcm), END]),
            played(service.address, [header(), *pieces, END]),
        )
    assert whole.messages[1:] == same.messages[1:] == cut.messages[1:]


async def test_the_header_comes_before_any_audio_and_the_end_without_a_half_close() -> None:
    async with running() as service, connected(service.address) as channel:
        call = opened(channel)
        await call.write(header())
        first = await asyncio.wait_for(call.read(), 5)
        assert first.WhichOneof("stream_part") == "animation_data_stream_header"
        await sent(call, [buffer(speech(1.0)), END])
        heard = await asyncio.wait_for(listened(call), 10)
    assert heard.code == grpc.StatusCode.OK
    assert len(heard.frames) == 31


async def test_frames_come_while_the_client_still_speaks() -> None:
    pcm = speech(1.0)
    async with running() as service, connected(service.address) as channel:
        call = opened(channel)
        await sent(call, [header(), buffer(pcm[:16_000])])
        await call.read()
        for index in range(12):
            frame = await asyncio.wait_for(call.read(), 5)
            assert frame.animation_data.audio.time_code == index / 30
        await sent(call, [buffer(pcm[16_000:]), END])
        heard = await listened(call)
    assert len(heard.frames) == 19


async def test_a_client_may_write_everything_before_it_reads_anything() -> None:
    seconds, rate = 60, 48_000
    found = configuration({"pipeline_parameters": {"burst_mode": True, "queue_size_after_a2f": 30}})
    async with running(found) as service, connected(service.address) as channel:
        call = opened(channel)
        pcm = speech(1.0, rate)
        messages = [header(rate), *[buffer(pcm)] * seconds, END]
        await asyncio.wait_for(sent(call, messages), 60)
        await call.done_writing()
        heard = await asyncio.wait_for(listened(call), 100)
    assert heard.code == grpc.StatusCode.OK
    assert len(heard.frames) == 30 * seconds + 1
    assert heard.audio == pcm * seconds


async def test_an_end_of_input_without_end_of_audio_still_gives_what_came() -> None:
    async with running() as service:
        heard = await played(service.address, [header(), buffer(speech(1.0))], half_close=True)
    assert heard.code == grpc.StatusCode.OK
    assert len(heard.frames) == 31
    assert heard.kinds[-1] == "status"


async def test_messages_after_the_end_are_ignored_with_one_warning() -> None:
    async with running() as service, connected(service.address) as channel:
        service.model.gate.clear()
        call = opened(channel)
        await sent(call, [header(), buffer(speech(1.0)), END, buffer(speech(1.0)), header(), END])
        await call.read()
        warning = await asyncio.wait_for(call.read(), 5)
        assert warning.status.code == Code.WARNING
        assert "end_of_audio" in warning.status.message
        service.model.gate.set()
        heard = await listened(call)
    assert [code for code, _ in heard.statuses] == [Code.SUCCESS]
    assert heard.audio == speech(1.0)


async def test_an_empty_clip_is_a_success_without_frames() -> None:
    async with running() as service:
        heard = await played(service.address, [header(), END])
    assert heard.code == grpc.StatusCode.OK
    assert heard.kinds == ["animation_data_stream_header", "event", "status"]


async def test_parameters_of_the_header_hold_for_their_stream() -> None:
    shapes = {
        "bs_weight_multipliers": {"JawOpen": 0.5, **dict.fromkeys(ALL_SHAPES[1:14], 0.0)},
        "bs_weight_offsets": {"TongueOut": 0.25, "NoSuchShape": 3.0},
        "enable_clamping_bs_weight": True,
    }
    parts = {
        "face_params": {"float_params": {"skinStrength": 0.5}, "integer_params": {"x": 1}},
        "blendshape_params": shapes,
        "emotion_post_processing_params": {"emotion_strength": 0.0, "max_emotions": 1},
        "emotion_params": {"live_transition_time": 0.0001, "beginning_emotion": {"joy": 1.0}},
    }
    async with running() as service:
        tuned = await played(service.address, [header(**parts), buffer(speech(1.0)), END])
        plain = await played(service.address, clip(speech(1.0)))
    jaw, tongue = ALL_SHAPES.index("JawOpen"), ALL_SHAPES.index("TongueOut")
    np.testing.assert_allclose(weights(tuned)[:, jaw], weights(plain)[:, jaw] / 2, rtol=1e-6)
    assert set(weights(tuned)[:, tongue]) == {0.25}
    assert [status for status, _ in tuned.statuses] == [Code.SUCCESS]
    assert not any(emotions_of(frame).a2f_smoothed_output[0].emotion["joy"] for frame in tuned.frames)
    assert service.model.opened[0].values["skin_strength"] == 0.5
    assert service.model.opened[1].values["skin_strength"] == 1.0


async def test_unknown_face_parameters_are_told_right_after_the_header() -> None:
    parts = {"face_params": {"float_params": {"skinStrength": 1.0, "prediction_delay": 0.1}}}
    async with running() as service:
        heard = await played(service.address, [header(**parts), buffer(speech(0.5)), END])
    assert heard.kinds[:2] == ["animation_data_stream_header", "status"]
    assert heard.told(Code.WARNING) == "unknown face parameters are ignored: prediction_delay"
    assert heard.code == grpc.StatusCode.OK


async def test_68_rows_are_taken_by_a_stream_of_52() -> None:
    found = configuration(style={"a2f": {"enable_tongue_blendshapes": False}})
    parts = {"blendshape_params": {"bs_weight_multipliers": dict.fromkeys(ALL_SHAPES, 1.0)}}
    async with running(found) as service:
        heard = await played(service.address, [header(**parts), buffer(speech(0.5)), END])
    assert heard.names == list(ARKIT_SHAPES)
    assert [code for code, _ in heard.statuses] == [Code.SUCCESS]
    assert weights(heard).shape == (16, 52)


async def test_silence_behind_the_clip_is_not_echoed() -> None:
    found = configuration(deployment={"common": {"add_silence_padding_after_audio": True}})
    async with running(found) as service:
        heard = await played(service.address, clip(speech(1.0)))
    assert len(heard.frames) == 76
    assert heard.audio == speech(1.0)
    assert weights(heard)[-1, ALL_SHAPES.index("JawOpen")] == 0


async def test_frames_leave_at_the_streaming_rate_by_the_clock() -> None:
    found = configuration({"pipeline_parameters": {"burst_mode": False, "blendshape_streaming_fps": 60}})
    async with running(found) as service, connected(service.address) as channel:
        call = opened(channel)
        await sent(call, clip(speech(2.0)))
        await call.read()
        began = time.monotonic()
        heard = await listened(call)
        took = time.monotonic() - began
    assert len(heard.frames) == 61
    assert 58 / 60 <= took < 2.0


async def test_a_client_that_leaves_frees_its_place_at_once() -> None:
    found = configuration(deployment={"common": {"stream_number": 1}})
    async with running(found) as service, connected(service.address) as channel:
        call = opened(channel)
        await sent(call, [header(), buffer(speech(1.0))])
        await call.read()
        assert service.service.slots.taken == 1
        service.model.gate.clear()
        await call.write(buffer(speech(1.0)))
        call.cancel()
        for _ in range(200):
            if not service.service.slots.taken:
                break
            await asyncio.sleep(0.01)
        assert service.service.slots.taken == 0
        service.model.gate.set()
        assert (await played(service.address, clip(speech(0.5)))).code == grpc.StatusCode.OK


async def test_what_happens_is_counted() -> None:
    async with running() as service:
        assert "streams_in_use 0.0\n" in service.exposition
        assert "streams_available 10.0\n" in service.exposition
        async with connected(service.address) as channel:
            call = opened(channel)
            await call.write(header())
            await call.read()
            assert "streams_in_use 1.0\n" in service.exposition
            assert "streams_available 9.0\n" in service.exposition
            await sent(call, [buffer(speech(1.0)), END])
            await listened(call)
        await played(service.address, [END])
        shown = service.exposition
    assert "audio2face_frames_total 31.0\n" in shown
    assert "audio2face_late_frames_total 0.0\n" in shown
    assert 'audio2face_calls_total{code="OK",method="ProcessAudioStream"} 1.0\n' in shown
    assert 'audio2face_calls_total{code="INVALID_ARGUMENT",method="ProcessAudioStream"} 1.0\n' in shown
    assert "audio2face_first_frame_seconds_count 1.0\n" in shown
