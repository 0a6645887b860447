"""Samples that are cut off because the recording was too loud for the converter, or for the file."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from comps.animation.coach.sound.rounded_tops import LEAST_BITS, QUIETEST, find_rounded_tops

Mask = NDArray[np.bool_]

_FULL = 0.9995
_FLAT = 1e-4
"""Of full scale: how far the samples of a cut top lie apart at most."""
_LEAST_TOUCHING = 0.5
"""Share of the samples at the very top that have a neighbour there: round tops have one sample each."""
_MOST_OF_THEM = 0.4
"""Share of the rounded tops from which the samples that are cut off exactly are taken for all of them."""


def cut_share(channel: NDArray[np.float32], bits: int) -> float:
    """Share of the samples of a channel `[n]`, as stored in `bits`, that are cut off, rounded by a codec afterwards or not."""
    exact = float(clipped(channel, bits).mean()) if len(channel) else 0.0
    rounded = find_rounded_tops(channel, bits)
    return exact if rounded is None or exact >= _MOST_OF_THEM * rounded.share else rounded.share


def clipped(channel: NDArray[np.float32], bits: int) -> Mask:
    """Which samples of a channel `[n]`, as stored in `bits`, are cut off: at full scale, or in flat tops below it.

    Flat tops are made by recordings that were cut first and turned down afterwards. A lossy codec leaves no flat tops:
    see `find_rounded_tops`.
    """
    mask = np.asarray(np.abs(channel) >= _FULL)
    if 0 < bits < LEAST_BITS or not len(channel):
        return mask
    for sign in (1.0, -1.0):
        top = float((sign * channel).max())
        if QUIETEST < top < _FULL:
            mask |= _flat_tops(np.asarray(sign * channel >= top - _FLAT))
    return mask


def _flat_tops(highest: Mask) -> Mask:
    """The highest samples if enough of them touch each other, else none."""
    touching = np.zeros_like(highest)
    pairs = highest[1:] & highest[:-1]
    touching[1:] |= pairs
    touching[:-1] |= pairs
    return highest if touching.sum() >= _LEAST_TOUCHING * highest.sum() and touching.any() else np.zeros_like(highest)
