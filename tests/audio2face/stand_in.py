"""Stand-ins for inference: small, deterministic, and as strict about their contract as the real ones should be.

The face opens its mouth as loud as the sound around a frame, and smiles as much as joy asks.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import numpy as np

from comps.animation.audio2face.inference.model import (
    SAMPLE_RATE,
    Array,
    Audio,
    EmotionDetector,
    EmotionStream,
    FaceModel,
    FaceStream,
    FaceTuning,
    frame_count,
)
from comps.animation.audio2face.names import FACE_EMOTIONS, shape_names

LOOK_AHEAD_S = 0.1
_WINDOW = round(LOOK_AHEAD_S * SAMPLE_RATE)


@dataclass
class _Windows:
    """The sound around every frame of a clip, as soon as it is there."""

    fps: int
    heard: Audio = field(default_factory=lambda: np.empty(0, np.float32))
    frames: int = 0

    def push(self, audio: Audio) -> list[Audio]:
        assert audio.dtype == np.float32
        assert audio.ndim == 1
        self.heard = np.concatenate([self.heard, audio])
        return self._upto(lambda centre: centre + _WINDOW <= len(self.heard))

    def finish(self) -> list[Audio]:
        count = frame_count(len(self.heard), self.fps)
        self.heard = np.concatenate([self.heard, np.zeros(_WINDOW, np.float32)])
        return self._upto(lambda _: self.frames < count)

    def _upto(self, ready) -> list[Audio]:  # type: ignore[no-untyped-def]
        found = []
        while ready(centre := self.frames * SAMPLE_RATE // self.fps):
            found.append(self.heard[max(centre - _WINDOW, 0) : centre + _WINDOW])
            self.frames += 1
        return found


def loudness(windows: list[Audio]) -> Array:
    """Root mean square of each window `[n]`."""
    return np.array([float(np.sqrt(np.mean(window.astype(np.float64) ** 2))) for window in windows]).reshape(-1)


class _LoudEmotions(EmotionStream):
    def __init__(self, fps: int) -> None:
        self._windows = _Windows(fps)

    def push(self, audio: Audio) -> Array:
        return _happy(self._windows.push(audio))

    def finish(self) -> Array:
        return _happy(self._windows.finish())


def _happy(windows: list[Audio]) -> Array:
    logits = np.zeros((len(windows), 6))
    logits[:, 3] = 20 * loudness(windows)
    return logits


class LoudEmotions(EmotionDetector):
    """Loud is happy."""

    look_ahead_s = LOOK_AHEAD_S

    def open(self, fps: int, interval: int) -> EmotionStream:
        return _LoudEmotions(fps)


class _LoudFace(FaceStream):
    def __init__(self, model: LoudFace, tuning: FaceTuning) -> None:
        self._model, self._windows = model, _Windows(tuning.fps)
        self._jaw = np.empty(0)
        self._joy = np.empty(0)

    def push(self, audio: Audio, emotions: Array) -> Array:
        self._model.wait()
        return self._made(self._windows.push(audio), emotions)

    def finish(self, emotions: Array) -> Array:
        return self._made(self._windows.finish(), emotions)

    def _made(self, windows: list[Audio], emotions: Array) -> Array:
        self._jaw = np.concatenate([self._jaw, loudness(windows)])
        self._joy = np.concatenate([self._joy, emotions[:, FACE_EMOTIONS.index("joy")]])
        ready = min(len(self._jaw), len(self._joy))
        weights = np.zeros((ready, len(self._model.names)))
        weights[:, self._model.names.index("JawOpen")] = self._jaw[:ready]
        weights[:, self._model.names.index("MouthSmileLeft")] = self._joy[:ready]
        self._jaw, self._joy = self._jaw[ready:], self._joy[ready:]
        return weights


class LoudFace(FaceModel):
    """Opens the jaw with loudness. `gate` holds every call until it is set; `fault` is raised by every call."""

    look_ahead_s = LOOK_AHEAD_S

    def __init__(self, *, tongue: bool = True) -> None:
        self.names = shape_names(tongue=tongue)
        self.gate = threading.Event()
        self.gate.set()
        self.fault: Exception | None = None
        self.opened: list[FaceTuning] = []

    def open(self, tuning: FaceTuning) -> FaceStream:
        self.opened.append(tuning)
        return _LoudFace(self, tuning)

    def wait(self) -> None:
        assert self.gate.wait(30)
        if self.fault:
            raise self.fault
