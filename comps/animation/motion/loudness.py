"""Loudness: how loud the speech is over time, relative to its own peaks, as it arrives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from comps.core.speech import Pcm

Audio = NDArray[np.float32]
Times = NDArray[np.float64]

HOP_S = 0.01
"""One value per this many seconds."""
BEFORE_S, AHEAD_S, SOON_S = 0.06, 0.01, 0.08
"""A level is told from this long before and after its time, and what is *soon* heard from this long after it."""
FALL_S = 6.0
"""Time constant with which the memory of the loudest moment fades."""
USUAL_PEAK = 0.12
"""Root mean square of loud speech, full scale 1, assumed until louder is heard."""
KEEP_S = 1.0
QUIET, AUDIBLE = 0.05, 0.14
"""Levels (of the recent peak) below which the mouth is shut and above which it is free."""
READY = 0.25
"""Share of its opening that the mouth takes before a sound after silence."""


@dataclass(frozen=True, slots=True, eq=False)
class Levels:
    """Root mean squares `[n]`, 1 being the recent peak: the `mean` around now, the `loudest` around now, and that of `soon`."""

    mean: Times
    loudest: Times
    soon: Times

    def opening(self) -> Times:
        """Factor `[n]` of the mouth's opening: none in silence, a little more when loud."""
        now, soon = (
            np.minimum(np.maximum((level - QUIET) / (AUDIBLE - QUIET), 0), 1) for level in (self.loudest, self.soon)
        )
        audible = np.maximum(now, READY * soon)
        result: Times = audible * (0.80 + 0.35 * np.minimum(self.mean / 0.5, 1))
        return result


class Loudness:
    """Levels of a stream; what it returns does not depend on how the stream was cut."""

    def __init__(self, sample_rate: int) -> None:
        self._hop = max(1, round(sample_rate * HOP_S))
        self._hop_s = self._hop / sample_rate
        self._fall = float(np.exp(-self._hop_s / FALL_S))
        self._rest: NDArray[np.float32] = np.zeros(0, np.float32)
        self._power: Times = np.zeros(0)
        self._peak: Times = np.zeros(0)
        self._first = 0

    def add(self, pcm: Pcm) -> None:
        """Hear more samples."""
        self.add_audio(pcm.astype(np.float32) / np.float32(32768))

    def add_audio(self, audio: Audio) -> None:
        """Hear more samples, float32 in -1..1."""
        samples = np.concatenate([self._rest, audio])
        hops = len(samples) // self._hop
        self._rest = samples[hops * self._hop :]
        power = (samples[: hops * self._hop].reshape(hops, self._hop).astype(np.float64) ** 2).mean(1)
        self._power = np.concatenate([self._power, power])
        self._peak = np.concatenate([self._peak, self._peaks(power)])

    def _peaks(self, power: Times) -> Times:
        last = float(self._peak[-1]) if len(self._peak) else USUAL_PEAK**2
        peaks = []
        for value in power.tolist():
            last = max(value, last * self._fall)
            peaks.append(last)
        return np.array(peaks, np.float64)

    def at(self, times: Times) -> Levels:
        """The levels at `times` `[n]` seconds."""
        before, ahead, soon = (round(span / self._hop_s) for span in (BEFORE_S, AHEAD_S, SOON_S))
        if not len(self._power):
            return Levels(*np.zeros((3, len(times))))
        index = np.floor(times / self._hop_s + 1e-6).astype(int)[:, None] + (np.arange(-before, soon) - self._first)
        power = self._power.take(index, mode="clip")
        power[(index < 0) | (index >= len(self._power))] = 0.0
        peak = self._peak.take(index[:, before], mode="clip")
        now = power[:, : before + ahead]
        return Levels(*np.sqrt(np.array([now.sum(1) / (before + ahead), now.max(1), power.max(1)]) / peak))

    def forget(self, before: float) -> None:
        """Drop what lies more than `KEEP_S` before the time `before`."""
        drop = min(int((before - KEEP_S) / self._hop_s) - self._first, len(self._power))
        if drop > 0:
            self._power, self._peak = self._power[drop:].copy(), self._peak[drop:].copy()
            self._first += drop
