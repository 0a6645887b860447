"""The mel spectrogram Wav2Lip was trained on: 80 bands, 80 columns a second, of audio at 16 kHz.

Pre-emphasis, a centred STFT padded by reflection, Slaney-normalised bands, decibels scaled to -4..4. All in float64,
as differences between two nearly equal samples lose most of a float32.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

RATE = 16_000
"""Hz of the audio."""
FFT, HOP = 800, 200
"""Samples in one transform and between two columns."""
HALF = FFT // 2
BANDS = 80
COLUMNS_PER_S = RATE // HOP
LOW_HZ, HIGH_HZ = 55.0, 7600.0
SILENCE = -4.0
"""What every band of digital silence is."""

_PREEMPHASIS = 0.97
_FLOOR, _REFERENCE_DB, _RANGE_DB, _LIMIT = 1e-5, 20.0, 100.0, 4.0

Audio = NDArray[np.float32] | NDArray[np.float64]
Mel = NDArray[np.float32]


def mel_spectrogram(audio: Audio) -> Mel:
    """The mel of mono audio `[n]` in -1..1: float32 `[80, 1 + n // 200]` in -4..4.

    Audio shorter than 25 ms, which cannot be reflected, is continued with silence first, but has no more columns.

    Raises:
        ValueError: a sample is not finite.
    """
    stream = MelStream()
    return np.concatenate([stream.feed(audio), stream.finish()], axis=1)


class MelStream:
    """The same mel of audio that comes in pieces; however it is cut, the columns are the same.

    A column needs 25 ms of audio beyond its middle.
    """

    def __init__(self) -> None:
        self._previous = 0.0
        self._samples = 0
        self._columns = 0
        # Pre-emphasised audio not needed yet or needed again; once something is drawn, from 25 ms before the next column.
        self._held = np.zeros(0)

    @property
    def columns(self) -> int:
        """Columns given so far."""
        return self._columns

    def feed(self, audio: Audio) -> Mel:
        """The columns that the next samples complete, `[80, n]`; raises ValueError when one is not finite."""
        self._take(audio)
        if not self._columns:
            if len(self._held) <= HALF:
                return _none()
            self._held = np.concatenate([self._held[HALF:0:-1], self._held])
        return self._draw(max(0, (len(self._held) - FFT) // HOP + 1))

    def finish(self) -> Mel:
        """The columns up to the end, `[80, n]`, for which the audio is reflected there."""
        missing = 1 + self._samples // HOP - self._columns
        if not self._columns:
            lacking = max(0, HALF + 1 - len(self._held))
            # Silence after sound is not all zeros once pre-emphasised: its first sample still knows the one before.
            silence = np.zeros(lacking)
            silence[:1] = -_PREEMPHASIS * self._previous
            self._held = np.concatenate([self._held, silence])
            self._held = np.concatenate([self._held[HALF:0:-1], self._held])
        end = self._held[-2 : -HALF - 2 : -1]
        self._held = np.concatenate([self._held, end])
        return self._draw(missing)

    def _take(self, audio: Audio) -> None:
        x = np.asarray(audio, np.float64)
        if not np.isfinite(x).all():
            raise ValueError("the audio holds samples that are not finite numbers")
        if len(x):
            before = np.concatenate([[self._previous], x[:-1]])
            self._held = np.concatenate([self._held, x - _PREEMPHASIS * before])
            self._previous = float(x[-1])
            self._samples += len(x)

    def _draw(self, count: int) -> Mel:
        if count <= 0:
            return _none()
        frames = np.lib.stride_tricks.sliding_window_view(self._held, FFT)[: count * HOP : HOP]
        mel = _normalised(np.abs(np.fft.rfft(frames * _window(), axis=1)) @ filter_bank().T)
        self._held = self._held[count * HOP :].copy()
        self._columns += count
        return np.ascontiguousarray(mel.T, np.float32)


def _none() -> Mel:
    return np.zeros((BANDS, 0), np.float32)


def _normalised(magnitudes: NDArray[np.float64]) -> NDArray[np.float64]:
    level = 20.0 * np.log10(np.maximum(_FLOOR, magnitudes)) - _REFERENCE_DB
    return np.clip(2 * _LIMIT * (level + _RANGE_DB) / _RANGE_DB - _LIMIT, -_LIMIT, _LIMIT)


@cache
def _window() -> NDArray[np.float64]:
    """A periodic Hann window."""
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FFT) / FFT)


@cache
def filter_bank() -> NDArray[np.float64]:
    """Triangles of equal area over the Slaney mel scale, `[80, 401]`."""
    edges = _hz(np.linspace(_mel(LOW_HZ), _mel(HIGH_HZ), BANDS + 2))
    bins = np.arange(HALF + 1) * (RATE / FFT)
    rising = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    area = 2.0 / (edges[2:] - edges[:-2])
    bank: NDArray[np.float64] = np.maximum(0, np.minimum(rising, falling)) * area[:, None]
    return bank


# Slaney's scale: linear below 1 kHz, 3 mels per 200 Hz; above it 27 mels for a factor of 6.4.
_LINEAR_HZ = 200.0 / 3
_BREAK_HZ = 1000.0
_BREAK_MEL = _BREAK_HZ / _LINEAR_HZ
_LOG_STEP = np.log(6.4) / 27


def _mel(hz: float) -> float:
    return hz / _LINEAR_HZ if hz < _BREAK_HZ else _BREAK_MEL + float(np.log(hz / _BREAK_HZ)) / _LOG_STEP


def _hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    high = _BREAK_HZ * np.exp(_LOG_STEP * (np.maximum(mel, _BREAK_MEL) - _BREAK_MEL))
    return np.where(mel < _BREAK_MEL, mel * _LINEAR_HZ, high)
