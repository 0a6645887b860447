"""Head angles that a user gives as a list: walked from one to the next at constant speed over the whole clip."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray


def camera_angles(stops: Sequence[float], frames: int) -> NDArray[np.float32]:
    """Degrees `[frames]` along `stops` (at least one). The original's pace: the last stop is just not reached."""
    path = sum(abs(b - a) for a, b in pairwise(stops))
    if path == 0 or frames < 2:
        return np.full(frames, stops[0], np.float32)
    step = path / (frames - 1)
    legs = [np.arange(a, b, np.sign(b - a) * step) for a, b in pairwise(stops) if a != b]
    walked = np.concatenate(legs)[:frames]
    return np.pad(walked, (0, frames - len(walked)), mode="edge").astype(np.float32)
