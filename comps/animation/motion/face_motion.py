"""FaceMotion: what a face does over time, for any renderer.

Weights follow Apple ARKit's 52 blend shapes (0..1, left and right are the *subject's*). Head angles
are degrees: yaw positive to the subject's left, pitch positive up, roll positive when the subject's
head leans to the viewer's right; head translation is in eye distances. Gaze is degrees, like the head.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ARKIT_NAMES: tuple[str, ...] = (
    "eyeBlinkLeft", "eyeLookDownLeft", "eyeLookInLeft", "eyeLookOutLeft", "eyeLookUpLeft", "eyeSquintLeft", "eyeWideLeft",
    "eyeBlinkRight", "eyeLookDownRight", "eyeLookInRight", "eyeLookOutRight", "eyeLookUpRight", "eyeSquintRight", "eyeWideRight",
    "jawForward", "jawLeft", "jawRight", "jawOpen",
    "mouthClose", "mouthFunnel", "mouthPucker", "mouthLeft", "mouthRight",
    "mouthSmileLeft", "mouthSmileRight", "mouthFrownLeft", "mouthFrownRight", "mouthDimpleLeft", "mouthDimpleRight",
    "mouthStretchLeft", "mouthStretchRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper",
    "mouthPressLeft", "mouthPressRight", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthUpperUpLeft", "mouthUpperUpRight",
    "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight",
    "cheekPuff", "cheekSquintLeft", "cheekSquintRight", "noseSneerLeft", "noseSneerRight", "tongueOut",
)  # fmt: skip
"""The 52 names in ARKit's documented order, which is also NVIDIA Audio2Face's."""

ARKIT_INDEX: dict[str, int] = {name: index for index, name in enumerate(ARKIT_NAMES)}


@dataclass(frozen=True, slots=True)
class FaceMotion:
    """Consecutive frames from number `first` at `fps`.

    `weights` float32 `[n, 52]`; `head` float32 `[n, 6]` yaw, pitch, roll, x, y, z; `gaze` float32
    `[n, 2]` yaw, pitch.
    """

    first: int
    fps: int
    weights: NDArray[np.float32]
    head: NDArray[np.float32]
    gaze: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.weights)

    def __getitem__(self, frames: slice) -> FaceMotion:
        """The frames `[start:stop]`, counted from this motion's first."""
        start, stop, _ = frames.indices(len(self))
        part = slice(start, stop)
        return FaceMotion(self.first + start, self.fps, self.weights[part], self.head[part], self.gaze[part])

    def then(self, later: FaceMotion) -> FaceMotion:
        """This motion and the one that follows it."""
        return FaceMotion(
            self.first,
            self.fps,
            np.concatenate([self.weights, later.weights]),
            np.concatenate([self.head, later.head]),
            np.concatenate([self.gaze, later.gaze]),
        )
