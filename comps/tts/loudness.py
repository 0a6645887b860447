"""Loudness of speech as listeners rate it (ITU-R BS.1770, mono), and a gain that never clips."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from comps.core.speech import Pcm

TARGET_LUFS = -20.0
"""Where every voice is put; leaves about 4 dB above speech's peaks."""

_BLOCK_S, _STEP_S = 0.4, 0.1
_ABSOLUTE_GATE, _RELATIVE_GATE = -70.0, 10.0
_KNEE = 0.8


def loudness(pcm: Pcm, sample_rate: int) -> float:
    """Integrated loudness in LUFS of mono int16 `[n]`; -inf for silence."""
    weighted = _k_weighted(pcm.astype(np.float64) / 32768.0, sample_rate)
    size, step = int(_BLOCK_S * sample_rate), int(_STEP_S * sample_rate)
    if len(weighted) < size:
        weighted = np.pad(weighted, (0, size - len(weighted)))
    energy = np.concatenate(([0.0], np.cumsum(weighted**2)))
    powers = (energy[size::step] - energy[:-size:step]) / size
    loud = powers[_lufs(powers) > _ABSOLUTE_GATE]
    if not len(loud):
        return float("-inf")
    loud = loud[_lufs(loud) > _lufs(loud.mean()) - _RELATIVE_GATE]
    return float(_lufs(loud.mean()))


def _lufs(power: NDArray[np.float64] | np.float64) -> NDArray[np.float64]:
    return np.asarray(-0.691 + 10.0 * np.log10(np.maximum(power, 1e-12)))


def _k_weighted(signal: NDArray[np.float64], sample_rate: int) -> NDArray[np.float64]:
    """The signal through BS.1770's two filters, applied as their magnitudes in the frequency domain.

    Analogue prototypes: a high shelf of +4 dB at 1682 Hz (Q 0.707) and a high pass at 38 Hz (Q 0.5).
    """
    frequency = np.fft.rfftfreq(len(signal), 1.0 / sample_rate)
    s = 1j * frequency / 1681.97
    gain = 10 ** (3.99984 / 20)
    shelf = (gain * s**2 + np.sqrt(gain) / 0.70718 * s + 1) / (s**2 + s / 0.70718 + 1)
    h = 1j * frequency / 38.1355
    high_pass = h**2 / (h**2 + h / 0.50033 + 1)
    response = np.abs(shelf * high_pass)
    return np.fft.irfft(np.fft.rfft(signal) * response, len(signal))


def amplify(pcm: Pcm, gain: float) -> Pcm:
    """`pcm` times `gain`, int16; what would pass 80 % of full scale is bent below it instead of cut."""
    scaled = pcm.astype(np.float32) * (gain / 32768.0)
    over = np.abs(scaled) > _KNEE
    if over.any():
        room = 1.0 - _KNEE
        bent = _KNEE + room * np.tanh((np.abs(scaled[over]) - _KNEE) / room)
        scaled[over] = np.copysign(bent, scaled[over])
    return np.asarray(np.rint(scaled * 32767.0), dtype=np.int16)
