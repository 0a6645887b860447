"""Measures of how somebody speaks, as departures from how they usually do."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from comps.core.hearing.voice import HOP_S, VoiceFrames

Values = NDArray[np.float64]

MEASURES: tuple[str, ...] = ("pitch", "range", "level", "contrast", "rate", "bright", "shaky")
"""Mean pitch, its spread, loudness, its spread, syllables per second, brightness, unsteadiness of pitch from frame to frame."""
USUAL = {"pitch": 0.0, "range": 2.0, "level": -22.0, "contrast": 6.5, "rate": 3.4, "bright": -12.0, "shaky": 0.4}
"""Of a calm speaker: semitones (pitch above the speaker's own mean), octaves of semitones, dB full scale, dB, per second, dB,
semitones."""
SPREAD = {"pitch": 2.5, "range": 0.5, "level": 5.0, "contrast": 1.5, "rate": 1.0, "bright": 4.0, "shaky": 0.2}
"""By how much people differ from that, or moods from each other."""
_PERIODIC, _BELOW_PEAK_DB = 0.55, 30.0
_SILENT_DB = -60.0
_LEAST_S = 0.4
"""Voice that is needed to judge it."""
_KNOWN_S, _MEMORY_S = 4.0, 20.0
"""Speech after which a speaker's own mean counts as much as the usual one, and for how long it is remembered."""
_PITCHES, _APART = (2.5, 12.5), 5.0
"""Semitones above 100 Hz of calm men and calm women (116 and 206 Hz), and half of what lies between them."""
_OF_FRAMES = ("pitch", "level", "bright")
"""Measures that are means over the frames of the voice; the others are of windows."""


class Speaker:
    """What is known of the speaker of one stream."""

    def __init__(self) -> None:
        self._means = {name: _Mean() for name in MEASURES}
        self._peak = -200.0

    def hear(self, frames: VoiceFrames) -> None:
        """Get to know the voice by consecutive frames."""
        self._peak = max(float(frames.level.max()), self._peak - len(frames.level) * HOP_S)
        voiced = self._voiced(frames)
        seconds = float(voiced.sum()) * HOP_S
        if seconds:
            for name in _OF_FRAMES:
                self._means[name].add(float(getattr(frames, name)[voiced].mean()), seconds)

    def departures(self, frames: VoiceFrames, seconds: float) -> Values:
        """The measures of `frames` `[7]`, in units of their spread; zeros where there is too little voice.

        Other calls are `seconds` away: what is measured also tells how the speaker usually speaks.
        """
        voiced = self._voiced(frames)
        share = float(voiced.sum()) * HOP_S
        if share < _LEAST_S:
            return np.zeros(len(MEASURES))
        measured = measure(frames, voiced)
        departures = np.array([(measured[name] - self._usual(name)) / SPREAD[name] for name in MEASURES])
        for name in MEASURES:
            if name not in _OF_FRAMES:
                self._means[name].add(measured[name], seconds * share / (len(frames.level) * HOP_S))
        return departures

    def _usual(self, name: str) -> float:
        """What is usual: people's, and the speaker's own the longer they are heard."""
        mean = self._means[name]
        known = mean.seconds / (mean.seconds + _KNOWN_S)
        people = USUAL[name] if name != "pitch" else usual_pitch(mean.value)
        return people + known * (mean.value - people)

    def _voiced(self, frames: VoiceFrames) -> NDArray[np.bool_]:
        audible = (frames.level > self._peak - _BELOW_PEAK_DB) & (frames.level > _SILENT_DB)
        return np.asarray(audible & (frames.periodic > _PERIODIC))


class _Mean:
    """A running mean that forgets."""

    def __init__(self) -> None:
        self.value = self.seconds = 0.0

    def add(self, value: float, seconds: float) -> None:
        self.seconds = self.seconds * float(np.exp(-seconds / _MEMORY_S)) + seconds
        self.value += (value - self.value) * seconds / self.seconds


def usual_pitch(own: float) -> float:
    """The pitch that somebody who speaks at `own` is expected at, in semitones above 100 Hz.

    That of the nearer of men and women; half-way between them nothing is expected.
    """
    departure = own - min(_PITCHES, key=lambda pitch: abs(pitch - own))
    doubt = min(1.0, abs(departure) / _APART) ** 4
    return own - departure * (1 - doubt)


def measure(frames: VoiceFrames, voiced: NDArray[np.bool_]) -> dict[str, float]:
    """The measures of a stretch of speech of which the frames `voiced` are voice."""
    pitch, level = frames.pitch[voiced].astype(np.float64), frames.level[voiced].astype(np.float64)
    pitch.sort()
    low, middle, high = pitch[[len(pitch) // 10, len(pitch) // 2, len(pitch) * 9 // 10]]
    runs = voiced[2:] & voiced[1:-1] & voiced[:-2]
    steps = np.sort(np.abs(np.diff(frames.pitch, 2)[runs]))
    return {
        "pitch": float(middle),
        # As of a normal distribution: errors by an octave do not count. Half as wide is as far as twice as wide.
        "range": float(np.log2(max(high - low, 0.5) / 2.56)),
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
