from __future__ import annotations

import numpy as np
import pytest

from comps.asr.engine import SAMPLE_RATE
from comps.asr.sphinx.conditioning import ROOM_LEVEL, SPEECH_LEVEL, condition, room_share, speech_gain
from tests.asr.conftest import noise, spoken


def test_loud_and_quiet_recordings_come_out_the_same() -> None:
    speech = spoken("How do I install it?")
    loud, quiet = speech, speech / 50
    assert (
        np.abs(condition(loud, speech_gain(loud)).astype(int) - condition(quiet, speech_gain(quiet)).astype(int)).max()
        <= 1
    )


def test_speech_reaches_its_level() -> None:
    tone = np.sin(np.arange(SAMPLE_RATE) * 0.3).astype(np.float32) * 0.01
    conditioned = condition(tone, speech_gain(tone), share=0.0)
    assert np.sqrt(np.mean(np.square(conditioned.astype(float)))) == pytest.approx(SPEECH_LEVEL, rel=0.02)


def test_silence_becomes_a_quiet_room() -> None:
    silence = np.zeros(SAMPLE_RATE, np.float32)
    assert speech_gain(silence) == 0.0
    room = condition(silence, 0.0).astype(float)
    assert np.sqrt(np.mean(np.square(room))) == pytest.approx(ROOM_LEVEL, rel=0.2)


def test_a_noisy_recording_gets_no_more_noise() -> None:
    noisy = spoken("How do I install it?") + noise(10)[: len(spoken("How do I install it?"))]
    assert room_share(noisy, speech_gain(noisy)) == 0.0
    clean = spoken("How do I install it?")
    assert room_share(clean, speech_gain(clean)) > 0.9


def test_pieces_get_the_noise_of_the_whole() -> None:
    whole = condition(np.zeros(100_000, np.float32), 0.0)
    pieces = [condition(np.zeros(25_000, np.float32), 0.0, position=at) for at in range(0, 100_000, 25_000)]
    assert np.array_equal(np.concatenate(pieces), whole)


def test_nothing_is_nothing() -> None:
    empty = np.zeros(0, np.float32)
    assert speech_gain(empty) == 0.0
    assert len(condition(empty, 1.0)) == 0
