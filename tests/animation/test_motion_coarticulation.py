"""Phones with times become smooth, anticipating and safely closing movements."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comps.animation.motion.articulation import CLOSE, JAW, ROUND, TUCK
from comps.animation.motion.coarticulation import LOOK_AHEAD_S, articulate, segment
from comps.core.speech import Phone
from tests.animation.speeches import SENTENCE, SENTENCE_S, phones


def _at(row: list[Phone], fps: int = 100) -> np.ndarray:
    return articulate(row, np.arange(round((row[-1].end + 0.3) * fps)) / fps, fps)


def test_silence_lies_between_phones_that_do_not_touch() -> None:
    pieces = segment([Phone("a", 0.1, 0.2), Phone("m", 0.4, 0.5)])
    assert pieces.start.tolist() == pytest.approx([0.0, 0.1, 0.2, 0.4, 0.5])
    assert pieces.end[-1] == np.inf


def test_without_phones_the_mouth_rests() -> None:
    assert not articulate([], np.arange(10) / 25, 25).any()


@settings(max_examples=60, deadline=None)
@given(
    fps=st.integers(20, 60),
    start=st.floats(0.1, 0.4),
    length=st.floats(0.03, 0.2),
    phone=st.sampled_from(["p", "b", "m"]),
    around=st.sampled_from(["a", "i", "u", "s"]),
)
def test_lips_meet_in_every_bilabial_at_any_frame_rate(
    fps: int, start: float, length: float, phone: str, around: str
) -> None:
    row = [
        Phone(around, 0, start),
        Phone(phone, start, start + length),
        Phone(around, start + length, start + length + 0.3),
    ]
    times = np.arange(round((start + length + 0.3) * fps)) / fps
    shut = articulate(row, times, fps)[:, CLOSE]
    near = np.abs(times - (start + length / 2)) <= max(length / 2, 0.5 / fps + 0.25 * length)
    assert shut[near].max() == 1.0


@pytest.mark.parametrize("fps", [24, 25, 30, 50])
def test_the_lip_touches_the_teeth_in_every_labiodental(fps: int) -> None:
    row = phones(("a", 0.21), ("v", 0.05), ("a", 0.2))
    times = np.arange(12) / fps
    assert articulate(row, times, fps)[:, TUCK].max() == 1.0


def test_rounding_begins_before_its_vowel() -> None:
    rounded = _at(phones(("s", 0.3), ("u", 0.2)))[:, ROUND]
    assert rounded[28] > 0.2 > 0.02 > rounded[10]


def test_short_vowels_are_undershot() -> None:
    long, short = (_at(phones(("t", 0.1), ("a", n), ("t", 0.1)))[:, JAW].max() for n in (0.25, 0.04))
    assert short < 0.85 * long


def test_the_mouth_is_shut_within_150_ms_of_silence() -> None:
    organs = _at(phones(("a", 0.3), ("", 0.6)))
    assert organs[45:, JAW].max() < 0.08


def test_movement_is_smooth() -> None:
    organs = _at(SENTENCE)
    assert np.abs(np.diff(organs, axis=0)).max(0)[JAW] < 0.12


@settings(max_examples=40, deadline=None)
@given(frame=st.integers(0, int(SENTENCE_S * 25)), more=st.floats(0, 0.5))
def test_nothing_beyond_the_look_ahead_shapes_a_frame(frame: int, more: float) -> None:
    time = frame / 25
    known = [p for p in SENTENCE if p.start < time + LOOK_AHEAD_S + more]
    one = articulate(known, np.array([time]), 25)
    np.testing.assert_allclose(one, articulate(SENTENCE, np.array([time]), 25), atol=1e-6)
