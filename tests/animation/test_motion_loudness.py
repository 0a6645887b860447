"""Loudness as it arrives."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from comps.animation.motion.loudness import Loudness
from tests.animation.speeches import RATE, SENTENCE, SENTENCE_S, sound

PCM = sound(SENTENCE, SENTENCE_S)
TIMES = np.arange(0, SENTENCE_S, 0.04)


def _heard(cuts: list[int]) -> Loudness:
    loudness = Loudness(RATE)
    for part in np.split(PCM, sorted(cuts)):
        loudness.add(part)
    return loudness


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, len(PCM)), max_size=12))
def test_levels_do_not_depend_on_the_cuts(cuts: list[int]) -> None:
    whole, cut = _heard([]).at(TIMES), _heard(cuts).at(TIMES)
    np.testing.assert_array_equal(whole.mean, cut.mean)
    np.testing.assert_array_equal(whole.soon, cut.soon)


def test_silence_is_nothing_and_speech_is_near_its_peak() -> None:
    levels = _heard([]).at(np.array([0.05, 0.5]))
    assert levels.loudest[0] == 0
    assert levels.loudest[1] > 0.9
    assert levels.soon[0] == 0


def test_what_is_soon_heard_is_told_ahead() -> None:
    levels = _heard([]).at(np.array([0.15]))
    assert levels.soon[0] > 0.5 > levels.loudest[0]


def test_before_any_sound_all_is_quiet() -> None:
    assert not Loudness(RATE).at(TIMES).soon.any()


def test_a_quiet_voice_counts_as_loud_as_a_loud_one_after_a_while() -> None:
    quiet = Loudness(RATE)
    hum = (np.sin(np.arange(RATE * 40) / 20) * 600).astype(np.int16)
    quiet.add(hum)
    assert quiet.at(np.array([39.0])).mean[0] > 0.9


def test_the_past_is_forgotten() -> None:
    loudness = _heard([])
    before = loudness.at(TIMES[-3:]).mean
    loudness.forget(float(TIMES[-3]))
    np.testing.assert_array_equal(loudness.at(TIMES[-3:]).mean, before)
    assert len(loudness._power) < 1.6 / 0.01
