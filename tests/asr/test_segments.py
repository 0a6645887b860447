from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comps.asr.engine import SAMPLE_RATE, Audio
from comps.asr.sphinx.segments import Segment, Segmenter, SegmentOptions
from tests.asr.conftest import noise, spoken

SILENCE = np.zeros(2 * SAMPLE_RATE, np.float32)


def _segments(audio: Audio, step: int, options: SegmentOptions | None = None) -> list[Segment]:
    segmenter = Segmenter(options)
    found = [s for at in range(0, len(audio), step) for s in segmenter.feed(audio[at : at + step])]
    last = segmenter.finish()
    return [*found, last] if last else found


@pytest.mark.parametrize("audio", [SILENCE, noise(3, 0.1), noise(3, 0.001), np.full(SAMPLE_RATE, 0.3, np.float32)])
def test_silence_and_noise_are_no_speech(audio: Audio) -> None:
    assert _segments(audio, 1600) == []


def test_a_tone_that_lasts_is_cut_off_in_the_end() -> None:
    hum = (np.sin(np.arange(SAMPLE_RATE * 4) * 2 * np.pi * 50 / SAMPLE_RATE) * 0.2).astype(np.float32)
    assert _segments(hum, 1600) == []


def test_two_sentences_with_a_pause_are_two_segments() -> None:
    first, second = spoken("How do I install it?"), spoken("Where is it?")
    audio = np.concatenate([SILENCE, first, SILENCE, second, SILENCE])
    found = _segments(audio, 1600)
    assert len(found) == 2
    assert found[0].start / SAMPLE_RATE == pytest.approx(2.0, abs=0.3)
    assert found[1].start / SAMPLE_RATE == pytest.approx(4.0 + len(first) / SAMPLE_RATE, abs=0.3)
    for segment in found:
        assert np.array_equal(segment.samples, audio[segment.start : segment.start + len(segment.samples)])


def test_quiet_speech_is_speech() -> None:
    assert len(_segments(spoken("How do I install it?") * 0.05, 1600)) == 1


def test_endless_speech_is_cut() -> None:
    audio = np.tile(spoken("How do I install it?")[4000:-4000], 4)
    found = _segments(audio, 1600, SegmentOptions(longest_s=3.0))
    assert len(found) >= 2
    assert max(len(segment.samples) for segment in found) <= 3.0 * SAMPLE_RATE + SAMPLE_RATE


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 40_000))
def test_how_the_audio_is_cut_makes_no_difference(step: int) -> None:
    audio = np.concatenate([SILENCE, spoken("How do I install it?"), SILENCE, spoken("Where is it?")])
    step = max(step, 50)
    expected, found = _segments(audio, len(audio)), _segments(audio, step)
    assert [(s.start, len(s.samples)) for s in found] == [(s.start, len(s.samples)) for s in expected]
