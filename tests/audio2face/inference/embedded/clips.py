"""Clips and what the embedded face makes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from comps.animation.audio2face.inference.embedded import EmbeddedEmotions, EmbeddedFace
from comps.animation.audio2face.inference.model import Array, Audio, FaceTuning, frame_count
from comps.animation.audio2face.names import (
    ACTIVE_POSES,
    ALL_SHAPES,
    CANCEL_POSES,
    DETECTOR_EMOTIONS,
    FACE_EMOTIONS,
    SYMMETRY_POSES,
)
from comps.animation.audio2face.parameters import Value, defaults
from comps.core.language.espeak_library import RawSettings
from comps.core.speech import Phone
from tests.hearing.spoken import speak

SENTENCE = "My mother may buy a big map and a pump before the summer."
FACE = EmbeddedFace()
DETECTOR = EmbeddedEmotions()


def sentence(text: str = SENTENCE, voice: str = "gmw/en-US+edward") -> tuple[Audio, tuple[Phone, ...]]:
    """A spoken sentence and its phones."""
    return speak(text, RawSettings(voice, rate=160))


def tuning(fps: int = 30, cancel: Mapping[str, int] | None = None, **values: Value) -> FaceTuning:
    """Claire's defaults but for `values`."""
    return FaceTuning(
        fps, defaults(character="claire") | values, ACTIVE_POSES, CANCEL_POSES | dict(cancel or {}), SYMMETRY_POSES
    )


def face(
    pieces: Sequence[Audio], tuned: FaceTuning | None = None, model: EmbeddedFace = FACE, **emotions: float
) -> Array:
    """All frames of a clip given in pieces; `emotions` hold from its beginning to its end."""
    tuned = tuned or tuning()
    felt = np.array([emotions.get(name, 0.0) for name in FACE_EMOTIONS])
    stream, samples, frames = model.open(tuned), 0, [np.empty((0, len(model.names)))]
    for piece in pieces:
        before = frame_count(samples, tuned.fps)
        samples += len(piece)
        frames.append(stream.push(piece, np.tile(felt, (frame_count(samples, tuned.fps) - before, 1))))
    frames.append(stream.finish(np.empty((0, len(FACE_EMOTIONS)))))
    return np.concatenate(frames)


def hear(pieces: Sequence[Audio], fps: int = 30, interval: int = 10) -> Array:
    """The logits of all frames of a clip given in pieces."""
    stream = DETECTOR.open(fps, interval)
    rows = [np.empty((0, len(DETECTOR_EMOTIONS))), *(stream.push(piece) for piece in pieces), stream.finish()]
    return np.concatenate(rows)


def shape(frames: Array, *names: str) -> Array:
    """The sum of shapes over the frames."""
    total: Array = frames[:, [ALL_SHAPES.index(name) for name in names]].sum(1)
    return total


def opening(frames: Array) -> Array:
    """How far the lips are apart: what opens them, less what shuts them."""
    return shape(frames, "JawOpen") + 0.5 * shape(frames, "MouthLowerDownLeft", "MouthUpperUpLeft")
