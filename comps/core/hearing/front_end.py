"""What the acoustic model sees of sound: the power in 30 mel bands, 100 times a second, relative to the recent peak."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Audio = NDArray[np.float32]
Plane = NDArray[np.float32]

SAMPLE_RATE = 16_000
HOP = 160
"""Samples per frame; frame k is centred on the middle of samples 160 k to 160 k + 159."""
FRAME_S = HOP / SAMPLE_RATE
BANDS = 30
WINDOW = 400
MARGIN = (WINDOW - HOP) // 2
"""Samples that a frame's window reaches beyond its own on either side."""

_TRANSFORM = 512
_LOWEST_HZ, _HIGHEST_HZ = 80.0, 7600.0
_RANGE_DB = 70.0
"""What lies further under the peak is not told from silence."""
_FALL_S = 6.0
"""Time constant with which the memory of the loudest moment fades."""
_FALL_DB = 20 * np.log10(np.e) / _FALL_S * FRAME_S
"""By how many dB it does from frame to frame."""
_USUAL_PEAK_DB = -22.0
"""Loud speech, full scale 0, assumed until louder is heard."""
_RISE_DB_S, _QUIET_DB = 10.0, 20.0
"""How fast the background is taken to become louder, and how far under the peak it is at least."""


class FrontEnd:
    """Features of one stream. The same frames always, if whole blocks of one length are given."""

    def __init__(self) -> None:
        self._peak = _USUAL_PEAK_DB
        self._floor = 0.0

    def frames(self, samples: Audio) -> tuple[Plane, Plane]:
        """Features float32 `[n, 30]` in about -1..0 (peak), and by how many dB each frame is above the background `[n]`.

        `samples` are `[160 n + 240]`, `MARGIN` more on either side. What is louder than `_QUIET_DB` under the peak is no background.
        """
        windows = samples.take(_places((len(samples) - 2 * MARGIN) // HOP))
        spectrum = np.fft.rfft(windows * _window(), _TRANSFORM, axis=1)
        power = spectrum.real**2 + spectrum.imag**2
        decibels = 10 * np.log10(power @ _filters() + np.float32(1e-10))
        level = decibels[:, -1]
        peaks = self._peaks(level)
        features: Plane = (np.maximum(decibels[:, :-1] - peaks[:, None], -_RANGE_DB) / _RANGE_DB).astype(np.float32)
        above: Plane = level - np.minimum(self._floors(level), peaks - _QUIET_DB)
        return features, above

    def _peaks(self, level: Plane) -> Plane:
        """The recent peak `[n]` in dB, which falls linearly until a louder frame comes."""
        fallen = _FALL_DB * _count(len(level))
        rising = np.maximum.accumulate(np.maximum(level + fallen, self._peak))
        peaks: Plane = rising - fallen
        if len(peaks):
            self._peak = float(peaks[-1])
        return peaks

    def _floors(self, level: Plane) -> Plane:
        """The background `[n]` in dB: the quietest frame of late, rising slowly until a quieter one comes."""
        risen = _RISE_DB_S * FRAME_S * _count(len(level))
        floors: Plane = np.minimum.accumulate(np.minimum(level - risen, self._floor)) + risen
        if len(floors):
            self._floor = float(floors[-1])
        return floors


@lru_cache(maxsize=16)
def _count(frames: int) -> NDArray[np.intp]:
    """1 to `frames`."""
    return np.arange(1, frames + 1)


@lru_cache(maxsize=16)
def _places(count: int) -> NDArray[np.intp]:
    """The samples of every window, `[count, 400]`."""
    return np.arange(count)[:, None] * HOP + np.arange(WINDOW)


@lru_cache(maxsize=1)
def _window() -> Plane:
    # Scaled so that the summed power is the mean square of the samples.
    window = np.hanning(WINDOW)
    scaled: Plane = (window / np.sqrt((window**2).sum() * _TRANSFORM / 2)).astype(np.float32)
    return scaled


@lru_cache(maxsize=1)
def _filters() -> Plane:
    """Triangles `[257, 31]` on the mel scale, which rise by 6 dB per octave from 500 Hz, as speech falls; the last is all power."""
    edges = _hertz(np.linspace(_mel(_LOWEST_HZ), _mel(_HIGHEST_HZ), BANDS + 2))
    at = np.fft.rfftfreq(_TRANSFORM, 1 / SAMPLE_RATE)[:, None]
    rising = (at - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - at) / (edges[2:] - edges[1:-1])
    triangles = np.clip(np.minimum(rising, falling), 0, None)
    bands = triangles * np.maximum(1.0, edges[1:-1] / 500.0) ** 2
    everything = (at >= _LOWEST_HZ) & (at <= _HIGHEST_HZ)
    return np.concatenate([bands, everything], axis=1).astype(np.float32)


def _mel(hertz: float) -> float:
    return float(2595 * np.log10(1 + hertz / 700))


def _hertz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    return 700 * (10 ** (mel / 2595) - 1)
