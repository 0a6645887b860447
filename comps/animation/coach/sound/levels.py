"""Levels of sound over time, in dB of full scale, of the root mean square: a full-scale sine has -3 dBFS."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
Values = NDArray[np.float64]
Mask = NDArray[np.bool_]

RATE = 16_000
"""Hz of everything in this package that is not a file's own."""
HOP_S = 0.01
HOP = round(RATE * HOP_S)
SILENT_DB = -120.0
"""What digital silence is taken for."""

_FLOOR_WINDOW_S, _FLOOR_PERCENT = 0.05, 10


def decibels(power: Values) -> Values:
    """Levels of powers, `SILENT_DB` at least."""
    result: Values = 10 * np.log10(np.maximum(power, 10 ** (SILENT_DB / 10)))
    return result


def powers(samples: Samples, window_s: float) -> Values:
    """Mean power float64 `[n // HOP]` of `samples` `[n]` in windows centred on every hop, shorter at the ends."""
    total = np.concatenate([[0.0], np.cumsum(np.square(samples, dtype=np.float64))])
    half = round(window_s * RATE / 2)
    centres = np.arange(len(samples) // HOP) * HOP + HOP // 2
    first, stop = np.maximum(centres - half, 0), np.minimum(centres + half, len(samples))
    mean: Values = (total[stop] - total[first]) / np.maximum(stop - first, 1)
    return np.maximum(mean, 0.0)


def noise_floor(samples: Samples) -> float:
    """10th percentile of the levels in windows of 50 ms, dBFS."""
    level = decibels(powers(samples, _FLOOR_WINDOW_S))
    return float(np.percentile(level, _FLOOR_PERCENT)) if len(level) else SILENT_DB
