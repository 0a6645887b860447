"""Makes speech as loud as wanted without cutting off its peaks."""

from __future__ import annotations

import numpy as np

from comps.animation.coach.sound.activity import Activity
from comps.animation.coach.sound.levels import HOP, RATE, Mask, Samples, Values, decibels

TARGET_DBFS = -17.8
"""Of the active speech: what the rule asks, and a little for rounding."""
PEAK_DBFS = -1.0
_BLOCK = RATE // 1000
_REACH = 10
"""Blocks of 1 ms before and after a peak over which the gain falls and recovers."""
_PASSES = 5
_NEAR_DB = 0.05


def limited(samples: Samples, peak_dbfs: float = PEAK_DBFS) -> Samples:
    """`samples` with a gain that falls smoothly before every peak above the limit and recovers behind it.

    Nothing is bent or cut, nothing passes the limit, and what is below it by 20 ms stays as it is.
    """
    limit = 10 ** (peak_dbfs / 20)
    count = -(-len(samples) // _BLOCK)
    blocks = np.abs(np.pad(samples, (0, count * _BLOCK - len(samples)))).reshape(count, _BLOCK)
    wanted = np.minimum(1.0, limit / np.maximum(blocks.max(axis=1, initial=0.0), 1e-9))
    if not count or wanted.min() >= 1.0:
        return samples
    lowest = _sliding(wanted, _REACH + 1).min(axis=1)
    smooth = _sliding(lowest, _REACH).mean(axis=1)
    centres = np.arange(count) * _BLOCK + (_BLOCK - 1) / 2
    gain = np.interp(np.arange(len(samples)), centres, smooth)
    made: Samples = (samples * gain).astype(np.float32)
    return made


def loudened(samples: Samples, activity: Activity) -> tuple[Samples, float]:
    """Mono float32 `[n]` at 16 kHz with its speech at `TARGET_DBFS`, and the gain in dB.

    The gain may be below zero. Speech in which nothing is active stays as it is.
    """
    mask = activity.mask
    if not mask.any():
        return samples, 0.0
    gain, made = 0.0, samples
    target = TARGET_DBFS + _level(samples, mask) - activity.level
    for _ in range(_PASSES):
        missing = target - _level(made, mask)
        if abs(missing) < _NEAR_DB:
            break
        gain += missing
        made = limited((samples * 10 ** (gain / 20)).astype(np.float32))
    return made, gain


def _level(samples: Samples, mask: Mask) -> float:
    power = np.square(samples[: len(mask) * HOP], dtype=np.float64).reshape(-1, HOP).mean(1)
    return float(decibels(np.array([power[mask].mean()]))[0])


def _sliding(values: Values, reach: int) -> Values:
    """For every value those within `reach` of it, `[n, 2 reach + 1]`; the ends go on."""
    padded = np.pad(values, reach, mode="edge")
    return np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1)
