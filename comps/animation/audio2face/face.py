"""Audio2Face's weights and FaceMotion, the one description of a face for every renderer here, turned into each other.

The order of the 52 shapes is the same. What differs is the mouth: NVIDIA sculpts MouthClose as *jaw open and lips shut*,
while Apple's mouthClose only brings the lips of an open jaw together. With D the displacement of a shape at weight 1,

    D(MouthClose) = D(jawOpen) + D(mouthClose),

so the same face has jawOpen = JawOpen + MouthClose and mouthClose = MouthClose.

Gaze is in the eight EyeLook shapes on one side and also in degrees on the other. Audio2Face has no head and FaceMotion
no tongue besides tongueOut.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from comps.animation.audio2face.names import ARKIT_SHAPES
from comps.animation.motion.blendshapes import WIDEST_GAZE
from comps.animation.motion.face_motion import ARKIT_INDEX, FaceMotion

Array = NDArray[np.float64]
Plane = NDArray[np.float32]

_JAW, _CLOSE = ARKIT_INDEX["jawOpen"], ARKIT_INDEX["mouthClose"]


def arkit_weights(weights: Array) -> Array:
    """Weights `[n, 52 or more]` with Apple's mouthClose for those with NVIDIA's MouthClose; both in the wire's order."""
    arkit: Array = np.array(weights, np.float64)
    arkit[:, _JAW] += arkit[:, _CLOSE]
    return arkit


def a2f_weights(weights: Array) -> Array:
    """The inverse of `arkit_weights`; JawOpen is negative where mouthClose is more than jawOpen."""
    a2f: Array = np.array(weights, np.float64)
    a2f[:, _JAW] -= a2f[:, _CLOSE]
    return a2f


def gaze_of(weights: Array) -> Array:
    """Gaze `[n, 2]` yaw and pitch in degrees (to the subject's left, up), the mean of both eyes' EyeLook weights."""
    look = {name: weights[:, ARKIT_INDEX[f"eyeLook{name}"]] for name in _LOOKS}
    yaw = look["OutLeft"] - look["InLeft"] + look["InRight"] - look["OutRight"]
    pitch = look["UpLeft"] - look["DownLeft"] + look["UpRight"] - look["DownRight"]
    gaze: Array = np.stack([yaw, pitch], 1) * (WIDEST_GAZE / 2)
    return gaze


_LOOKS = tuple(f"{way}{side}" for side in ("Left", "Right") for way in ("Out", "In", "Up", "Down"))


def face_motion(weights: Array, *, first: int, fps: int, head: Array | None = None) -> FaceMotion:
    """Streamed weights `[n, 52 or 68]` as a motion that any renderer draws, from frame `first` on.

    Weights are cut to 0..1, which a stream need not keep to; tongue shapes are left out. `head` float `[n, 6]` as in
    FaceMotion, without it the head is still.
    """
    arkit = np.clip(arkit_weights(weights[:, : len(ARKIT_SHAPES)]), 0.0, 1.0)
    turned = np.zeros((len(weights), 6)) if head is None else head
    return FaceMotion(first, fps, _single(arkit), _single(turned), _single(gaze_of(arkit)))


def weights_of(motion: FaceMotion) -> Array:
    """The weights `[n, 52]` that a stream sends for a motion, none below 0; its head is not among them."""
    return np.maximum(a2f_weights(motion.weights.astype(np.float64)), 0.0)


def _single(values: Array) -> Plane:
    return np.ascontiguousarray(values, np.float32)
