"""Tops that were cut off and then rounded by a lossy codec: they lie around one level, not on it.

In speech the number of samples falls with their size. Where it rises again, just below the largest, tops were cut off
there; what lies above the number that the smaller samples promise is the cut share. The bounds were set on three voices with
0.3 to 8 % cut off in MP3, AAC and Opus, and tried on three others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from comps.animation.coach.sound.tones import are_tones

QUIETEST = 0.1
"""Tops below, of full scale, are those of quiet recordings, whose steps are coarse, or of noise."""
LEAST_BITS = 12
"""With fewer bits the steps make flat tops by themselves."""
_STEPS = 2000
"""Steps of size that are told apart, up to the largest sample."""
_LOWEST_LEVEL = 0.45
"""Lowest level that is tried, of the largest sample: codecs make single samples twice as large as the tops that were cut."""
_TOP = 0.08
"""How far from their level the samples of rounded tops lie, as a share of it."""
_GAP, _BELOW = 0.06, 0.16
"""Of the level: what is left out below those, and the width of each window below by which the fall is told."""
_LEAST_RISE = 0.9
"""Samples around the level over those below it, for the same width: 0.55 to 0.82 in speech that was not cut."""
_MOST_ABOVE = 0.4
"""Samples beyond the rounded tops, at most, over all that are cut."""
_LEAST_SHARE, _MOST_SHARE = 5e-4, 0.25
"""A tone that lasts all the time has more samples near its top than any speech that was cut."""
_LEAST_COUNT = 8
_STEEPEST = 0.8
"""The fall from window to window below the level is at least this steep."""


@dataclass(frozen=True, slots=True)
class RoundedTops:
    """`share` of the samples that were cut off, and the `level` around which they lie."""

    share: float
    level: float


def find_rounded_tops(channel: NDArray[np.float32], bits: int) -> RoundedTops | None:
    """The tops of a channel `[n]` that were cut off before a lossy codec, or None where none show.

    Args:
        channel: samples, -1..1.
        bits: of a stored sample; 0 where the codec stores none.
    """
    size = np.abs(channel)
    largest = float(size.max(initial=0.0))
    if largest < QUIETEST or 0 < bits < LEAST_BITS:
        return None
    counts = np.bincount((size * (_STEPS / largest)).astype(np.int64), minlength=_STEPS + 1)
    up_to = np.concatenate([[0], np.cumsum(counts)])
    levels = np.arange(_LOWEST_LEVEL, 1.0, 0.01) * _STEPS

    def between(low: float, high: float) -> NDArray[np.float64]:
        """Samples between these shares of every level."""
        first, stop = ((share * levels).astype(np.int64).clip(max=_STEPS + 1) for share in (low, high))
        return np.asarray(up_to[stop] - up_to[first], np.float64)

    edge = 1 - _TOP
    top, beyond = between(edge, 99.0), between(1 + _TOP, 99.0)
    below, further = between(edge - _GAP - _BELOW, edge - _GAP), between(edge - _GAP - 2 * _BELOW, edge - _GAP - _BELOW)
    rise = (between(edge, 1 + _TOP) / (2 * _TOP)) / (np.maximum(below, _LEAST_COUNT) / _BELOW)
    rise[top < _LEAST_SHARE * len(channel)] = 0.0
    best = int(np.argmax(rise))
    if rise[best] < _LEAST_RISE:
        return None
    # Those just below the level are there uncut: as many as the fall from window to window promises.
    fall = min(_STEEPEST, below[best] / max(further[best], 1.0))
    windows = (_TOP / 2 + _GAP + _BELOW / 2) / _BELOW
    cut = float(top[best] - below[best] * _TOP / _BELOW * fall**windows)
    if cut > _MOST_SHARE * len(channel) or beyond[best] > _MOST_ABOVE * cut:
        return None
    level = float(levels[best]) / _STEPS * largest
    if level < QUIETEST or are_tones(channel, edge * level):
        return None
    return RoundedTops(cut / len(channel), level)
