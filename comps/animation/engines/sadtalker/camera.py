"""Head angles that a user gives as a list: walked from one to the next at constant speed over the whole clip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray


def camera_angles(stops: Sequence[float], frames: int) -> NDArray[np.float32]:
    """Degrees, float32 `[frames]`, along `stops` (at least one). The original's pace: the last stop is just not reached."""
    path = sum(abs(b - a) for a, b in pairwise(stops))
    if path == 0 or frames < 2:
        return np.full(frames, stops[0], np.float32)
    step = path / (frames - 1)
    legs = [np.arange(a, b, np.sign(b - a) * step) for a, b in pairwise(stops) if a != b]
    walked = np.concatenate(legs)[:frames]
    return np.pad(walked, (0, frames - len(walked)), mode="edge").astype(np.float32)


@dataclass(frozen=True, slots=True)
class Camera:
    """Angles that replace those of the motion: lists of stops in degrees, an empty one where the motion's are kept."""

    yaw: Sequence[float] = ()
    pitch: Sequence[float] = ()
    roll: Sequence[float] = ()

    @property
    def moves(self) -> bool:
        """Whether an angle changes, so that the length of the clip must be known."""
        return any(len(set(stops)) > 1 for stops in (self.yaw, self.pitch, self.roll))

    def angles(self, pose: NDArray[np.float32]) -> NDArray[np.float32]:
        """`pose` (yaw, pitch, roll in degrees) `[n, 3]` of a whole clip, with the angles that are given."""
        angles = pose.copy()
        for column, stops in enumerate((self.yaw, self.pitch, self.roll)):
            if stops:
                angles[:, column] = camera_angles(stops, len(pose))
        return angles
