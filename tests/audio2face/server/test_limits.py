from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from comps.animation.audio2face.configuration.advanced import InputSanitization
from comps.animation.audio2face.server.failures import TooSlowError
from comps.animation.audio2face.server.limits import Intake, Patience
from comps.animation.audio2face.server.pacing import Pace
from comps.animation.audio2face.server.slots import Slots
from comps.animation.audio2face.server.uploads import Upload, Uploads
from comps.core.errors import BusyError, NotFoundError, TooLargeError, UnprocessableError


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)
        self.now += seconds + self.overslept

    overslept = 0.0


def test_buffers_and_clips_up_to_their_limits_are_taken() -> None:
    intake = Intake(InputSanitization(max_audio_buffer_size_second=1, max_audio_clip_size_second=2.5), 16_000)
    intake.take(32_000)
    with pytest.raises(TooLargeError, match=r"a buffer of 1\.000 s is too long; allowed is 1 s"):
        intake.take(32_002)
    with pytest.raises(UnprocessableError, match="31 bytes"):
        intake.take(31)
    intake.take(32_000)
    intake.take(16_000)
    assert (intake.received_s, intake.messages) == (2.5, 3)
    with pytest.raises(TooLargeError, match=r"longer than 2\.5 s"):
        intake.take(2)
    intake.take(0)


def patience(clock: Clock, **limits: float) -> Patience:
    return Patience(InputSanitization.model_validate(limits), clock)


def test_a_call_has_its_time_and_a_stream_must_move() -> None:
    clock = Clock()
    stream = patience(clock, max_wait_time_idle_ms=2000, max_processing_duration_second=10, low_fps=0)
    for _ in range(5):
        clock.now += 2
        stream.check()
        stream.moved()
    clock.now += 0.1
    with pytest.raises(TooSlowError, match="longer than 10 s"):
        stream.check()
    idle = patience(clock, max_wait_time_idle_ms=2000)
    clock.now += 2.1
    with pytest.raises(TooSlowError, match="nothing moved for 2 s"):
        idle.check()


def test_a_client_may_be_slow_for_a_while_and_catch_up() -> None:
    clock = Clock()
    stream = patience(clock, low_fps=29, low_fps_max_duration_second=7)
    clock.now += 20
    stream.check()  # no audio yet: that is for the other limits
    stream.moved()
    stream.supplied(1.0)
    clock.now += 7.9
    stream.check()
    stream.supplied(9.0)
    clock.now += 5
    stream.check()
    stream.supplied(9.5)
    clock.now += 2
    stream.check()
    clock.now += 7.5
    with pytest.raises(TooSlowError, match=r"slower than 0\.967 of real time for more than 7 s"):
        stream.check()


@pytest.mark.parametrize("limits", [{"low_fps": 0}, {"low_fps_max_duration_second": 0}])
def test_zero_switches_the_rate_off(limits: dict[str, float]) -> None:
    clock = Clock()
    stream = patience(clock, max_wait_time_idle_ms=1e9, max_processing_duration_second=1e9, **limits)
    stream.supplied(0.1)
    clock.now += 1000
    stream.check()


def test_after_the_end_nobody_waits_for_audio() -> None:
    clock = Clock()
    stream = patience(clock)
    stream.supplied(0.1)
    stream.supply_ended()
    clock.now += 20
    stream.check()


def test_audio_in_real_time_is_never_too_slow() -> None:
    clock = Clock()
    stream = patience(clock)
    for frame in range(1, 3000):
        stream.supplied(frame / 30)
        stream.moved()
        clock.now += 1 / 30 * 1.02
        stream.check()


async def test_frames_leave_by_the_clock_whatever_a_sleep_takes() -> None:
    clock = Clock()
    clock.overslept = 0.003
    pace, left = Pace(90, clock, clock.sleep), []
    for _ in range(91):
        await pace.turn()
        left.append(clock.now - 100)
    assert left[0] == 0
    assert left[90] == pytest.approx(1.0, abs=0.004)
    assert all(later - earlier >= 1 / 90 - 0.0031 for earlier, later in pairwise(left))


async def test_a_stream_that_had_nothing_to_send_does_not_hurry_for_long() -> None:
    clock = Clock()
    pace = Pace(90, clock, clock.sleep)
    await pace.turn()
    clock.now += 10
    started = clock.now
    for _ in range(90):
        await pace.turn()
    assert clock.now - started == pytest.approx(89 / 90 - 0.05, abs=0.001)


async def test_burst_mode_never_waits() -> None:
    clock = Clock()
    pace = Pace(None, clock, clock.sleep)
    for _ in range(100):
        await pace.turn()
    assert clock.now == 100


def test_places_are_given_back_whatever_happens() -> None:
    seen: list[int] = []
    slots = Slots(1, seen.append)
    with slots.one(), pytest.raises(BusyError, match="all 1 streams"), slots.one():
        pass
    with pytest.raises(KeyError), slots.one():
        raise KeyError
    with slots.one():
        assert slots.taken == 1
    assert seen == [1, 0, 1, 0, 1, 0]


def test_uploads_are_kept_for_a_time_and_within_their_room() -> None:
    clock = Clock()
    uploads = Uploads(kept_s=10, most_bytes=10, clock=clock)
    first, second = uploads.add(Upload(b"1234", 16_000)), uploads.add(Upload(b"abcd", 16_000))
    assert uploads.add(Upload(b"1234", 48_000)) == first
    assert uploads.get(first).sample_rate == 48_000
    third = uploads.add(Upload(b"xyzw", 16_000))
    with pytest.raises(NotFoundError, match="kept for 10 s"):
        uploads.get(second)
    clock.now += 9
    assert uploads.get(first).pcm == b"1234"
    clock.now += 2
    with pytest.raises(NotFoundError):
        uploads.get(third)
    assert uploads.get(first)
    with pytest.raises(TooLargeError, match="there is room for 10"):
        uploads.add(Upload(bytes(11), 16_000))
