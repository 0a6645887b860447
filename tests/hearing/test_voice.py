"""Pitch, loudness and brightness of the voice, on sounds whose values are known."""

from __future__ import annotations

import numpy as np
import pytest

from comps.core.hearing.voice import HOP, MARGIN, SAMPLE_RATE, voice_frames
from tests.hearing.spoken import Audio, noise


def buzz(hertz: float, level: float = 0.1, tilt: float = 1.0) -> Audio:
    """Half a second of a voice-like tone of that root mean square; harmonic n is n^-tilt as strong."""
    time = np.arange(SAMPLE_RATE // 2 + 2 * MARGIN) / SAMPLE_RATE
    tones = [np.sin(2 * np.pi * n * hertz * time) * n**-tilt for n in range(1, int(7000 / hertz))]
    sound = np.sum(tones, axis=0)
    return (sound * level / np.sqrt((sound**2).mean())).astype(np.float32)


@pytest.mark.parametrize("hertz", [75, 100, 131, 200, 311, 400])
def test_pitch_of_a_buzz(hertz: float) -> None:
    frames = voice_frames(buzz(hertz))
    assert len(frames.pitch) == SAMPLE_RATE // 2 // HOP
    np.testing.assert_allclose(frames.pitch, 12 * np.log2(hertz / 100), atol=0.25)
    assert frames.periodic.min() > 0.9


def test_noise_is_not_periodic() -> None:
    assert np.median(voice_frames(noise(1, 0.1)).periodic) < 0.4


@pytest.mark.parametrize("level", [0.01, 0.1, 0.3])
def test_level_is_in_decibels_of_full_scale(level: float) -> None:
    np.testing.assert_allclose(voice_frames(buzz(120, level)).level, 20 * np.log10(level), atol=0.8)


def test_brightness_follows_the_tilt() -> None:
    dull, bright = (voice_frames(buzz(120, tilt=tilt)).bright.mean() for tilt in (2.0, 0.5))
    assert bright > dull + 15


def test_silence_is_finite() -> None:
    frames = voice_frames(noise(0.2, 0))
    assert all(np.isfinite(values).all() for values in (frames.pitch, frames.periodic, frames.level, frames.bright))
