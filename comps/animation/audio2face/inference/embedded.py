"""Inference without networks of others: sound -> phones -> movements of the mouth -> weights, in any language.

The ear (`comps/core/hearing`) hears which sound is made every 10 ms; the portrait's own motion (`comps/animation/motion`)
moves the mouth by them, and the emotions add an expression. Everything of a stream happens in whole blocks of the ear, so
cuts change nothing. Blinks and gaze are left to the pipeline.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from comps.animation.audio2face.face import a2f_weights
from comps.animation.audio2face.inference.heard_emotions import EmbeddedEmotions
from comps.animation.audio2face.inference.heard_mouth import AHEAD_S, HeardMouth
from comps.animation.audio2face.inference.model import Array, Audio, FaceModel, FaceStream, FaceTuning, Steps
from comps.animation.audio2face.inference.weight_space import TongueSettings, WeightSkin
from comps.animation.audio2face.names import ALL_SHAPES, FACE_EMOTIONS, NO_PAIR
from comps.animation.motion.emotion import mood, with_mood
from comps.core.errors import UnprocessableError
from comps.core.hearing.ear import BLOCK, LOOK_AHEAD_S, Ear
from comps.core.hearing.front_end import HOP
from comps.core.hearing.voice import MARGIN

__all__ = ["EmbeddedEmotions", "EmbeddedFace"]

_EXPRESSIONS = np.stack([mood(name) for name in FACE_EMOTIONS])


class EmbeddedFace(FaceModel):
    """The project's own model; `names` are the shapes of its streams, any of the 68."""

    look_ahead_s = LOOK_AHEAD_S + AHEAD_S
    # the block of the ear, and the margin of the emotions' longer windows
    steps = Steps(BLOCK * HOP + MARGIN, BLOCK * HOP)

    def __init__(self, names: Sequence[str] = ALL_SHAPES) -> None:
        unknown = [name for name in names if name not in ALL_SHAPES]
        if unknown:
            raise UnprocessableError(f"there is no shape '{unknown[0][:40]}'", param="names")
        self.names = tuple(names)
        Ear()

    def open(self, tuning: FaceTuning) -> EmbeddedFaceStream:
        """A stream of a clip; shapes that are not active move all the same, the pipeline leaves them out."""
        return EmbeddedFaceStream(self.names, tuning)


class EmbeddedFaceStream(FaceStream):
    """One clip; see `EmbeddedFace`."""

    def __init__(self, names: tuple[str, ...], tuning: FaceTuning) -> None:
        self._gain = np.float32(tuning.values.get("input_strength", 1.0))
        self._mouth = HeardMouth(tuning.fps)
        self._skin = WeightSkin(tuning.values, tuning.fps)
        self._tongue = TongueSettings.of(tuning.values)
        self._take = np.array([ALL_SHAPES.index(name) for name in names], np.intp)
        self._cancelled = _cancel_pairs(tuning, names)
        self._emotions: Array = np.empty((0, len(FACE_EMOTIONS)))

    def push(self, audio: Audio, emotions: Array) -> Array:
        """See `FaceStream`; blocks for about 0.012 s per second of audio."""
        self._mouth.push(np.minimum(np.maximum(audio * self._gain, -1), 1))
        return self._told(emotions)

    def finish(self, emotions: Array) -> Array:
        """See `FaceStream`; the mouth closes."""
        self._mouth.finish()
        return self._told(emotions)

    def _told(self, emotions: Array) -> Array:
        """The frames for which both mouth and emotions are known."""
        if len(emotions):
            self._emotions = np.concatenate([self._emotions, emotions])
        count = min(self._mouth.ready, len(self._emotions))
        if not count:
            return np.empty((0, len(self._take)))
        felt, self._emotions = self._emotions[:count], self._emotions[count:].copy()
        mouth = self._mouth.take(count)
        # Sums row by row: a matrix product would round differently with the number of frames.
        moods = (felt[:, :, None] * _EXPRESSIONS).sum(1).astype(np.float32)
        face = np.minimum(np.maximum(with_mood(mouth.weights, moods, mouth.speaking), 0), 1)
        skin = self._skin.pose(np.maximum(a2f_weights(face.astype(np.float64)), 0.0))
        weights = np.concatenate([skin, self._tongue.pose(mouth.tongue.astype(np.float64))], axis=1)[:, self._take]
        return self._without_cancelled(weights)

    def _without_cancelled(self, weights: Array) -> Array:
        """Of a cancel pair the stronger one stays, the first of equal ones."""
        for first, second in self._cancelled:
            stronger = weights[:, first] >= weights[:, second]
            weights[stronger, second] = 0.0
            weights[~stronger, first] = 0.0
        return weights


def _cancel_pairs(tuning: FaceTuning, names: tuple[str, ...]) -> list[tuple[int, int]]:
    """Places of the active shapes that `tuning.cancel` pairs, first and second."""
    places: dict[int, list[int]] = {}
    for place, name in enumerate(names):
        pair = tuning.cancel.get(name, NO_PAIR)
        if pair != NO_PAIR and tuning.active.get(name, 1):
            places.setdefault(pair, []).append(place)
    return [(found[0], found[1]) for found in places.values() if len(found) == 2]
