"""How many syllables are said, told from the sound alone.

A syllable is a peak of the energy between 300 and 3000 Hz that rises out of its surroundings and is voiced (after N. H. de
Jong and T. Wempe, "Praat script to detect syllable nuclei and measure speech rate automatically", Behavior Research
Methods 41, 2009). What is counted against the vowels of known speech: `benchmarks/coach_sounds.py`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from comps.animation.coach.sound.levels import Mask, Values

_SMOOTHING_HOPS = 3
_PROMINENCE_DB = 1.5
_BELOW_LOUDEST_DB, _LOUDEST_PERCENT = 22.0, 98
_ABOVE_FLOOR_DB, _FLOOR_PERCENT = 4.0, 10
_TINIEST = 1e-7
_NEAR = 2
"""Hops around a peak in one of which there is a voice."""


def count_syllables(vowels: NDArray[np.float32], voiced: Mask) -> int:
    """Syllables in the power of the band of vowels `[n]`, where `voiced` tells of every hop whether there is a voice."""
    if not len(vowels):
        return 0
    energy = _smooth(vowels)
    floor, loudest = np.percentile(energy, (_FLOOR_PERCENT, _LOUDEST_PERCENT))
    least = max(floor + _ABOVE_FLOOR_DB, loudest - _BELOW_LOUDEST_DB)
    return sum(bool(energy[at] > least and voiced[max(0, at - _NEAR) : at + _NEAR + 1].any()) for at in _peaks(energy))


def _smooth(power: NDArray[np.float32]) -> Values:
    kernel = np.hanning(2 * _SMOOTHING_HOPS + 1)
    padded = np.pad(power.astype(np.float64), _SMOOTHING_HOPS)
    smooth: Values = np.convolve(padded, kernel / kernel.sum(), "valid")
    return 10 * np.log10(smooth + _TINIEST)


def _peaks(level: Values) -> list[int]:
    """Places of the peaks that rise by the prominence out of the valley before and the one behind."""
    found, valley, peak, at = list[int](), level[0], level[0], 0
    for here, value in enumerate(level.tolist()):
        if value < peak - _PROMINENCE_DB and peak > valley + _PROMINENCE_DB:
            found.append(at)
            valley = peak = value
        elif value < valley:
            valley = peak = value
        if value > peak:
            peak, at = value, here
    return found
