"""Steady tones, such as beeps: their tops lie at one level and are round by nature."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_BLOCK = 256
"""Samples that are judged together: 5 ms at 48 kHz, 32 ms at 8 kHz."""
_SLICE = 4096 * _BLOCK
"""Samples that are held in double precision at a time."""
_LEAST_ALIKE = 0.8
"""Squared correlation of curvature and sample from which a block is a tone: above 0.9 in beeps 35 dB above their noise."""
_LEAST_SHARE = 0.6
"""Share of the tops in such blocks: at most 0.3 in six voices with 0.3 to 8 % cut off, in MP3, AAC and Opus."""


def are_tones(channel: NDArray[np.float32], lowest: float) -> bool:
    """Whether most samples of a channel `[n]` from `lowest` on, of either sign, are tops of steady tones.

    The second difference of a sine, over any distance, is the sine itself times one number; in cut speech it is small where
    the samples are largest. The distance is the mean length of the tops, over which noise counts little.
    """
    high = (channel >= lowest) | (channel <= -lowest)
    tops = int(high[:1].sum()) + int((high[1:] > high[:-1]).sum())
    step = max(1, round(int(high.sum()) / max(tops, 1)))
    count = max(0, len(channel) - 2 * step) // _BLOCK * _BLOCK
    inside = alike = 0
    for first in range(0, count, _SLICE):
        stop = min(first + _SLICE, count)
        tall = high[step + first : step + stop].reshape(-1, _BLOCK).sum(axis=1)
        inside += int(tall.sum())
        alike += int(tall[_like_tones(channel[first : stop + 2 * step], step)].sum())
    return inside > 0 and alike >= _LEAST_SHARE * inside


def _like_tones(samples: NDArray[np.float32], step: int) -> NDArray[np.bool_]:
    """Which blocks of the samples `[step + blocks + step]` are tones; the first and last `step` are those around them."""
    count = len(samples) - 2 * step
    before, here, after = (
        samples[shift : shift + count].reshape(-1, _BLOCK).astype(np.float64) for shift in (0, step, 2 * step)
    )
    curvature = before - 2 * here + after
    energies = (here**2).sum(axis=1) * (curvature**2).sum(axis=1)
    return np.asarray((here * curvature).sum(axis=1) ** 2 >= _LEAST_ALIKE * energies)
