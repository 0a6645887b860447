"""How long the rest of an answer takes, by a clock that the tests turn."""

from __future__ import annotations

from gateway.cli.progress import duration
from gateway.work_left import WorkLeft
from megaservice.flow.events import MediaFragment, SentenceSpoken, SpeechMeasured


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def fragment(start: float, duration: float) -> MediaFragment:
    return MediaFragment(0, start, duration, 1, b"")


def test_the_rest_is_told_by_the_speed_since_the_first_fragment() -> None:
    clock = Clock()
    work = WorkLeft(clock)
    assert work.note(SentenceSpoken(0, "x", 0, 1)) is None
    assert work.note(fragment(0, 1.0)) == {"done_s": 1.0, "total_s": None, "remaining_s": None}
    clock.now += 3
    assert work.note(SpeechMeasured(10.0)) == {"done_s": 1.0, "total_s": 10.0, "remaining_s": None}
    clock.now += 0.5
    assert work.note(fragment(1.0, 1.0)) == {"done_s": 2.0, "total_s": 10.0, "remaining_s": None}
    clock.now += 0.5  # 4 s for 2 s of video
    assert work.note(fragment(2.0, 1.0)) == {"done_s": 3.0, "total_s": 10.0, "remaining_s": 14.0}
    clock.now += 0.1
    assert work.note(fragment(3.0, 1.0)) is None
    assert work.note(fragment(4.0, 6.0)) == {"done_s": 10.0, "total_s": 10.0, "remaining_s": 0.0}


def test_durations_are_said_as_people_say_them() -> None:
    said = [duration(seconds) for seconds in (0.2, 8.4, 59.6, 125, 3599, 4800)]
    assert said == ["1 s", "8 s", "1 min 00 s", "2 min 05 s", "59 min 59 s", "1 h 20 min"]
