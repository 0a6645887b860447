"""Tops that were cut off before a lossy codec rounded them: told, counted and drawn anew."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from comps.animation.coach.sound.check import check_audio
from comps.animation.coach.sound.clipping import cut_share
from comps.animation.coach.sound.denoise import FilterDenoiser
from comps.animation.coach.sound.repair import repair_audio
from comps.animation.coach.sound.rounded_tops import find_rounded_tops
from comps.core.media.audio import AudioFormat, encode_audio
from tests.animation.coach.sounds import RATE, Audio, speech

CODECS: tuple[AudioFormat, ...] = ("mp3", "aac", "opus")
HELD_OUT = (3, 5)
"""Voices on which no bound was set."""
VOICES = ("gmw/en-US", "gmw/en-US+f3", "gmw/en", "gmw/en-US+m3", "gmw/en-US+f2", "gmw/en-US+m1")
POINTS = 1.0


@cache
def said(index: int) -> Audio:
    return speech(index, VOICES[index], sentences=2).audio


def cut(index: int, share: float, after: float) -> Audio:
    """With `share` percent of the samples cut off and turned down to `after` of full scale."""
    top = np.quantile(np.abs(said(index)), 1 - share / 100)
    return np.asarray(np.clip(said(index) / top, -1, 1) * after, np.float32)


def coded(audio: Audio, fmt: AudioFormat) -> bytes:
    return encode_audio(np.rint(audio * 32767).astype(np.int16), RATE, fmt)


@pytest.mark.parametrize("fmt", CODECS)
@pytest.mark.parametrize(("share", "after"), [(3.0, 1.0), (3.0, 0.7), (8.0, 0.8)])
def test_cut_tops_are_counted_after_a_codec(share: float, after: float, fmt: AudioFormat) -> None:
    for index in HELD_OUT:
        report = check_audio(coded(cut(index, share, after), fmt))
        assert "audio_clipped" in report.codes()
        assert report.measured["clipped_percent"] == pytest.approx(share, abs=POINTS)


@pytest.mark.parametrize("fmt", CODECS)
def test_natural_and_limited_tops_are_not_cut(fmt: AudioFormat) -> None:
    for index in HELD_OUT:
        assert check_audio(coded(said(index), fmt)).measured["clipped_percent"] == 0


@pytest.mark.parametrize("fmt", ["mp3", "opus"])
def test_rounded_tops_are_drawn_anew(fmt: AudioFormat) -> None:
    mended = repair_audio(coded(cut(5, 3.0, 0.8), fmt), denoiser=FilterDenoiser())
    assert mended.before.codes() == {"audio_clipped"}
    assert mended.after.findings == ()
    assert "redrew the tops that were cut off" in mended.steps


@pytest.mark.parametrize("share", [1.0, 3.0])
def test_tops_that_are_cut_exactly_are_counted_exactly(share: float) -> None:
    assert 100 * cut_share(cut(3, share, 0.8), 16) == pytest.approx(share, abs=0.02)


def test_a_steady_tone_is_not_cut() -> None:
    tone = 0.7 * np.sin(2 * np.pi * 220 * np.arange(RATE) / RATE)
    assert find_rounded_tops(tone.astype(np.float32)) is None


@pytest.mark.parametrize("samples", [0, 1, 100])
def test_silence_has_no_tops(samples: int) -> None:
    assert find_rounded_tops(np.zeros(samples, np.float32)) is None
    assert cut_share(np.zeros(samples, np.float32), 16) == 0
