"""Emotion: the gentle expression a face keeps while it says something in a mood."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from comps.animation.motion.face_motion import ARKIT_INDEX, ARKIT_NAMES
from comps.core.errors import UnknownChoiceError

Vector = NDArray[np.float32]
Plane = NDArray[np.float32]
Times = NDArray[np.float64]

FADE_S = 0.20
"""Time constant of the change from one mood to the next."""
SPEAKING_MOUTH = 0.55
"""Share of a mood's mouth that is left while the mouth speaks."""

_MOODS: dict[str, dict[str, float]] = {
    "neutral": {},
    "joy": {"mouthSmile": 0.42, "cheekSquint": 0.30, "browOuterUp": 0.10, "eyeSquint": 0.12},
    "sadness": {"mouthFrown": 0.35, "browInnerUp": 0.50, "eyeSquint": 0.10, "mouthShrugLower": 0.12},
    "anger": {"browDown": 0.55, "eyeSquint": 0.25, "mouthPress": 0.12, "noseSneer": 0.15, "mouthFrown": 0.12},
    "surprise": {"browInnerUp": 0.45, "browOuterUp": 0.50, "eyeWide": 0.50},
    "fear": {"browInnerUp": 0.60, "eyeWide": 0.40, "mouthStretch": 0.18, "browDown": 0.10},
    "disgust": {"noseSneer": 0.45, "browDown": 0.30, "eyeSquint": 0.20, "mouthFrown": 0.15},
    "cheekiness": {
        "mouthSmileLeft": 0.46,
        "mouthSmileRight": 0.24,
        "cheekSquint": 0.22,
        "browOuterUpLeft": 0.32,
        "eyeSquint": 0.12,
    },
    "grief": {
        "browInnerUp": 0.65,
        "mouthFrown": 0.48,
        "eyeSquint": 0.28,
        "mouthShrugLower": 0.20,
        "mouthStretch": 0.10,
    },
    "outofbreath": {
        "browInnerUp": 0.28,
        "browOuterUp": 0.12,
        "mouthPucker": 0.08,
        "eyeSquint": 0.06,
        "noseSneer": 0.08,
    },
    "pain": {
        "browDown": 0.50,
        "eyeSquint": 0.48,
        "cheekSquint": 0.35,
        "noseSneer": 0.25,
        "mouthStretch": 0.24,
        "mouthPress": 0.10,
    },
}
"""What every mood adds to the 52 weights at full strength; a name without a side moves both."""
_SYNONYMS = {
    "": "neutral", "happy": "joy", "happiness": "joy", "excited": "joy", "sad": "sadness",
    "concerned": "sadness", "angry": "anger", "surprised": "surprise", "amazement": "surprise", "afraid": "fear",
    "fearful": "fear", "disgusted": "disgust", "calm": "neutral", "cheeky": "cheekiness", "out_of_breath": "outofbreath",
}  # fmt: skip
EMOTIONS: tuple[str, ...] = tuple(_MOODS)
"""Names that `mood` knows, besides everyday synonyms."""


def mood(name: str) -> Vector:
    """ARKit weights `[52]` of an emotion by name, any case; raises UnknownChoiceError."""
    key = name.strip().lower()
    key = _SYNONYMS.get(key, key)
    if key not in _MOODS:
        raise UnknownChoiceError(f"no emotion '{name[:40]}'; there are: {', '.join(EMOTIONS)}", param="emotion")
    weights = np.zeros(len(ARKIT_NAMES), np.float32)
    for shape, value in _MOODS[key].items():
        for suffix in ("", "Left", "Right"):
            if shape + suffix in ARKIT_INDEX:
                weights[ARKIT_INDEX[shape + suffix]] = value
    return weights


MOUTH: NDArray[np.bool_] = np.array([name.startswith(("mouth", "jaw")) for name in ARKIT_NAMES])
"""Which of the 52 weights move the mouth."""
PRESSED = 0.40
"""mouthPress of lips that meet."""


def mouth_share(weights: Plane, speaking: Times) -> Times:
    """Share `[n]` of a mood's mouth that is left beside speech `weights` `[n, 52]`.

    It is less while speaking (0..1), and no more than lips that must meet can bear.
    """
    press = np.minimum(weights[:, ARKIT_INDEX["mouthPressLeft"]] / PRESSED, 1.0)
    share: Times = 1.0 - (1.0 - SPEAKING_MOUTH) * np.maximum(speaking, press)
    return share


def with_mood(weights: Plane, moods: Plane, speaking: Times) -> Plane:
    """Speech `weights` `[n, 52]` with what each frame's mood `[n, 52]` adds to them."""
    added: Plane = weights + moods * np.where(MOUTH, mouth_share(weights, speaking)[:, None], 1.0)
    return added
