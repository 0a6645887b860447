"""Makes a recording sound like the speech the acoustic model was trained on: its level, and a quiet room."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from comps.asr.engine import SAMPLE_RATE, Audio

Pcm16 = NDArray[np.int16]

SPEECH_LEVEL = 1000.0
"""Root mean square of the louder half of an utterance, in int16 steps."""
ROOM_LEVEL = 30.0
"""Root mean square of the pink noise that is added, in int16 steps: 30 dB below speech.

Digital silence and very clean recordings are far from what the model was trained on; without this
floor it makes about half as many errors again on them, and next to real noise it is not heard.
"""
_LOOP_S = 4
_LONGEST_GAIN = 1000.0
_BLOCK = SAMPLE_RATE // 50


def speech_gain(samples: Audio) -> float:
    """What brings the louder half of `samples` (mono, -1..1) to `SPEECH_LEVEL`, at most 1000 times int16."""
    blocks = samples[: len(samples) // _BLOCK * _BLOCK].reshape(-1, _BLOCK)
    if not len(blocks):
        return 0.0
    levels = np.sqrt(np.mean(np.square(blocks), axis=1))
    loud = float(np.sqrt(np.mean(np.square(levels[levels >= np.median(levels)])))) * 32768
    return min(_LONGEST_GAIN, SPEECH_LEVEL / loud) * 32768 if loud > 0 else 0.0


def condition(samples: Audio, gain: float, position: int = 0) -> Pcm16:
    """`samples` times `gain` with room noise, as int16 `[n]`.

    Args:
        samples: mono float32 in -1..1.
        gain: as `speech_gain` gives it.
        position: index of the first sample in its utterance, so that pieces get the noise the whole would.
    """
    noise = _room_noise()
    start = position % len(noise)
    floor = np.resize(np.roll(noise, -start) if start else noise, len(samples))
    return np.clip(samples * gain + floor, -32768, 32767).astype(np.int16)


@lru_cache(maxsize=1)
def _room_noise() -> Audio:
    """A seamless loop of pink noise, the same in every process."""
    count = _LOOP_S * SAMPLE_RATE
    spectrum = np.fft.rfft(np.random.default_rng(0).standard_normal(count))
    frequency = np.maximum(np.arange(len(spectrum)), 20 * _LOOP_S)
    pink = np.fft.irfft(spectrum / np.sqrt(frequency), count)
    return (pink * (ROOM_LEVEL / pink.std())).astype(np.float32)
