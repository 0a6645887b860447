"""Seal: how far a mouth that is open in its picture is shut in each frame."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from comps.animation.motion.face_motion import ARKIT_INDEX, FaceMotion

Plane = NDArray[np.float32]

ENGAGE_S, HOLD_S, RELEASE_S = 0.16, 1.2, 0.8
"""Lips that start to speak come together within the first; after so long a pause as the second they part within the third."""
_STILL = 0.02
"""Weight of jaw or pressed lips below which a mouth does nothing."""
_SPEAKING = np.array([ARKIT_INDEX[name] for name in ("jawOpen", "mouthPressLeft", "mouthRollLower", "mouthFunnel")])


class Seal:
    """Lips that speak touch in pauses, though the picture shows them parted: speech starts from a shut mouth.

    Keeps the time since the last movement, so the frames of one performance must come in order.
    """

    def __init__(self) -> None:
        self._still_s = HOLD_S + RELEASE_S
        self._engaged = 0.0

    def engage(self, motion: FaceMotion) -> Plane:
        """For each frame of `motion` how much the mouth is at work, 0 (as in the picture) to 1, float32 `[n, 1]`."""
        moving = motion.weights[:, _SPEAKING].max(1) > _STILL
        engaged = np.empty((len(moving), 1), np.float32)
        for k, moves in enumerate(moving):
            self._still_s = 0.0 if moves else self._still_s + 1 / motion.fps
            self._engaged += 1 / motion.fps / (ENGAGE_S if self._still_s < HOLD_S else -RELEASE_S)
            self._engaged = float(np.clip(self._engaged, 0, 1))
            engaged[k] = self._engaged
        return engaged


def pressed(motion: FaceMotion) -> Plane:
    """How firmly lips are pressed together or tucked in each frame, 0..1, float32 `[n, 1]`."""
    press = motion.weights[:, ARKIT_INDEX["mouthPressLeft"]] / 0.40
    tuck = motion.weights[:, ARKIT_INDEX["mouthRollLower"]] / 0.55
    weight: Plane = np.clip(np.maximum(press, 0.6 * tuck), 0, 1)[:, None].astype(np.float32)
    return weight
