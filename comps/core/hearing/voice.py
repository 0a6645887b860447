"""The voice, 50 times a second: its pitch, how periodic it is, how loud and how bright.

Pitch is the lag at which the autocorrelation of a window, divided by that of the window function, is highest (Boersma 1993).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Audio = NDArray[np.float32]
Values = NDArray[np.float32]

SAMPLE_RATE = 16_000
HOP = 320
HOP_S = HOP / SAMPLE_RATE
WINDOW = 640
MARGIN = (WINDOW - HOP) // 2
"""Samples that the window of a frame reaches beyond its own on either side."""
_TRANSFORM = 1024
_LOWEST_HZ, _HIGHEST_HZ = 65, 450
_SHORTEST, _LONGEST = SAMPLE_RATE // _HIGHEST_HZ, SAMPLE_RATE // _LOWEST_HZ
"""Lags of these."""
_NEIGHBOURS = np.array([[-1], [0], [1]])
_BRIGHT_HZ = 1000.0
_OCTAVE_COST = 0.02
"""By how much a pitch an octave lower must fit better."""
_FLOOR = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class VoiceFrames:
    """Values `[n]`: `pitch` in semitones above 100 Hz, `periodic` 0..1, `level` and `bright` (above over below 1 kHz) in dB."""

    pitch: Values
    periodic: Values
    level: Values
    bright: Values

    def then(self, later: VoiceFrames, keep: int) -> VoiceFrames:
        """The last `keep` of these frames and those that follow."""
        mine = (self.pitch, self.periodic, self.level, self.bright)
        theirs = (later.pitch, later.periodic, later.level, later.bright)
        return VoiceFrames(*(np.concatenate([a, b])[-keep:] for a, b in zip(mine, theirs, strict=True)))

    def until(self, back: int, count: int) -> VoiceFrames:
        """The `count` frames before the last `back` ones."""
        stop = len(self.pitch) - back
        part = slice(max(0, stop - count), stop)
        return VoiceFrames(self.pitch[part], self.periodic[part], self.level[part], self.bright[part])


NO_FRAMES = VoiceFrames(*np.zeros((4, 0), np.float32))


def voice_frames(samples: Audio) -> VoiceFrames:
    """The frames in mono float32 `[320 n + 320]` at 16 kHz, `MARGIN` samples more on either side."""
    count = (len(samples) - 2 * MARGIN) // HOP
    windows = samples.take(_places(count))
    spectrum = np.fft.rfft(windows * _window(), _TRANSFORM, axis=1)
    power = spectrum.real**2 + spectrum.imag**2
    split = round(_BRIGHT_HZ / SAMPLE_RATE * _TRANSFORM)
    low, high = power[:, 4:split].sum(1) + _FLOOR, power[:, split:].sum(1) + _FLOOR
    pitch, periodic = _pitch(np.fft.irfft(power, axis=1).astype(np.float32))
    scale = _TRANSFORM * _window_energy() / 2
    return VoiceFrames(pitch, periodic, _decibels((low + high) / scale), _decibels(high / low))


def _pitch(correlation: Values) -> tuple[Values, Values]:
    lags = _lags()
    energy = np.maximum(correlation[:, :1], _FLOOR)
    fit = correlation[:, _SHORTEST : _LONGEST + 1] * _boost() / energy
    best = (fit - _cost()).argmax(1)
    places = np.minimum(np.maximum(best + _NEIGHBOURS, 0), len(lags) - 1)
    before, here, after = fit[np.arange(len(fit)), places]
    bend = np.minimum(before - 2 * here + after, -1e-6)
    exact = lags[best] + np.minimum(np.maximum((before - after) / (2 * bend), -0.5), 0.5)
    pitch = 12 * np.log2(SAMPLE_RATE / exact / 100.0)
    return pitch.astype(np.float32), np.minimum(np.maximum(here, 0), 1).astype(np.float32)


def _decibels(power: Values) -> Values:
    result: Values = 10 * np.log10(power)
    return result


@lru_cache(maxsize=16)
def _places(count: int) -> NDArray[np.intp]:
    return np.arange(count)[:, None] * HOP + np.arange(WINDOW)


@lru_cache(maxsize=1)
def _lags() -> NDArray[np.intp]:
    return np.arange(_SHORTEST, _LONGEST + 1)


@lru_cache(maxsize=1)
def _window() -> Values:
    return np.hanning(WINDOW).astype(np.float32)


@lru_cache(maxsize=1)
def _window_energy() -> float:
    return float((_window() ** 2).sum())


@lru_cache(maxsize=1)
def _boost() -> Values:
    """What the window takes from the correlation at each lag, given back."""
    correlation = np.fft.irfft(np.abs(np.fft.rfft(np.hanning(WINDOW), _TRANSFORM)) ** 2)
    boost: Values = (correlation[0] / correlation[_lags()]).astype(np.float32)
    return boost


@lru_cache(maxsize=1)
def _cost() -> Values:
    cost: Values = (_OCTAVE_COST * np.log2(_lags() / _lags()[0])).astype(np.float32)
    return cost
