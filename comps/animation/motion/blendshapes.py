"""Blend shapes: positions of the speech organs as ARKit weights."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from comps.animation.motion.articulation import CLOSE, JAW, LOWER, ROUND, SPREAD, TONGUE, TUCK, UPPER
from comps.animation.motion.face_motion import ARKIT_INDEX, ARKIT_NAMES

Plane = NDArray[np.float32]

WIDEST_JAW = 0.48
"""jawOpen of the most open vowel: its 1 is a yawn."""


WIDEST_GAZE = 35.0
"""Degrees of gaze at which an eyeLook weight is 1."""


def gaze_weights(yaw: float, pitch: float) -> dict[str, float]:
    """The eyeLook weights of a gaze in degrees (yaw to the subject's left, pitch up), for renderers that turn eyes by them."""
    left, right, up, down = (min(1.0, max(0.0, angle / WIDEST_GAZE)) for angle in (yaw, -yaw, pitch, -pitch))
    return {
        "eyeLookOutLeft": left, "eyeLookInLeft": right, "eyeLookInRight": left, "eyeLookOutRight": right,
        "eyeLookUpLeft": up, "eyeLookUpRight": up, "eyeLookDownLeft": down, "eyeLookDownRight": down,
    }  # fmt: skip


def mouth_weights(organs: Plane) -> Plane:
    """ARKit weights float32 `[n, 52]` for organ positions `[n, 8]`; everything but mouth, jaw and tongue is 0."""
    weights = np.zeros((len(organs), len(ARKIT_NAMES)), np.float32)
    close, tuck = organs[:, CLOSE], organs[:, TUCK]
    free = (1 - close) * (1 - 0.85 * tuck)
    jaw = WIDEST_JAW * organs[:, JAW] * (1 - 0.70 * close) * (1 - 0.55 * tuck)
    round_ = organs[:, ROUND]
    table = {
        "jawOpen": jaw,
        # Where the lips are shut, mouthClose undoes exactly what the jaw opens.
        "mouthClose": jaw * np.maximum(close, 0.55 * tuck),
        "mouthPucker": round_ * (0.85 - 0.25 * organs[:, JAW]),
        "mouthFunnel": round_ * (0.25 + 0.40 * organs[:, JAW]) * free,
        "mouthRollLower": 0.22 * close + 0.55 * tuck,
        "mouthRollUpper": 0.18 * close,
        "mouthShrugLower": 0.45 * tuck,
        "tongueOut": 0.8 * organs[:, TONGUE] * free,
    }
    sided = {
        "mouthPress": 0.40 * close,
        "mouthStretch": 0.60 * organs[:, SPREAD] * (1 - 0.5 * close),
        "mouthSmile": 0.22 * organs[:, SPREAD],
        "mouthUpperUp": organs[:, UPPER] * (1 - close),
        "mouthLowerDown": organs[:, LOWER] * free,
    }
    for name, values in table.items():
        weights[:, ARKIT_INDEX[name]] = values
    for name, values in sided.items():
        weights[:, ARKIT_INDEX[f"{name}Left"]] = weights[:, ARKIT_INDEX[f"{name}Right"]] = values
    return weights
