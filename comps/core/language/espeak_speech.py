"""A text spoken whole by eSpeak NG, with its phones: speech whose truth is known, to train, test and measure with."""

from __future__ import annotations

import numpy as np
import soxr
from numpy.typing import NDArray

from comps.core.language.espeak import sample_rate, synthesise
from comps.core.language.espeak_library import RawEvent, RawSettings
from comps.core.language.espeak_times import PhoneTimer
from comps.core.speech import Pcm, Phone


def spoken(text: str, settings: RawSettings, rate_hz: int) -> tuple[NDArray[np.float32], tuple[Phone, ...]]:
    """Mono float32 `[n]` in -1..1 at `rate_hz`, and the phones with times in seconds. Blocks."""
    timer, pieces = PhoneTimer(text, sample_rate()), list[Pcm]()

    def on_block(pcm: Pcm, events: list[RawEvent]) -> bool:
        timer.feed(pcm, events)
        pieces.append(pcm)
        return True

    synthesise(text, settings, on_block)
    timer.finish()
    pcm = np.concatenate(pieces).astype(np.float32) / 32768
    return soxr.resample(pcm, sample_rate(), rate_hz).astype(np.float32), tuple(timer.take_phones())
