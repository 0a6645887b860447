"""Features: where energy is, relative to the recent peak; what is background."""

from __future__ import annotations

import numpy as np
import pytest

from comps.core.hearing.front_end import BANDS, HOP, MARGIN, SAMPLE_RATE, FrontEnd
from tests.hearing.spoken import Audio, noise


def tone(hertz: float, seconds: float = 0.5, level: float = 0.1) -> Audio:
    time = np.arange(round(seconds * SAMPLE_RATE) + 2 * MARGIN) / SAMPLE_RATE
    return (level * np.sqrt(2) * np.sin(2 * np.pi * hertz * time)).astype(np.float32)


def test_higher_tones_are_in_higher_bands() -> None:
    bands = [int(FrontEnd().frames(tone(hertz))[0].mean(0).argmax()) for hertz in (120, 300, 700, 1500, 3000, 6000)]
    assert bands == sorted(set(bands))
    assert bands[-1] < BANDS


def test_there_is_a_frame_for_every_hop() -> None:
    features, above = FrontEnd().frames(tone(500))
    assert features.shape == (SAMPLE_RATE // 2 // HOP, BANDS)
    assert above.shape == features.shape[:1]
    assert features.dtype == np.float32


@pytest.mark.parametrize("gain", [0.5, 0.1])
def test_the_level_of_loud_sound_is_taken_out(gain: float) -> None:
    usual, quieter = (FrontEnd().frames(tone(500, level=level))[0] for level in (0.5, 0.5 * gain))
    assert np.abs(usual.max(1) - FrontEnd().frames(tone(500, level=0.9))[0].max(1)).max() < 0.01
    assert (quieter <= usual + 1e-3).all()


def test_silence_is_at_the_floor() -> None:
    assert (FrontEnd().frames(noise(0.3, 0))[0] == -1).all()


def test_speech_rises_above_the_background_and_the_background_does_not() -> None:
    front_end = FrontEnd()
    _, hum = front_end.frames(noise(1, 1e-3))
    _, sound = front_end.frames(tone(500, level=0.2))
    assert np.median(hum) < 8
    assert sound.min() > 15
