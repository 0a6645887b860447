from __future__ import annotations

import pytest

from comps.animation.audio2face.server.clip import Made
from comps.animation.audio2face.server.metrics import StreamMetrics
from comps.core.web.metrics import Metrics


def shown(metrics: Metrics, name: str) -> float:
    lines = metrics.exposition().decode().splitlines()
    return float(next(line for line in lines if line.startswith(f"{name} ")).split()[1])


@pytest.mark.parametrize(
    ("first", "frames", "arrived", "made", "late"),
    [
        (0, 3, 100.3, 100.33, 0),  # within a frame of its audio
        (0, 3, 100.3, 100.34, 1),  # frame 0 was due at 100.3, 1 at 100.333, both and a frame's time
        (0, 3, 100.3, 100.5, 3),
        (30, 3, 100.3, 101.29, 0),  # a burst: its turn is later
        (30, 3, 100.3, 101.37, 2),
        (30, 3, 109.0, 109.02, 0),  # the client paused
    ],
)
def test_a_frame_is_late_after_both_its_audio_and_its_turn(
    first: int, frames: int, arrived: float, made: float, late: int
) -> None:
    metrics = Metrics()
    times = StreamMetrics(metrics, 4).stream(30, look_ahead_s=0.3)
    times.made(Made(first, frames, 100.0, arrived, made))
    assert shown(metrics, "audio2face_frames_total") == frames
    assert shown(metrics, "audio2face_late_frames_total") == late


def test_streams_and_first_frames_are_counted_once() -> None:
    metrics = Metrics()
    measured = StreamMetrics(metrics, 4)
    measured.in_use(3)
    times = measured.stream(30, 0.3)
    for frame in range(3):
        times.made(Made(frame, 1, 100.0, 100.5, 100.51))
    assert (shown(metrics, "streams_in_use"), shown(metrics, "streams_available")) == (3, 1)
    assert shown(metrics, "audio2face_first_frame_seconds_count") == 1
