"""Emotion post-processing: from a detector's logits to the ten emotions that drive a face, frame by frame.

    1 contrast     p = softmax(emotion_contrast * logits)
    2 neutral      p[neutral] = 0, without renormalisation
    3 maximum      only the max_emotions largest of p stay
    4 conversion   e[face channel] = p[detector channel], the other face channels 0
    5 smoothing    e = (1 - live_blend_coef) e + live_blend_coef e_previous, at first the beginning emotion
    6 preferred    e = (1 - s) e + s preferred with s = preferred_emotion_strength; not fed back into 5
    7 transition   e = w e + (1 - w) last with w = min(frame_s / max(live_transition_time, 0.001), 1),
                   last the result of this step one frame earlier; the first frame stays as it is
    8 strength     output = emotion_strength * e

Order and formulas: NVIDIA Audio2Face-3D SDK 1.0.0 (MIT) and its tuning guide. Nothing is clamped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from comps.animation.audio2face.names import CORRESPONDENCE, DETECTOR_EMOTIONS, FACE_EMOTIONS, NEUTRAL, face_emotion
from comps.animation.audio2face.parameters import BY_NAME, KEYFRAME_EMOTION, Parameter, Value, check, check_entries
from comps.core.errors import UnprocessableError

Array = NDArray[np.float64]

_SHORTEST_TRANSITION_S = 0.001


@dataclass(frozen=True, slots=True)
class EmotionSettings:
    """Parameters of the chain (`parameters.EMOTION`); a value out of range is an UnprocessableError that names it.

    `frame_s` is the time step of the transition; the original uses 0.033 s whatever the frame rate.
    With `carry_unmapped` the face channels that no detector channel moves enter step 5 with the
    previous frame's output (on the first frame with the beginning emotion) instead of 0, as the
    SDK's buffers do, contrary to its documentation.
    """

    emotion_contrast: float = 1.0
    max_emotions: int = 3
    live_blend_coef: float = 0.7
    enable_preferred_emotion: bool = True
    preferred_emotion_strength: float = 0.5
    live_transition_time: float = 0.5
    emotion_strength: float = 0.6
    frame_s: float = 0.033
    carry_unmapped: bool = False

    def __post_init__(self) -> None:
        for name in _NAMES:
            check(BY_NAME[name], getattr(self, name))
        if not 0 < self.frame_s < float("inf"):
            raise UnprocessableError(
                f"frame_s = {self.frame_s:g} is out of range; allowed is more than 0", param="frame_s"
            )

    @classmethod
    def of(
        cls, values: Mapping[str, Value], *, frame_s: float = 0.033, carry_unmapped: bool = False
    ) -> EmotionSettings:
        """Settings from values by parameter name; other names are ignored, missing ones have the stylization files' defaults."""
        known = {name: values[name] for name in _NAMES if name in values}
        return cls(**known, frame_s=frame_s, carry_unmapped=carry_unmapped)  # type: ignore[arg-type]


_NAMES = (
    "emotion_contrast", "max_emotions", "live_blend_coef", "enable_preferred_emotion", "preferred_emotion_strength",
    "live_transition_time", "emotion_strength",
)  # fmt: skip


class EmotionChain:
    """The chain of one stream; frames come in order, in chunks of any size, with the same result.

    `beginning` `[10]` is the emotion that the smoothing starts from, `correspondence` the face channel
    of every detector channel that has one. Raises UnprocessableError for a correspondence that does not exist.
    """

    def __init__(
        self,
        settings: EmotionSettings,
        beginning: Array | None = None,
        correspondence: Mapping[str, str] = CORRESPONDENCE,
    ) -> None:
        self._settings = settings
        self._sources, self._targets = _channels(correspondence)
        self._smoothed: Array = np.zeros(len(FACE_EMOTIONS)) if beginning is None else np.array(beginning, np.float64)
        self._output: Array = self._smoothed
        self._last: Array | None = None
        unmapped: NDArray[np.bool_] = np.ones(len(FACE_EMOTIONS), bool)
        unmapped[self._targets] = False
        self._carried: NDArray[np.bool_] | None = unmapped if settings.carry_unmapped else None
        self._heard: Array = np.full(len(DETECTOR_EMOTIONS), np.nan)
        self._generated: Array = np.zeros(len(FACE_EMOTIONS))

    def from_logits(self, logits: Array, preferred: Array | None = None) -> Array:
        """Emotions `[n, 10]` of the next frames from detector logits `[n, 6]`; `preferred` as in `from_emotions`."""
        if logits.ndim != 2 or logits.shape[1] != len(DETECTOR_EMOTIONS):
            raise _unusable(logits)
        # detectors listen anew every few frames only, and repeat themselves in between
        if not (logits == self._heard).all():
            return self.from_emotions(self._of(logits), preferred)
        return self.from_emotions(np.repeat(self._generated[None], len(logits), axis=0), preferred)

    def _of(self, logits: Array) -> Array:
        """Steps 1 to 4."""
        if not np.isfinite(logits).all():
            raise _unusable(logits)
        strongest = strongest_emotions(logits, self._settings.emotion_contrast, self._settings.max_emotions)
        generated: Array = np.zeros((len(logits), len(FACE_EMOTIONS)))
        generated[:, self._targets] = strongest[:, self._sources]
        self._heard, self._generated = logits[-1].copy(), generated[-1].copy()
        return generated

    def from_emotions(self, generated: Array, preferred: Array | None = None) -> Array:
        """Steps 5 to 8 for generated emotions `[n, 10]`, zeros where there is no detector.

        `preferred` `[n, 10]` are the keyframes' emotions; None, for a stream that has had no keyframe, skips step 6.
        """
        settings, output = self._settings, np.empty_like(generated, np.float64)
        preferred = preferred if settings.enable_preferred_emotion else None
        share = settings.preferred_emotion_strength
        weight = min(settings.frame_s / max(settings.live_transition_time, _SHORTEST_TRANSITION_S), 1.0)
        for frame, raw in enumerate(generated):
            start = raw if self._carried is None else np.where(self._carried, self._output, raw)
            self._smoothed = (1 - settings.live_blend_coef) * start + settings.live_blend_coef * self._smoothed
            blended: Array = (
                self._smoothed if preferred is None else (1 - share) * self._smoothed + share * preferred[frame]
            )
            self._last = blended if self._last is None else weight * blended + (1 - weight) * self._last
            self._output = settings.emotion_strength * self._last
            output[frame] = self._output
        return output


def strongest_emotions(logits: Array, contrast: float, max_emotions: int) -> Array:
    """Steps 1 to 3: probabilities `[n, 6]` without neutral, of the `max_emotions` largest; of equal ones the first stay."""
    scaled = contrast * logits
    raised: Array = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    shares: Array = raised / raised.sum(axis=1, keepdims=True)
    shares[:, NEUTRAL] = 0
    weakest = np.argsort(-shares, axis=1, kind="stable")[:, max_emotions:]
    shares[np.arange(len(shares))[:, None], weakest] = 0.0
    return shares


def emotion_vector(emotions: Mapping[str, object], parameter: Parameter = KEYFRAME_EMOTION) -> Array:
    """The vector `[10]` of emotions by name; missing ones are 0, unknown names are ignored, weights outside 0..1 are refused."""
    known = {name: value for name, value in emotions.items() if face_emotion(name) is not None}
    vector: Array = np.zeros(len(FACE_EMOTIONS))
    for name, value in check_entries(parameter, known).items():
        vector[face_emotion(name)] = value
    return vector


def _unusable(logits: Array) -> UnprocessableError:
    fault = f"logits {logits.shape} are not finite [n, {len(DETECTOR_EMOTIONS)}]"
    return UnprocessableError(fault, param="logits")


def _channels(correspondence: Mapping[str, str]) -> tuple[list[int], list[int]]:
    sources, targets = [], []
    for detector, face in correspondence.items():
        target = face_emotion(face)
        if detector not in DETECTOR_EMOTIONS or target is None or target in targets:
            fault = f"emotion correspondence {detector[:40]} -> {face[:40]}"
            raise UnprocessableError(
                f"{fault}: there is no such emotion, or another one moves it", param="correspondence"
            )
        sources.append(DETECTOR_EMOTIONS.index(detector))
        targets.append(target)
    return sources, targets
