"""Makes a recording sound like the speech the acoustic model was trained on: its level, and a quiet room."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from comps.asr.engine import SAMPLE_RATE, Audio

Pcm16 = NDArray[np.int16]

SPEECH_LEVEL = 1000.0
"""Root mean square of the louder half of an utterance, in int16 steps."""
ROOM_LEVEL = 45.0
"""Root mean square of the pink noise that is added, in int16 steps: 27 dB below speech.

Digital silence and very clean recordings are far from what the model was trained on; without this
floor it makes about half as many errors again on them. Recordings with noise of their own get none.
"""
_LOOP_S = 4
_LARGEST_GAIN = 1000.0
_QUIET_PERCENT = 10
_BLOCK = SAMPLE_RATE // 50


def speech_gain(samples: Audio) -> float:
    """What brings the louder half of `samples` (mono, -1..1) to `SPEECH_LEVEL`, at most 1000 times int16."""
    levels = _levels(samples)
    if not len(levels):
        return 0.0
    loud = float(np.sqrt(np.mean(np.square(levels[levels >= np.median(levels)])))) * 32768
    return min(_LARGEST_GAIN, SPEECH_LEVEL / loud) * 32768 if loud > 0 else 0.0


def room_share(samples: Audio, gain: float) -> float:
    """How much of the room's noise `samples` lack, 0..1: a recording with noise of its own gets none."""
    levels = _levels(samples)
    own = float(np.percentile(levels, _QUIET_PERCENT)) * gain if len(levels) else 0.0
    return math.sqrt(max(0.0, 1.0 - (own / ROOM_LEVEL) ** 2))


def condition(samples: Audio, gain: float, share: float = 1.0, position: int = 0) -> Pcm16:
    """`samples` times `gain` with room noise, as int16 `[n]`.

    Args:
        samples: mono float32 in -1..1.
        gain: as `speech_gain` gives it.
        share: as `room_share` gives it.
        position: index of the first sample in its utterance, so that pieces get the noise the whole would.
    """
    noise = _room_noise()
    floor = noise[(np.arange(len(samples)) + position) % len(noise)]
    conditioned: Pcm16 = np.clip(samples * gain + share * floor, -32768, 32767).astype(np.int16)
    return conditioned


def _levels(samples: Audio) -> Audio:
    blocks = samples[: len(samples) // _BLOCK * _BLOCK].reshape(-1, _BLOCK)
    levels: Audio = np.sqrt(np.mean(np.square(blocks), axis=1))
    return levels


@lru_cache(maxsize=1)
def _room_noise() -> Audio:
    """A seamless loop of pink noise, the same in every process."""
    count = _LOOP_S * SAMPLE_RATE
    spectrum = np.fft.rfft(np.random.default_rng(0).standard_normal(count))
    frequency = np.maximum(np.arange(len(spectrum)), 20 * _LOOP_S)
    pink = np.fft.irfft(spectrum / np.sqrt(frequency), count)
    noise: Audio = (pink * (ROOM_LEVEL / pink.std())).astype(np.float32)
    return noise
