"""Where in a recording somebody speaks, also in noise as loud as the speech."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from comps.animation.coach.sound.bands import BandPowers
from comps.animation.coach.sound.levels import (
    HOP,
    HOP_S,
    SILENT_DB,
    Mask,
    Samples,
    Values,
    decibels,
    noise_floor,
    powers,
)
from comps.core.language.speech_gate import runs

_WINDOW_S = 0.03
_LONGEST_GAP_S = 0.2 - _WINDOW_S
"""A gap of up to 0.2 s between two sounds, which windows make shorter, is part of the speech, as in ITU-T P.56."""
_QUIET_PERCENT, _LOUD_PERCENT = 10, 95
_ABOVE_FLOOR_DB, _BELOW_LOUD_DB = 4.0, 30.0
_SHORTEST_SOUND_S = 0.05
_LEAST_NOISE_S, _MOST_ABOVE_FLOOR = 0.3, 2.0
_NOISY_DB = 22.0
"""Loud and quiet moments that are less apart are not told apart by their level alone."""
_SMOOTHING_HOPS = 7
_MOST_EXCESS_DB = 15.0
_LEAST_EXCESS_DB = 1.0
"""By how much, on average over the bands, speech is further above the floors of its bands than the background is."""


@dataclass(frozen=True, slots=True, eq=False)
class Activity:
    """Where somebody speaks.

    Args:
        mask: for every `HOP_S`, whether it is part of speech, bool `[n]`.
        level: mean level while it is, dBFS, the noise in it left out; `SILENT_DB` when it never is.
        floor: see `noise_floor`.
        noise: mean level while nobody speaks, dBFS, where that is told from speech dying away; else the floor.
    """

    mask: Mask
    level: float
    floor: float
    noise: float

    @property
    def seconds(self) -> float:
        """Time with speech."""
        return float(self.mask.sum()) * HOP_S

    def pauses(self) -> list[tuple[int, int]]:
        """First hop, and hop after the last, of every pause between two stretches of speech."""
        found = runs(self.mask)
        return [(first, stop) for first, stop, speech in found[1:-1] if not speech]


def find_activity(samples: Samples, bands: BandPowers) -> Activity:
    """Where somebody speaks in mono float32 `[n]` at 16 kHz without an offset, and how loud it and the rest are.

    A steady sound is background, however loud.
    """
    level = decibels(powers(samples, _WINDOW_S))
    if not len(level):
        return Activity(np.zeros(0, np.bool_), SILENT_DB, SILENT_DB, SILENT_DB)
    quiet, loud = np.percentile(level, (_QUIET_PERCENT, _LOUD_PERCENT))
    sounds = np.asarray(level > max(quiet + _ABOVE_FLOOR_DB, loud - _BELOW_LOUD_DB))
    if loud - quiet < _NOISY_DB:
        sounds |= _rises(bands)
    return _measured(samples, _closed(_opened(sounds)))


def _measured(samples: Samples, mask: Mask) -> Activity:
    power: Values = np.square(samples[: len(mask) * HOP], dtype=np.float64).reshape(-1, HOP).mean(1)
    floor = noise_floor(samples)
    noise = 10 ** (floor / 10)
    if (~mask).sum() * HOP_S >= _LEAST_NOISE_S:
        noise = min(float(power[~mask].mean()), noise * _MOST_ABOVE_FLOOR)
    own = float(power[mask].mean()) - noise if mask.any() else 0.0
    level, background = decibels(np.array([own, noise])).tolist()
    return Activity(mask, level, floor, background)


def _rises(bands: BandPowers) -> Mask:
    """Where the bands rise above what they are at rest."""
    kernel = np.full(_SMOOTHING_HOPS, 1 / _SMOOTHING_HOPS)
    count = len(bands.bands)
    smooth = np.stack([np.convolve(band, kernel, "same")[:count] for band in bands.bands.T], axis=1)
    level = decibels(smooth)
    excess = np.clip(level - np.percentile(level, _QUIET_PERCENT, axis=0), 0, _MOST_EXCESS_DB).mean(1)
    return np.asarray(excess > np.percentile(excess, _QUIET_PERCENT) + _LEAST_EXCESS_DB)


def _opened(mask: Mask) -> Mask:
    """Without sounds that are too short to be speech."""
    kept = mask.copy()
    for first, stop, sound in runs(mask):
        if sound and (stop - first) * HOP_S < _SHORTEST_SOUND_S - 1e-9:
            kept[first:stop] = False
    return kept


def _closed(mask: Mask) -> Mask:
    """With the short gaps between sounds filled."""
    kept = mask.copy()
    for first, stop, sound in runs(mask)[1:-1]:
        if not sound and (stop - first) * HOP_S < _LONGEST_GAP_S + 1e-9:
            kept[first:stop] = True
    return kept
