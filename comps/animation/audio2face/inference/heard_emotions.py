"""Emotions from the voice: how it departs from a calm one, by the signs that studies of vocal expression agree on.

Seven measures of the last two seconds, each in units of its usual spread around the speaker's own mean or, where the speaker
is not known yet, that of people at large, are weighed into six logits. Directions and rough sizes of the weights:

* K. R. Scherer, "Vocal communication of emotion: a review of research paradigms", Speech Communication 40, 2003, 227-256.
* P. N. Juslin, P. Laukka, "Communication of emotions in vocal expression and music performance: different channels, same
  code?", Psychological Bulletin 129, 2003, 770-814.

It is no trained classifier: no labelled speech was at hand, and its logits are no calibrated probabilities. Happy and
angry voices share most signs and are told apart by brightness and steadiness alone.
"""

from __future__ import annotations

import numpy as np

from comps.animation.audio2face.inference.model import (
    SAMPLE_RATE,
    Array,
    Audio,
    EmotionDetector,
    EmotionStream,
    frame_count,
)
from comps.animation.audio2face.inference.voice_measures import MEASURES, Speaker
from comps.animation.audio2face.names import DETECTOR_EMOTIONS
from comps.core.hearing.voice import HOP, HOP_S, MARGIN, NO_FRAMES, voice_frames

BLOCK = 10
"""Frames of the voice that are measured together."""
WINDOW_S = 2.0
_KEEP = round(WINDOW_S / HOP_S)
_LIMIT = 2.5
"""Departures count up to here."""

_WEIGHTS: dict[str, tuple[float, dict[str, float]]] = {
    "angry": (
        -1.8,
        {"pitch": 0.3, "range": 0.3, "level": 0.9, "contrast": 0.3, "rate": 0.4, "bright": 0.8, "shaky": 0.2},
    ),
    "disgust": (-2.1, {"pitch": -0.6, "range": 0.1, "level": -0.1, "rate": -0.7, "bright": 0.3, "shaky": 0.2}),
    "fear": (
        -2.0,
        {"pitch": 0.6, "range": -0.6, "level": -0.3, "contrast": 0.2, "rate": 0.5, "bright": -0.3, "shaky": 0.2},
    ),
    "happy": (
        -1.5,
        {"pitch": 0.7, "range": 0.7, "level": 0.4, "contrast": 0.2, "rate": 0.3, "bright": 0.2, "shaky": -0.1},
    ),
    "neutral": (0.0, {}),
    "sad": (
        -1.7,
        {"pitch": -0.5, "range": -0.5, "level": -0.7, "contrast": -0.3, "rate": -0.6, "bright": -0.5, "shaky": 0.1},
    ),
}
"""Logit of a calm voice, and what each measure adds per unit."""
_BIASES = np.array([_WEIGHTS[name][0] for name in DETECTOR_EMOTIONS])
_MATRIX = np.array([[_WEIGHTS[name][1].get(measure, 0.0) for name in DETECTOR_EMOTIONS] for measure in MEASURES])


class EmbeddedEmotions(EmotionDetector):
    """Hears emotions in any language; see the module for what it can and cannot tell."""

    look_ahead_s = BLOCK * HOP_S + MARGIN / SAMPLE_RATE

    def open(self, fps: int, interval: int) -> EmbeddedEmotionStream:
        """A stream of a clip, which knows nothing of its speaker at first."""
        return EmbeddedEmotionStream(fps, interval)


class EmbeddedEmotionStream(EmotionStream):
    """The emotions of one clip."""

    def __init__(self, fps: int, interval: int) -> None:
        self._fps, self._interval = fps, interval
        self._audio: Audio = np.zeros(MARGIN, np.float32)
        self._frames = NO_FRAMES
        self._speaker = Speaker()
        self._heard = 0
        self._samples = 0
        self._told = 0
        self._last: Array = _BIASES

    def push(self, audio: Audio) -> Array:
        """See `EmotionStream`."""
        self._samples += len(audio)
        return self._listen(audio, frame_count(self._samples, self._fps))

    def finish(self) -> Array:
        """See `EmotionStream`."""
        total = frame_count(self._samples, self._fps)
        return self._listen(np.zeros(2 * BLOCK * HOP + 2 * MARGIN, np.float32), total)

    def _listen(self, audio: Audio, stop: int) -> Array:
        self._audio = np.concatenate([self._audio, audio])
        need, start = BLOCK * HOP + 2 * MARGIN, 0
        rows: list[Array] = []
        while len(self._audio) - start >= need:
            frames = voice_frames(self._audio[start : start + need])
            self._frames = self._frames.then(frames, _KEEP + BLOCK)
            self._speaker.hear(frames)
            self._heard += BLOCK
            start += BLOCK * HOP
            rows += self._rows(stop)
        self._audio = self._audio[start:].copy()
        return np.array(rows).reshape(-1, len(DETECTOR_EMOTIONS))

    def _rows(self, stop: int) -> list[Array]:
        """Logits of the frames that end within what was heard."""
        rows: list[Array] = []
        while self._told < stop and (at := int(self._told / self._fps / HOP_S + 1e-6)) <= self._heard:
            if self._told % self._interval == 0:
                recent = self._frames.until(self._heard - at, _KEEP)
                departures = np.clip(self._speaker.departures(recent, self._interval / self._fps), -_LIMIT, _LIMIT)
                self._last = _BIASES + (departures[:, None] * _MATRIX).sum(0)
            rows.append(self._last)
            self._told += 1
        return rows
