"""The power in bands of frequency, every hop: 16 bands as wide as the ear's, and that of vowels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from comps.animation.coach.sound.levels import HOP, RATE, Samples, Values

BANDS = 16
_LOWEST_HZ, _HIGHEST_HZ = 150.0, 7000.0
_VOWEL_HZ = (300.0, 3000.0)
_WINDOW, _TRANSFORM = 400, 512
_BLOCK = 1000


@dataclass(frozen=True, slots=True, eq=False)
class BandPowers:
    """Powers, in no particular unit: `bands` float32 `[n, 16]` and `vowels` float32 `[n]` (300 to 3000 Hz)."""

    bands: NDArray[np.float32]
    vowels: NDArray[np.float32]


def band_powers(samples: Samples) -> BandPowers:
    """Of mono float32 at 16 kHz, in windows of 25 ms centred on every hop."""
    count = len(samples) // HOP
    padded = np.pad(samples, ((_WINDOW - HOP) // 2, _WINDOW))
    blocks = [_block(padded, first, min(first + _BLOCK, count)) for first in range(0, count, _BLOCK)]
    together = np.concatenate(blocks) if blocks else np.zeros((0, BANDS + 1), np.float32)
    return BandPowers(together[:, :BANDS], together[:, BANDS])


def _block(padded: Samples, first: int, stop: int) -> NDArray[np.float32]:
    places = np.arange(first, stop)[:, None] * HOP + np.arange(_WINDOW)
    spectrum = np.fft.rfft(padded[places] * _window(), _TRANSFORM, axis=1)
    powers: NDArray[np.float32] = (spectrum.real**2 + spectrum.imag**2).astype(np.float32) @ _filters()
    return powers


@lru_cache(maxsize=1)
def _window() -> NDArray[np.float32]:
    return np.hanning(_WINDOW).astype(np.float32)


@lru_cache(maxsize=1)
def _filters() -> NDArray[np.float32]:
    """Which line of the spectrum belongs to which band, float32 `[257, 17]`."""
    edges = _hertz(np.linspace(_mel(_LOWEST_HZ), _mel(_HIGHEST_HZ), BANDS + 1))
    at = np.fft.rfftfreq(_TRANSFORM, 1 / RATE)[:, None]
    bands = (at >= edges[:-1]) & (at < edges[1:])
    vowels = (at >= _VOWEL_HZ[0]) & (at <= _VOWEL_HZ[1])
    return np.concatenate([bands, vowels], axis=1).astype(np.float32)


def _mel(hertz: float) -> float:
    return float(2595 * np.log10(1 + hertz / 700))


def _hertz(mel: Values) -> Values:
    result: Values = 700 * (10 ** (mel / 2595) - 1)
    return result
