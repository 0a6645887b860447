from __future__ import annotations

from fractions import Fraction

import pytest

from comps.animation.engines.liveavatar.launch.preset import CLIP_FRAMES, PRESETS, clips, nearest_clip


@pytest.mark.parametrize(("name", "expected"), [("quick", 7), ("standard", 150), ("quality", 1500)])
def test_clips_of_the_presets(name: str, expected: int) -> None:
    assert clips(PRESETS[name].seconds, 48) == expected  # type: ignore[index]


@pytest.mark.parametrize(
    ("seconds", "frames", "expected"),
    [(1.92, 48, 1), (1.96, 48, 2), (0.01, 48, 1), (Fraction(96, 25), 48, 2), (3, 24, 4), (0, 48, 1)],
)
def test_clips_cover_the_seconds(seconds: float, frames: int, expected: int) -> None:
    assert clips(seconds, frames) == expected


@pytest.mark.parametrize(
    ("asked", "given"),
    [(32, 36), (80, 72), (12, 24), (40, 36), (44, 48), (64, 60), (84, 72), (100, 96), (1000, 96), (1, 24), (30, 24)],
)
def test_clips_are_rounded_to_lengths_that_work(asked: int, given: int) -> None:
    assert nearest_clip(asked) == given


def test_lengths_that_work_stay() -> None:
    assert CLIP_FRAMES == (24, 36, 48, 60, 72, 96)
    assert [nearest_clip(frames) for frames in CLIP_FRAMES] == list(CLIP_FRAMES)
