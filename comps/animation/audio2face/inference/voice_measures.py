"""Measures of how somebody speaks, as departures from how they usually do."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from comps.core.hearing.voice import HOP_S, VoiceFrames

Values = NDArray[np.float64]

MEASURES: tuple[str, ...] = ("pitch", "range", "level", "contrast", "rate", "bright", "shaky")
"""Mean pitch, its spread, loudness, its spread, syllables per second, brightness, unsteadiness of pitch from frame to frame."""
USUAL = {"pitch": 0.0, "range": 2.6, "level": -24.0, "contrast": 6.5, "rate": 4.2, "bright": -12.0, "shaky": 0.35}
"""Of a calm speaker: semitones (pitch above the speaker's own mean), dB full scale, dB, per second, dB, semitones."""
SPREAD = {"pitch": 2.5, "range": 1.2, "level": 6.0, "contrast": 2.0, "rate": 1.0, "bright": 5.0, "shaky": 0.2}
"""By how much people differ from that, or moods from each other."""
_PERIODIC, _BELOW_PEAK_DB = 0.55, 30.0
_SILENT_DB = -60.0
_LEAST_S = 0.4
"""Voice that is needed to judge it."""
_KNOWN_S, _MEMORY_S = 4.0, 20.0
"""Speech after which a speaker's own mean counts as much as the usual one, and for how long it is remembered."""
_PITCHES = (2.5, 12.5)
"""Semitones above 100 Hz of calm men and calm women (116 and 206 Hz)."""
_OWN = ("pitch", "level", "bright")
"""Measures that depend on the throat, the microphone and the distance, and are compared with the speaker's own mean."""


class Speaker:
    """What is known of the speaker of one stream."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._sums = dict.fromkeys(_OWN, 0.0)
        self._peak = -200.0

    def hear(self, frames: VoiceFrames) -> None:
        """Get to know the speaker by consecutive frames."""
        self._peak = max(float(frames.level.max()), self._peak - len(frames.level) * HOP_S)
        voiced = self._voiced(frames)
        fade = np.exp(-len(frames.level) * HOP_S / _MEMORY_S) if voiced.any() else 1.0
        self._seconds = self._seconds * fade + float(voiced.sum()) * HOP_S
        for name in _OWN:
            heard = float(getattr(frames, name)[voiced].sum()) * HOP_S
            self._sums[name] = self._sums[name] * fade + heard

    def departures(self, frames: VoiceFrames) -> Values:
        """The measures of `frames` `[7]`, in units of their spread; zeros where there is too little voice."""
        voiced = self._voiced(frames)
        if voiced.sum() * HOP_S < _LEAST_S:
            return np.zeros(len(MEASURES))
        measured, usual = measure(frames, voiced), self._usual()
        return np.array([(measured[name] - usual[name]) / SPREAD[name] for name in MEASURES])

    def _voiced(self, frames: VoiceFrames) -> NDArray[np.bool_]:
        audible = (frames.level > self._peak - _BELOW_PEAK_DB) & (frames.level > _SILENT_DB)
        return np.asarray(audible & (frames.periodic > _PERIODIC))

    def _usual(self) -> dict[str, float]:
        """What is usual: people's, and the speaker's own the longer they are heard."""
        share = self._seconds / (self._seconds + _KNOWN_S)
        usual = dict(USUAL)
        for name in _OWN:
            own = self._sums[name] / max(self._seconds, HOP_S)
            if name == "pitch":
                usual[name] = min(_PITCHES, key=lambda pitch: abs(pitch - own))
            usual[name] += share * (own - usual[name])
        return usual


def measure(frames: VoiceFrames, voiced: NDArray[np.bool_]) -> dict[str, float]:
    """The measures of a stretch of speech of which the frames `voiced` are voice."""
    pitch, level = frames.pitch[voiced].astype(np.float64), frames.level[voiced].astype(np.float64)
    pitch.sort()
    low, middle, high = pitch[[len(pitch) // 10, len(pitch) // 2, len(pitch) * 9 // 10]]
    pairs = voiced[1:] & voiced[:-1]
    steps = np.sort(np.abs(np.diff(frames.pitch)[pairs]))
    return {
        "pitch": float(middle),
        # As of a normal distribution: errors by an octave do not count.
        "range": float(high - low) / 2.56,
        "level": float(level.mean()),
        "contrast": float(level.std()),
        "rate": syllables(frames.level) / (len(frames.level) * HOP_S),
        "bright": float(frames.bright[voiced].mean()),
        "shaky": float(steps[len(steps) // 2]) if len(steps) else USUAL["shaky"],
    }


def syllables(level: NDArray[np.float32]) -> int:
    """Peaks of loudness `[n]` (dB) that rise 3 dB out of what lies between them."""
    smooth = np.convolve(np.maximum(level, level.max() - 35), (0.25, 0.5, 0.25), mode="same")
    count, valley, peak = 0, smooth[0], smooth[0]
    for value in smooth[1:]:
        if value < peak - 3 and peak > valley + 3:
            count, valley, peak = count + 1, value, value
        elif value < valley:
            valley = peak = value
        peak = max(peak, value)
    return count
