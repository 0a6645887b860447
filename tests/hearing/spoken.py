"""Speech with known phones, from eSpeak NG."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import soxr
from numpy.typing import NDArray

from comps.core.hearing.front_end import SAMPLE_RATE
from comps.core.language.espeak import sample_rate, synthesise
from comps.core.language.espeak_library import RawEvent, RawSettings
from comps.core.language.espeak_times import PhoneTimer
from comps.core.speech import Pcm, Phone

Audio = NDArray[np.float32]
Spoken = tuple[Audio, tuple[Phone, ...]]


@lru_cache(maxsize=64)
def speak(text: str, settings: RawSettings) -> Spoken:
    """Mono float32 at 16 kHz and its phones; read only."""
    timer, pieces = PhoneTimer(text, sample_rate()), list[Pcm]()

    def on_block(pcm: Pcm, events: list[RawEvent]) -> bool:
        timer.feed(pcm, events)
        pieces.append(pcm)
        return True

    synthesise(text, settings, on_block)
    timer.finish()
    pcm = np.concatenate(pieces).astype(np.float32) / 32768
    audio = soxr.resample(pcm, sample_rate(), SAMPLE_RATE).astype(np.float32)
    audio.flags.writeable = False
    return audio, tuple(timer.take_phones())


def noise(seconds: float, level: float, seed: int = 0) -> Audio:
    """White noise of a root mean square."""
    return np.random.default_rng(seed).normal(0, level, round(seconds * SAMPLE_RATE)).astype(np.float32)
