"""Speech with known phones, from eSpeak NG."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from comps.core.hearing.front_end import SAMPLE_RATE
from comps.core.language.espeak_library import RawSettings
from comps.core.language.espeak_speech import spoken
from comps.core.speech import Phone

Audio = NDArray[np.float32]
Spoken = tuple[Audio, tuple[Phone, ...]]


@lru_cache(maxsize=64)
def speak(text: str, settings: RawSettings) -> Spoken:
    """Mono float32 at 16 kHz and its phones; read only."""
    audio, phones = spoken(text, settings, SAMPLE_RATE)
    audio.flags.writeable = False
    return audio, phones


def noise(seconds: float, level: float, seed: int = 0) -> Audio:
    """White noise of a root mean square."""
    return np.random.default_rng(seed).normal(0, level, round(seconds * SAMPLE_RATE)).astype(np.float32)
